"""What the operator tells the detectors: everything beyond the rules that are shipped.

Rules: a value, made once from the configuration and handed to every process that detects; it decides with the rules
what is found, so its digest is part of the detectors' version. No secret stands in it: dictionaries are keyed digests.
"""

import hashlib

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`off`: names of detectors that are not to run."""

    off: tuple[str, ...] = ()

    def digest(self) -> str:
        """Of all that is told here, 16 hex digits."""
        return hashlib.blake2b(msgspec.msgpack.encode(self), digest_size=8).hexdigest()


PLAIN = Settings()
