r"""Names that stand for what was found, and the way back: `<EMAIL_ADDRESS_k7wq2m3fab>`.

Theory. A name is made of the entity, of eight letters that a keyed hash gives for the value, and of two that check the
rest. So one value has one name in every request of the site: history that is sent again needs no memory, and a
provider's prompt cache keeps hitting. The map back is the exchange's own and holds what this exchange has sent; a name
that a model invents or damages fails its check or is not in the map, and stays as it is.

Rules: pure; a secret never gets a name; one name never means two values; nothing is put back where it would travel on:
in the target of a link or picture, in the name of a host, in a tag, in a call's arguments. Values never enter a record.
"""

import base64
import hashlib
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import regex

from appliance.inspect.redact import Worded
from appliance.inspect.spoken import is_spoken
from appliance.inspect.travelling import CONTEXT, travels
from appliance.model.detection import Detection, Label, Segment
from appliance.model.names import DetectionKind

MAX_NAMES: Final = 4096
MAX_CHARS: Final = 1 << 20  # of all values of one exchange
LONGEST: Final = 192  # code points of a name, however it is written
MAX_RESTORED: Final = 4096  # names that are put back in one answer; what comes beyond stays as it is
WORDS: Final = frozenset({"content", "reasoning", "refusal"})
"""Channels of a model's words: values come back there and nowhere else."""
RESTORED, UNRESTORED = "RESTORED_PSEUDONYM", "UNRESTORED_PSEUDONYM"
_RULE: Final = "pseudonym"
_BODY, _CHECK = 8, 2
_DIGITS: Final = frozenset({"CREDIT_CARD", "PHONE_NUMBER", "US_SSN", "US_BANK_NUMBER", "US_ITIN", "UK_NHS"})
_UNSPACED: Final = frozenset({"IBAN_CODE", "SWIFT_CODE"})
# As models write it back: any case, `_` escaped for Markdown, angle brackets escaped for HTML or with a backslash.
_NAME: Final = regex.compile(
    r"(?:\\?<|&lt;)(?P<entity>[A-Za-z][A-Za-z0-9]{0,23}(?:\\?_[A-Za-z0-9]{1,24}){0,5})\\?_"
    r"(?P<body>[A-Za-z2-7]{10})(?:\\?>|&gt;)"
)
_OPENERS: Final = "<&\\"
_REACH: Final = 512  # code points behind a name that are looked at
# What stands behind a name where it would be a part of a host or of what comes before its @, as whoever makes links of
# bare hosts reads it (IDNA takes three more dots). Other names, emphasis and escapes of Markdown may stand in between.
_OTHER: Final = r"(?:<|&lt;)[A-Za-z][A-Za-z0-9_\\]{0,160}+(?:>|&gt;)"
_DOT: Final = r"(?:[@.]|&(?:period|commat|#0{0,4}(?:46|64)|#[xX]0{0,4}(?:2[eE]|40));)"
_AHEAD: Final = regex.compile(
    rf"(?:(?:[\w\-*~`\\+:]|{_OTHER})*+{_DOT}[*~`\\_]*+(?:[^\W_]|{_OTHER})"
    r"|[A-Za-z0-9\-*~`]*+[\u3002\uff0e\uff61][A-Za-z0-9])"
)


@dataclass(slots=True)
class Restoration:
    """The way back of one exchange, and what became of it. `values`: by name."""

    values: dict[str, str] = field(default_factory=dict)
    restored: int = 0
    unrestored: int = 0
    _chars: int = 0

    def add(self, name: str, entity: str, value: str) -> bool:
        """Whether `name` now means `value`: not where it means another already, or where there is no room."""
        known = self.values.get(name)
        if known is not None:
            return canonical(entity, known) == canonical(entity, value)
        if len(self.values) >= MAX_NAMES or self._chars + len(value) > MAX_CHARS:
            return False
        self.values[name] = value
        self._chars += len(value)
        return True

    def labels(self) -> tuple[Label, ...]:
        """What became of the names of an answer, for its record."""
        counts = ((RESTORED, self.restored), (UNRESTORED, self.unrestored))
        return tuple(Label(entity, DetectionKind.OUTPUT, count, 1.0) for entity, count in counts if count)

    def find(self, text: str, before: Iterable[str] = ("",)) -> list[Detection]:
        """Names in `text` that are to be put back, each with its value; counts them and the others.

        `before`: the ends of all that may stand before `text`.
        """
        context = _Context(before, text)
        found: list[Detection] = []
        for match in _NAME.finditer(text):
            context.reach(match.start(), match.end())
            name = _plain(match["entity"], match["body"])
            if name is None:
                continue
            value = self.values.get(name)
            is_over = self.restored >= MAX_RESTORED  # asked before what takes time
            if value is None or is_over or _leads_on(text, match.end()) or context.travels():
                self.unrestored += 1
                continue
            self.restored += 1
            found.append(Worded(match.start(), match.end(), RESTORED, DetectionKind.OUTPUT, 1.0, _RULE, value))
        return found

    def along(
        self, segments: Iterable[Segment], hidden: Iterable[tuple[Detection, ...]]
    ) -> list[tuple[Detection, ...]]:
        """What is hidden along the texts of an answer, and what is put back: in the model's words, and nowhere else."""
        places: list[tuple[Detection, ...]] = []
        said = ""  # clients join one text to the next
        for segment, found in zip(segments, hidden, strict=True):
            if _is_read(segment):
                names = self.find(segment.text, [said])
                said = (said + segment.text)[-CONTEXT:]
                places.append(tuple(self.beside(names, found)))
            else:
                places.append(found)
        return places

    def beside(self, first: Iterable[Detection], then: Iterable[Detection]) -> list[Detection]:
        """Both, in order; a name that stands where something is hidden is not put back."""
        found = sorted((*first, *then), key=lambda one: (one.start, one.end))
        hidden = [one for one in found if not isinstance(one, Worded)]
        if not hidden:
            return found
        spans = Spans(hidden)
        kept = [one for one in found if not (isinstance(one, Worded) and spans.meets(one))]
        lost = len(found) - len(kept)
        self.restored -= lost
        self.unrestored += lost
        return kept


@dataclass(frozen=True, slots=True)
class Renaming:
    """Gives names under one key. `entities`: those that get one; everything else gets its plain placeholder."""

    key: bytes
    entities: frozenset[str]
    restoration: Restoration

    def __call__(self, found: Detection, text: str) -> Detection:
        """The detection with the word that comes in its place; `text`: the whole text in which it stands."""
        if found.entity not in self.entities or found.kind is DetectionKind.SECRET:
            return found
        value = text[found.start : found.end]
        name = name_of(self.key, found.entity, value)
        if not self.restoration.add(name, found.entity, value):
            return found
        return Worded(found.start, found.end, found.entity, found.kind, found.score, found.rule, name)


class Spans:
    """Where detections stand, joined where they overlap: whether another meets one of them is a search, not a walk."""

    def __init__(self, found: Iterable[Detection]) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in sorted((one.start, one.end) for one in found):
            if self._ends and start < self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._starts.append(start)
                self._ends.append(end)

    def meets(self, one: Detection) -> bool:
        """Whether `one` shares a character with any of them."""
        place = bisect_left(self._starts, one.end)
        return place > 0 and self._ends[place - 1] > one.start


def secrets_among(known: Iterable[Detection]) -> Spans:
    """Where the secrets stand: what meets one gets no name, for a name could be undone."""
    return Spans(other for other in known if other.kind is DetectionKind.SECRET)


def name_of(key: bytes, entity: str, value: str) -> str:
    """The name of a value. `key`: up to 64 bytes."""
    told = f"{entity}|{canonical(entity, value)}".encode("utf-8", "surrogatepass")
    body = _letters(hashlib.blake2b(told, key=key, digest_size=5).digest())
    return f"<{entity}_{body}{_check(entity, body)}>"


def entity_of(name: str) -> str:
    """What a name that `name_of` made says its value is."""
    return name[1 : -len(">") - _BODY - _CHECK - len("_")]


def canonical(entity: str, value: str) -> str:
    """What makes two ways to write it one value."""
    if entity in _DIGITS:
        kept = "".join(letter for letter in value if letter.isdigit() or letter == "+")
        return kept or value
    folded = " ".join(value.casefold().split())
    return folded.replace(" ", "") if entity in _UNSPACED else folded


def open_from(text: str) -> int:
    """Where a name may have begun that `text` does not end, or of which it cannot be told yet whether it leads on.

    Its length: nowhere.
    """
    whole = _begun(text)
    for found in _NAME.finditer(text, max(0, whole - LONGEST - _REACH), whole):
        ahead = _AHEAD.match(text, found.end(), partial=True)
        if ahead is not None and ahead.partial and whole - found.end() < _REACH:
            return int(found.start())
    return whole


def _begun(text: str) -> int:
    for at in range(max(0, len(text) - LONGEST), len(text)):
        if text[at] in _OPENERS:
            match = _NAME.fullmatch(text, at, partial=True)
            if match is not None and match.partial:
                return at
    return len(text)


def _plain(entity: str, body: str) -> str | None:
    """The name as it was given; None: its letters do not check."""
    entity, body = entity.replace("\\", "").upper(), body.lower()
    if _check(entity, body[:_BODY]) != body[_BODY:]:
        return None
    return f"<{entity}_{body}>"


def _check(entity: str, body: str) -> str:
    return _letters(hashlib.blake2b(f"{entity}_{body}".encode(), digest_size=5).digest())[:_CHECK]


def _letters(data: bytes) -> str:
    """Five bytes as eight letters."""
    return base64.b32encode(data).decode().lower()


def _is_read(segment: Segment) -> bool:
    spoken = segment.role == "assistant" and segment.channel in WORDS and not segment.fixed
    return spoken and is_spoken(segment.pointer.split("/"))


def _leads_on(text: str, at: int) -> bool:
    """Whether a name that ends at `at` of `text` would be a part of a host, or of what comes before its @."""
    ahead = _AHEAD.match(text, at, endpos=at + _REACH, partial=True)
    return ahead is not None and (not ahead.partial or len(text) >= at + _REACH)


class _Context:
    """What stands before the names of a text, itself without names: no tags. Read once, from the front.

    `before`: the ends of all that may stand before the text.
    """

    def __init__(self, before: Iterable[str], text: str) -> None:
        self._text = text
        self._at = -1  # nothing is read yet
        self._ends = {(end, len(end) >= CONTEXT) for end in before}  # and whether more stands before it

    def reach(self, start: int, end: int) -> None:
        """A name stands there: go on to its beginning. What it is itself counts when one goes on to the next."""
        is_first, at = self._at < 0, max(0, self._at)
        near = self._text[max(at, start - CONTEXT) : start]
        is_cut = start - at > CONTEXT
        if is_first:
            self._ends = {_cut(_nameless(known + near), is_cut=cut or is_cut) for known, cut in self._ends}
        else:
            self._ends = {_cut(f"{known}_{near}", is_cut=cut or is_cut) for known, cut in self._ends}
        self._at = end

    def travels(self) -> bool:
        """Whether what stands where one is would go somewhere by itself."""
        return any(travels(known, is_cut=is_cut) for known, is_cut in self._ends)


def _nameless(text: str) -> str:
    return _NAME.sub("_", text) if ">" in text or ";" in text else text


def _cut(known: str, *, is_cut: bool) -> tuple[str, bool]:
    return known[-CONTEXT:], is_cut or len(known) > CONTEXT
