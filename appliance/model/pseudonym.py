"""Salted digests that stand for persons, addresses and credentials in every record.

Rules: keyed by the site key, so that nobody without it can test a guess; one prefix per kind; the clear value never
enters a hashed record. 16 hexadecimal characters (64 bits): short enough to read, long enough for a site's people.
"""

import hashlib

DIGEST_BYTES = 8


class Pseudonyms:
    """Digests under one site key (32 bytes). Results are remembered, bounded, because they repeat."""

    def __init__(self, site_key: bytes, remember: int = 10_000) -> None:
        self._key = hashlib.blake2b(site_key, digest_size=32, person=b"gnomon-pseudonym").digest()
        self._remember = remember
        self._known: dict[str, str] = {}

    def person(self, name: str) -> str:
        """`p_` + digest of a principal's name."""
        return self._digest("p_", name)

    def address(self, address: str) -> str:
        """`a_` + digest of a client address."""
        return self._digest("a_", address)

    def device(self, mac: str) -> str:
        """`d_` + digest of a hardware address."""
        return self._digest("d_", mac)

    def host(self, name: str) -> str:
        """`n_` + digest of what a host calls itself."""
        return self._digest("n_", name)

    def conversation(self, seed: str) -> str:
        """`c_` + digest of what identifies a conversation; never remembered, because it is content."""
        return "c_" + self._raw(seed)

    def _digest(self, prefix: str, value: str) -> str:
        text = prefix + value
        if (known := self._known.get(text)) is not None:
            return known
        if len(self._known) >= self._remember:
            self._known.clear()
        digest = self._known[text] = prefix + self._raw(text)
        return digest

    def _raw(self, text: str) -> str:
        return hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"), key=self._key, digest_size=DIGEST_BYTES
        ).hexdigest()
