"""What policy hides of a request: in the body that goes on, and in what is written down of it.

Rules: pure; nothing is hidden in stage observe from the provider, and everything that policy would hide is hidden from
the evidence in either stage.
"""

import hashlib
from collections.abc import Callable

import msgspec

from appliance.inspect.inspection import Inspection
from appliance.model.detection import Detection
from appliance.model.facts import Facts, Verdict
from appliance.model.names import Disposition

NO_DIGEST = hashlib.sha256(b"").hexdigest()
_MAX_MODEL = 128


def edited(inspection: Inspection, verdict: Verdict, raw: bytes) -> tuple[bytes, int]:
    """The body as it goes on, and how much was hidden in it; the same object where nothing is."""
    hides = verdict.entities or verdict.kinds
    if not hides or verdict.effective.strictness <= Disposition.OBSERVE.strictness:
        return raw, 0
    return inspection.redacted(_chooser(verdict))


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
    entities, kinds = frozenset(verdict.entities), frozenset(verdict.kinds)
    return lambda found: found.entity in entities or found.kind.value in kinds
