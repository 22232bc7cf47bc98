"""What policy hides of a request: in the body that goes on, and in what is written down of it.

Rules: pure; nothing is hidden in stage observe from the provider, and everything that policy would hide is hidden from
the evidence in either stage.
"""

import hashlib
from collections.abc import Callable

import msgspec

from appliance.inspect.inspection import Edited, Inspection, chosen_by
from appliance.inspect.pseudonyms import Renaming
from appliance.inspect.redact import NotEditable
from appliance.model.detection import Detection
from appliance.model.facts import Facts, Verdict
from appliance.model.names import Disposition, Stage

NO_DIGEST = hashlib.sha256(b"").hexdigest()
SIGNED = "the request is signed (AWS Signature Version 4), and hiding what it holds would break the signature"

_MAX_MODEL = 128


class CannotHide(Exception):  # noqa: N818 - says what holds, and the caller blocks
    """What policy wants hidden cannot be without breaking what goes on. `word` is for records."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word


def edited(
    inspection: Inspection,
    verdict: Verdict,
    raw: bytes,
    *,
    usage: bool,
    signed: bool,
    target_signed: bool = False,
    renaming: Renaming | None = None,
    canary: str = "",
    shortened: tuple[str | None, int] | None = None,
) -> Edited:
    """The body as it goes on, how much was hidden in it, and other edits; the same object where nothing was done.

    `usage`: ask for usage where that can be. `signed`, `target_signed`: a signature of the client's covers the body,
    or path and query. `renaming`: gives what is pseudonymised its names. `canary`: put behind the
    instructions, where nothing is signed. `shortened`: as for `Inspection.edited`. CannotHide: it must not go on.
    """
    hides = verdict.entities or verdict.kinds
    if verdict.stage is not Stage.ENFORCE:
        return Edited(raw)
    acts = hides and verdict.effective.strictness > Disposition.OBSERVE.strictness
    try:
        asked = usage and not signed
        sent = inspection.edited(
            _chooser(verdict) if acts else None,
            include_usage=asked,
            renaming=renaming,
            canary="" if signed else canary,
            shortened=shortened,
        )
    except NotEditable as fault:
        raise CannotHide("not_editable", str(fault)) from None
    if (signed and sent.body is not raw) or (target_signed and sent.target is not None):
        raise CannotHide("signed_body", SIGNED)
    return sent


def mirrors(inspection: Inspection, verdict: Verdict, renaming: Renaming | None = None) -> tuple[tuple[str, str], ...]:
    """Texts of the body that were edited, and what they became: headers that repeat them are edited alike."""
    return inspection.hidden_texts(_chooser(verdict), renaming)


def as_told(facts: Facts, inspection: Inspection, verdict: Verdict) -> Facts:
    """The facts as they are written down: what policy hides does not stand in the evidence either."""
    if not inspection.model or not (verdict.entities or verdict.kinds):
        return facts
    model = inspection.model_without(_chooser(verdict))
    if model == inspection.model:
        return facts
    return msgspec.structs.replace(facts, model=model[:_MAX_MODEL] if model else None)


def digest_of(sent: bytes | None, raw: bytes, raw_digest: str) -> str:
    """The sha256 of what goes upstream; empty: nothing does."""
    if sent is None:
        return ""
    return raw_digest if sent is raw else hashlib.sha256(sent).hexdigest()


def _chooser(verdict: Verdict) -> Callable[[Detection], bool]:
    if verdict.hides:
        return chosen_by(verdict.hides)
    entities, kinds = frozenset(verdict.entities), frozenset(verdict.kinds)
    return lambda found: found.entity in entities or found.kind.value in kinds
