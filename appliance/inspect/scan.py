"""The core of `gnomon scan`: JSON lines in, verdicts out.

Owns: the line contract. A line in is `{"id", "text", "role"?, "direction"?}`; a line out is `{"id", "verdict", "score",
"detections": [{"entity", "kind", "start", "end", "score", "rule"}], "redacted", "partial"?}`: `partial` are the classes
that did not see all of it. Rules: one line out per line in, in
order; all detections are told, overlaps included; only those whose disposition is not allow are replaced in `redacted`;
offsets are code points, half-open. A line that cannot be answered in full gives `{"id": null, "error": ...}` with its
number in the input, counted from 1: never a verdict over a part of it, and never a piece of the text.
"""

from collections.abc import Iterator, Mapping
from typing import IO, Any

import msgspec

from appliance.inspect.overlap import cover
from appliance.inspect.redact import redact_text
from appliance.inspect.windows import Scanner, look_whole
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Direction, Disposition, Source

LONGEST_LINE = 16 << 20  # bytes, without the line end
_CHUNK = 1 << 16

_VERDICTS = (Disposition.ALLOW, Disposition.REDACT, Disposition.BLOCK)


class ScanPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`scan.yaml`: an entity's disposition goes before its kind's, which goes before `default`.

    Only allow, redact and block mean anything here; another raises ValueError.
    """

    min_score: float = 0.4
    default: Disposition = Disposition.ALLOW
    kinds: Mapping[DetectionKind, Disposition] = {}
    entities: Mapping[str, Disposition] = {}

    def __post_init__(self) -> None:
        """Refuse dispositions that `gnomon scan` cannot carry out."""
        for given in (self.default, *self.kinds.values(), *self.entities.values()):
            if given not in _VERDICTS:
                raise ValueError(f"{given} is no verdict of scan: one of {', '.join(_VERDICTS)}")

    def disposition(self, detection: Detection) -> Disposition:
        """What one detection asks for."""
        if detection.score < self.min_score:
            return Disposition.ALLOW
        return self.entities.get(detection.entity) or self.kinds.get(detection.kind) or self.default


SHIPPED = ScanPolicy(
    min_score=0.4,
    default=Disposition.ALLOW,
    kinds={
        DetectionKind.PII: Disposition.REDACT,
        DetectionKind.SECRET: Disposition.REDACT,
        DetectionKind.INJECTION: Disposition.BLOCK,
        DetectionKind.HIDDEN_TEXT: Disposition.BLOCK,
        DetectionKind.OUTPUT: Disposition.REDACT,
        DetectionKind.TOPIC: Disposition.ALLOW,
    },
    entities={"URL": Disposition.ALLOW, "UUID": Disposition.ALLOW},
)
"""What `scan.yaml` says, for callers without a YAML reader; a test holds the two together."""


class _Line(msgspec.Struct, frozen=True):
    id: str | int | float | None
    text: str
    role: str = "unknown"
    direction: Direction = Direction.REQUEST


class _BadLine(Exception):  # noqa: N818 - never leaves this module
    """The message of an error line."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)


def scan_line(line: bytes, detectors: Scanner, policy: ScanPolicy, number: int = 1) -> tuple[bytes, bool]:
    """One line in (with or without its line end), one line out with its line end, and whether it was a good line.

    `number`: of the line in its input, for the error.
    """
    try:
        return _encoder.encode(_answer(_parse(line), detectors, policy)) + b"\n", True
    except _BadLine as error:
        return _error(number, str(error)), False


def run(stdin: IO[bytes], stdout: IO[bytes], detectors: Scanner, policy: ScanPolicy = SHIPPED) -> int:
    """Answer every line of `stdin` on `stdout`, each as soon as it is there: 0, or 1 where a line was bad.

    Memory is bounded by one line of at most `LONGEST_LINE` bytes; a longer one is read past and answered as bad.
    """
    all_good = True
    for number, line in enumerate(_lines(stdin), 1):
        answer, good = _too_long(number) if line is None else scan_line(line, detectors, policy, number)
        stdout.write(answer)
        stdout.flush()
        all_good = all_good and good
    return 0 if all_good else 1


def _parse(line: bytes) -> _Line:
    if len(line.rstrip(b"\r\n")) > LONGEST_LINE:
        raise _BadLine(f"the line is longer than {LONGEST_LINE} bytes")
    try:
        return _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _BadLine(f"expected a JSON object with `id` and `text`: {_harmless(error)}") from None


def _harmless(error: Exception) -> str:
    """The messages of msgspec name types, keys and offsets, except that an unknown enumeration value is repeated."""
    return str(error) if not isinstance(error, msgspec.ValidationError) else str(error).partition(" '")[0]


def _answer(line: _Line, detectors: Scanner, policy: ScanPolicy) -> dict[str, Any]:
    try:
        seen = look_whole(detectors, line.text, _source(line))
    except Exception as error:  # noqa: BLE001 - whatever failed, there is no verdict without a full scan
        raise _BadLine(f"a detector failed ({type(error).__name__}): the text was not scanned") from None
    found = seen.found
    asked = [(detection, policy.disposition(detection)) for detection in found]
    acted_on = tuple(detection for detection, disposition in asked if disposition is not Disposition.ALLOW)
    return {
        "id": line.id,
        "verdict": max((what for _, what in asked), key=lambda what: what.strictness, default=Disposition.ALLOW),
        "score": max((detection.score for detection in found), default=0),
        "detections": [_told(detection) for detection in found],
        "redacted": redact_text(line.text, cover(acted_on)),
        **({"partial": list(seen.partial)} if seen.partial else {}),
    }


def _source(line: _Line) -> Source:
    """Of an answer the model; else whoever the role names, in the words of `Source` or of a chat."""
    if line.direction is Direction.RESPONSE:
        return Source.ANSWER
    known = Source.__members__.get(line.role.upper())
    return known or (Source.SYSTEM if line.role == "developer" else Source.UNKNOWN)


def _told(detection: Detection) -> dict[str, object]:
    names = ("entity", "kind", "start", "end", "score", "rule")
    return {name: getattr(detection, name) for name in names}


def _error(number: int, message: str) -> bytes:
    return _encoder.encode({"id": None, "error": f"line {number}: {message}"}) + b"\n"


def _too_long(number: int) -> tuple[bytes, bool]:
    return _error(number, f"the line is longer than {LONGEST_LINE} bytes"), False


def _lines(stdin: IO[bytes]) -> Iterator[bytes | None]:
    """Lines of `stdin`; None for one that is too long, whose rest is read and dropped."""
    while line := stdin.readline(LONGEST_LINE + 2):  # room for a carriage return and a line feed
        if line.endswith(b"\n") or len(line) <= LONGEST_LINE:
            yield line
            continue
        while (rest := stdin.readline(_CHUNK)) and not rest.endswith(b"\n"):
            pass
        yield None
