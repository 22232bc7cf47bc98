"""What the operator tells the detectors: everything beyond the rules that are shipped.

Rules: a value, made once from the configuration and handed to every process that detects; it decides with the rules
what is found, so its digest is part of the detectors' version. Of the values of dictionaries only keyed digests
stand in it.
"""

import hashlib
from typing import Literal

import msgspec

from appliance.inspect.output.packages_known import Known
from appliance.model.names import DetectionKind


class CustomRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One recogniser of the operator's own."""

    name: str  # lower-case letters, digits, - and _
    entity: str  # in capitals, as policy rules name it, e.g. STAFF_NUMBER
    patterns: tuple[str, ...]  # regular expressions; case is ignored unless written (?-i:...)
    score: float = 0.5  # up to 1; a word beside a match adds 0.35, a checksum that holds makes it 1
    context: tuple[str, ...] = ()  # words before a match that raise its score
    checksum: Literal["none", "luhn", "mod97", "mod11"] = "none"  # what fails it is not found
    examples: tuple[str, ...]  # texts in which it must find something
    counter_examples: tuple[str, ...] = ()  # texts in which it must find nothing


class Dictionary(msgspec.Struct, frozen=True, kw_only=True):
    """Exact values as keyed digests. `key` is secret: no printed form shows it, and none of the values stands here.

    `firsts`: 8 bytes each, ascending, of first words; `counts`: for each a byte whose bit n says that a value of n + 1
    words begins so; `values`: 8 bytes each, ascending, of whole values.
    """

    name: str
    entity: str
    kind: DetectionKind
    key: bytes
    firsts: bytes
    counts: bytes
    values: bytes

    def __repr__(self) -> str:
        """Name, entity and size alone."""
        return f"Dictionary({self.name!r}, {self.entity!r}, {len(self.values) // 8} values)"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`off`: names of detectors that are not to run."""

    off: tuple[str, ...] = ()
    recognisers: tuple[CustomRule, ...] = ()  # the operator's own patterns
    dictionaries: tuple[Dictionary, ...] = ()  # the operator's own values
    sensitivity: tuple[tuple[str, str], ...] = ()  # label guid -> level, as Microsoft's office programs write them
    packages: tuple[Known, ...] = ()  # names of packages that exist, by registry
    injection_thresholds: tuple[tuple[str, float], ...] = ()  # of the model, by class of sources; see calibrating

    def digest(self) -> str:
        """Of all that is told here, 16 hex digits."""
        return hashlib.blake2b(msgspec.msgpack.encode(self), digest_size=8).hexdigest()


PLAIN = Settings()
