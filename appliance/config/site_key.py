"""The site key: 32 random bytes that salt every pseudonym and key every digest of this installation.

Rules: made once, 0600, never replaced (old digests would lose their meaning); derived keys name their purpose.
"""

import hashlib
import os
import secrets
from pathlib import Path

from appliance.model.errors import OperatorError

SITE_KEY_BYTES = 32


def load_site_key(state_dir: Path) -> bytes:
    """Read `state_dir/site.key`, making it on the first start. Damaged or readable by others: `OperatorError`."""
    path = state_dir / "site.key"
    if not path.exists():
        _create(path)
    try:
        key = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as error:
        raise OperatorError(f"{path}: cannot read the site key: {error.strerror}; mend its permissions") from error
    if len(key) != SITE_KEY_BYTES:
        raise OperatorError(f"{path}: the site key has {len(key)} bytes instead of 32; restore it from a backup")
    if mode & 0o077:
        raise OperatorError(f"{path}: others may read the site key; run: chmod 600 {path}")
    return key


def derive(site_key: bytes, purpose: bytes) -> bytes:
    """A 32-byte key for one purpose (at most 16 bytes of name)."""
    return hashlib.blake2b(site_key, digest_size=32, person=purpose).digest()


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(f".new-{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(SITE_KEY_BYTES))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(fresh, path)  # never replaces: whoever came first wins
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
