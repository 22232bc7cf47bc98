"""Text to inspect, what was found in it, and how much of a body was seen.

Rules: offsets of a `Detection` are Unicode code points into the segment's text, half-open. `Coverage` obeys a
conservation law: structure + text_scanned + sum(text_unscanned) + sum(opaque) == the decoded body's length in bytes.
"""

import msgspec

from appliance.model.names import DetectionKind


class Detection(msgspec.Struct, frozen=True, order=True):
    """One finding in one text. `score` 0-1; `rule` names the recogniser or rule that made it."""

    start: int
    end: int
    entity: str
    kind: DetectionKind
    score: float
    rule: str


class Segment(msgspec.Struct, frozen=True):
    """A piece of text with its exact place in the decoded body.

    `role`: system|user|assistant|tool|developer|unknown. `channel`: content|arguments|name|description|reasoning|
    metadata|number. `pointer`: RFC 6901 JSON pointer. `start`, `end`: byte span in the decoded body of the *encoded*
    text (for a JSON string the inside of the quotes). `escaped`: that span holds JSON escapes, so text and bytes
    differ. `fixed`: the text was drawn out of its span (a document, a compressed message) and cannot be edited there;
    its span may be empty. `syntax`: how the text is written there, where that is not the body's own syntax: words of
    view.Syntax from the outside in, joined by `+`, e.g. `form+json`.
    """

    role: str
    channel: str
    text: str
    pointer: str
    start: int
    end: int
    escaped: bool = False
    fixed: bool = False
    syntax: str = ""


# Classes that judge a text as a whole read every long one in part: rules must ask for them by name.
_JUDGING = frozenset(f"{name}_partial" for name in ("injection", "output", "topic", "hidden_text", "views"))


class Coverage(msgspec.Struct, frozen=True):
    """Where every byte of a decoded body went. Reasons are short snake_case words, e.g. `too_large`, `image`.

    `partial`: how many texts were not looked at in full although their bytes count as scanned, or although they have
    none of their own (a part of a document): by reason, which is a class of detectors that stopped at a bound
    (`injection_partial`), or why such a text was not scanned. `skipped`: detectors that were not asked about a text,
    because what was found before settled the verdict (`decided` in `text_unscanned`).
    """

    length: int
    structure: int = 0
    text_scanned: int = 0
    text_unscanned: dict[str, int] = {}
    opaque: dict[str, int] = {}
    scanned_by: tuple[str, ...] = ()  # detector classes that ran over text_scanned: pii, secret, injection, names
    partial: dict[str, int] = {}
    skipped: tuple[str, ...] = ()

    @property
    def balanced(self) -> bool:
        """The conservation law."""
        seen = self.structure + self.text_scanned + sum(self.text_unscanned.values()) + sum(self.opaque.values())
        return seen == self.length

    @property
    def complete(self) -> bool:
        """Nothing was left unscanned or opaque, and what is looked for in order to be hidden was looked for in full."""
        return self.length == self.structure + self.text_scanned and _JUDGING.issuperset(self.partial)


class Label(msgspec.Struct, frozen=True):
    """What a body carries, as policy sees it: an entity, how often, the best score, and who said so."""

    entity: str
    kind: DetectionKind
    count: int
    score: float


class Selector(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which detections a rule means: those of the kinds or entities named, from a score on."""

    kinds: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    min_score: float = 0.0
    rule: str = ""

    def takes(self, detection: Detection) -> bool:
        """Whether `detection` is meant."""
        named = detection.entity in self.entities or detection.kind.value in self.kinds
        return named and detection.score >= self.min_score


class DetectorCount(msgspec.Struct, frozen=True):
    """What one detector has cost and found since its process began; numbers only.

    `texts`: those it looked at, which the cache did not answer. `late`: out of time. `seconds`: of the wall.
    """

    name: str
    texts: int
    found: int
    seconds: float
    failed: int = 0
    late: int = 0
