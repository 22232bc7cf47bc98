"""Password files: `user:hash` lines with bcrypt or argon2.

Owns: which entries are accepted and how a password is checked. Rules: a file with one bad line is refused whole; MD5,
SHA-1, crypt and clear text are refused by line; costs are bounded, because every guess pays them; no hash and no
password goes into a message. Sources: Apache htpasswd, RFC 9106 (argon2), OpenBSD bcrypt.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping

import argon2
import bcrypt

from appliance.model.errors import OperatorError

MAX_FILE = 4 << 20
MAX_PASSWORD = 1024  # bytes
MAX_USER = 255  # code points
_BCRYPT_REACH = 72  # bytes that bcrypt looks at; htpasswd cuts there too
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}\Z")
_ARGON2 = re.compile(r"\$argon2(?:id|i|d)\$(?:v=\d+\$)?m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+\Z")
_BCRYPT_COSTS = range(4, 16)
_MAX_ARGON2 = {"memory_cost": 1 << 19, "time_cost": 20, "parallelism": 16}  # memory in KiB: 512 MiB

# Checked when nobody could match, so that an empty file answers as slowly as a full one. Nobody knows its password.
_NOBODY = bcrypt.hashpw(secrets.token_urlsafe(32).encode(), bcrypt.gensalt(4)).decode()


class Passwords:
    """The entries of one file. `check` is slow on purpose: never call it on the event loop."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = dict(hashes)
        self._order = sorted(self._hashes)
        self._key = secrets.token_bytes(16)

    def __len__(self) -> int:
        return len(self._hashes)

    def check(self, user: str, password: str) -> bool:
        """Whether this is the user's password. An unknown user costs what some known one costs."""
        known = self._hashes.get(user)
        matches = _matches(self._stand_in(user) if known is None else known, password)
        return matches and known is not None

    def _stand_in(self, user: str) -> str:
        # The same stand-in for the same name each time: a guessed name cannot be told by a cost that wanders.
        if not self._order:
            return _NOBODY
        digest = hashlib.blake2b(user.encode("utf-8", "surrogatepass"), key=self._key, digest_size=8).digest()
        return self._hashes[self._order[int.from_bytes(digest) % len(self._order)]]


def parse_htpasswd(text: str, source: str) -> Passwords:
    """Entries of a password file; `#` begins a comment line. OperatorError names `source` and the line."""
    hashes: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        user, separator, found = line.partition(":")
        problem = _problem(user, separator, found) or ("this user has a line already" if user in hashes else "")
        if problem:
            raise OperatorError(f"{source}:{number}: {problem}")
        hashes[user] = found
    return Passwords(hashes)


def _problem(user: str, separator: str, found: str) -> str:
    if not separator or not user or len(user) > MAX_USER or not user.isprintable():
        return "expected user:hash"
    if match := _BCRYPT.match(found):
        cost = int(match.group(1))
        accepted = cost in _BCRYPT_COSTS
        return "" if accepted else f"bcrypt cost {cost} is outside 4 to 15"
    if _ARGON2.match(found):
        return _argon2_problem(found)
    return "not a bcrypt or argon2 hash; make one with `htpasswd -B` (MD5, SHA, crypt and clear text are not accepted)"


def _argon2_problem(found: str) -> str:
    try:
        parameters = argon2.extract_parameters(found)
    except argon2.exceptions.InvalidHashError:
        return "damaged argon2 hash"
    for name, highest in _MAX_ARGON2.items():
        value: int = getattr(parameters, name)
        if not 1 <= value <= highest:
            return f"argon2 {name} {value} is outside 1 to {highest}"
    return ""


def _matches(known: str, password: str) -> bool:
    secret = password.encode("utf-8", "surrogatepass")[:MAX_PASSWORD]
    if known.startswith("$argon2"):
        try:
            return argon2.PasswordHasher().verify(known, secret)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
    # bcrypt stops at a NUL in other implementations; such a password is nobody's.
    return bcrypt.checkpw(secret[:_BCRYPT_REACH], known.encode()) and b"\0" not in secret
