"""Held keys at rest: sealed with AES-256-GCM, each file by itself, under one key-encryption key.

Owns: the form of a sealed key and where the key-encryption key comes from: a file, a credential of systemd, a command
(its words as a list, no shell), or, where nothing is configured, the site key. A sealed key is bound to its name and to
its provider: under another name, or for another provider, it does not open.
Form: magic, length of the provider (1 byte), provider, nonce (12), what AES-GCM gives (NIST SP 800-38D).
Rules: a nonce is random and used once; no error shows a key; a key-encryption key has 32 bytes, raw, hexadecimal or
base64, or it is refused.
"""

import base64
import binascii
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Final, NamedTuple

from appliance.config.schema import Config
from appliance.config.site_key import derive, load_site_key
from appliance.model.errors import OperatorError

MAGIC: Final = b"\x89GNK1\n"  # no key begins so: keys are visible ASCII
KEY_BYTES: Final = 32
MAX_PROVIDER: Final = 64
OVERHEAD: Final = len(MAGIC) + 1 + MAX_PROVIDER + 12 + 16
COMMAND_S: Final = 20
_NONCE: Final = 12
_MAX_GIVEN: Final = 256
_PROVIDER: Final = re.compile(r"[a-z0-9_.-]{0,64}\Z")
_HEX: Final = re.compile(rb"[0-9a-fA-F]{64}\Z")
_PATH: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Opened(NamedTuple):
    """A key as it was sealed. `provider`: what it is bound to; empty: nothing."""

    value: bytes
    provider: str


class Seal:
    """Seals and opens under one key-encryption key. `source`: where that is from, in words."""

    def __init__(self, key: bytes, source: str) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.source = source
        self._cipher = AESGCM(key)

    def seal(self, name: str, provider: str, value: bytes) -> bytes:
        """The bytes of a file."""
        if not _PROVIDER.match(provider):
            raise OperatorError(f"credential {name}: a provider is named as in the catalogue")
        nonce = secrets.token_bytes(_NONCE)
        head = MAGIC + bytes([len(provider)]) + provider.encode()
        return head + nonce + self._cipher.encrypt(nonce, value, _bound(name, provider))

    def open(self, name: str, data: bytes) -> Opened:
        """The key in the bytes of a file. ValueError: it was not sealed so, or has been changed."""
        from cryptography.exceptions import InvalidTag

        start = len(MAGIC) + 1
        size = data[len(MAGIC)] if len(data) > len(MAGIC) else 0
        provider, rest = data[start : start + size].decode("ascii", "replace"), data[start + size :]
        try:
            value = self._cipher.decrypt(rest[:_NONCE], rest[_NONCE:], _bound(name, provider))
        except (InvalidTag, ValueError):
            raise ValueError("not sealed under this key-encryption key and name, or damaged") from None
        return Opened(value, provider)


def is_sealed(data: bytes) -> bool:
    """Whether a file holds a sealed key."""
    return data.startswith(MAGIC)


def load_seal(config: Config) -> Seal:
    """What this site seals with. OperatorError: it cannot be had, and what to do."""
    given = config.gateway.sealing
    if given is None:
        return Seal(derive(load_site_key(Path(config.state_dir)), b"gnomon-heldkeys"), "the site key")
    if given.file is not None:
        return Seal(_key(_from_file(Path(given.file)), f"file {given.file}"), "a file")
    if given.credential is not None:
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        if not folder or not Path(folder).is_absolute():
            raise OperatorError(
                "gateway.sealing.credential: systemd gives this process no credentials (LoadCredential=)"
            )
        where = Path(folder) / given.credential
        return Seal(_key(_bytes_of(where, private=0o037), f"credential {given.credential}"), "systemd")
    return Seal(_key(_from_command(given.command), f"command {given.command[0]}"), "a command")


def _from_file(path: Path) -> bytes:
    return _bytes_of(path, private=0o077)


def _bytes_of(path: Path, *, private: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        told = "is a link; name the file itself" if path.is_symlink() else f"cannot be read ({error.strerror})"
        raise OperatorError(f"gateway.sealing: {path}: {told}") from None
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid not in (0, os.geteuid()) or found.st_mode & private:
            raise OperatorError(f"gateway.sealing: {path}: others may read or change it; run: chmod 600 {path}")
        return file.read(_MAX_GIVEN + 1)


def _from_command(command: tuple[str, ...]) -> bytes:
    """What a program prints: no shell, nothing of our environment but a search path, for a bounded time."""
    return printed_by(command, "gateway.sealing.command", _MAX_GIVEN + 1)


def printed_by(command: tuple[str, ...], where: str, most: int) -> bytes:
    """The standard output of a program of the operator's, at most `most` bytes. Its output is in no error."""
    import subprocess

    try:
        done = subprocess.run(  # noqa: S603 - the operator's own words, as a list
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_PATH,
            timeout=COMMAND_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OperatorError(f"{where}: {command[0]} did not end within {COMMAND_S} s") from None
    except OSError as error:
        raise OperatorError(f"{where}: {command[0]} cannot be run ({error.strerror})") from None
    if done.returncode != 0:
        raise OperatorError(f"{where}: {command[0]} ended with exit {done.returncode}; run it by hand to see why")
    if len(done.stdout) > most:
        raise OperatorError(f"{where}: {command[0]} printed more than a key")
    return done.stdout


def _key(given: bytes, source: str) -> bytes:
    """32 bytes, however they were written down."""
    if len(given) == KEY_BYTES:
        return given
    text = given.strip()
    if _HEX.match(text):
        return bytes.fromhex(text.decode())
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise OperatorError(
            f"gateway.sealing: {source}: a key-encryption key has 32 bytes: raw, 64 hexadecimal digits or base64; "
            "make one: openssl rand -hex 32"
        )
    return key


def _bound(name: str, provider: str) -> bytes:
    return b"gnomon-held-key\0" + name.encode() + b"\0" + provider.encode()
