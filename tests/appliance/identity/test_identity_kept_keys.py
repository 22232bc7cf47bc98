"""Key sets on disk: whole or not at all, no older than may be, and a start while the issuer is down."""

import os
import stat
from functools import partial

import pytest
from tokens_world import RSA_ONE, RSA_TWO, jwks, public

from appliance.identity.jwks import parse_jwks
from appliance.identity.kept_keys import FOLDER, MAX_FILE, KeptKeys
from appliance.identity.keyring import KeyRing, KeysUnavailableError
from appliance.model.errors import PeerError

ISSUER, ADDRESS, NOW = "https://login.example.test", "https://login.example.test/keys", 1_800_000_000.0
SET = jwks(public(RSA_ONE, "one"))


@pytest.fixture
def kept(tmp_path):
    tmp_path.chmod(0o700)
    return KeptKeys(tmp_path, ISSUER, ADDRESS)


def ring_of(kept, published, **more):
    async def fetch():
        if published[0] is None:
            raise PeerError("down", 504)
        return published[0]

    return KeyRing(fetch, partial(parse_jwks, accepted=frozenset({"RS256"})), kept=kept, **more)


async def kids(ring, kid, now):
    return [key.kid for key in await ring.find(kid, "RS256", now)]


async def test_a_start_while_the_issuer_is_down(kept):
    before = ring_of(kept, [SET])
    before.begin(NOW)
    assert await kids(before, "one", NOW) == ["one"]
    published = [None]
    after = ring_of(kept, published, kept_s=1000.0, refresh_s=100.0)
    after.begin(NOW + 500)
    assert await kids(after, "one", NOW + 500) == ["one"]
    with pytest.raises(KeysUnavailableError):  # as old as it is, and not as this process
        await after.find("one", "RS256", NOW + 1001)
    late = ring_of(kept, published, kept_s=1000.0)
    late.begin(NOW + 1001)
    with pytest.raises(KeysUnavailableError):
        await late.find("one", "RS256", NOW + 1001)


async def test_what_was_kept_is_renewed_with_the_first_token(kept):
    kept.write(SET, NOW)
    ring = ring_of(kept, [jwks(public(RSA_TWO, "two"))], refresh_s=100.0)
    ring.begin(NOW + 200)
    generation = ring.generation
    assert await kids(ring, "two", NOW + 200) == ["two"]
    assert await kids(ring, "one", NOW + 200) == []
    assert ring.generation > generation
    assert kept.read(NOW + 200) == (jwks(public(RSA_TWO, "two")), NOW + 200)


async def test_it_is_written_seldom(kept, monkeypatch):
    written = []
    monkeypatch.setattr(KeptKeys, "write", lambda _self, _keys, now: written.append(now))
    ring = ring_of(kept, [SET], refresh_s=100.0, kept_s=1000.0)
    for step in range(5):
        await ring.changed(NOW + 30 * step)
    assert written == [NOW, NOW + 120]


async def test_a_disk_that_takes_nothing_hinders_nobody(kept, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KeptKeys, "write", full)
    ring = ring_of(kept, [SET])
    assert await kids(ring, "one", NOW) == ["one"]
    assert "cannot be kept" in ring.problem


def test_the_file_is_the_appliances_own(kept):
    kept.write(SET, NOW)
    kept.write(SET, NOW + 1)
    assert kept.read(NOW + 1) == (SET, NOW + 1)
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in kept.path.parent.iterdir()] == [kept.path.name]
    assert KeptKeys(kept.state, ISSUER, ADDRESS + "2").read(NOW) is None
    assert KeptKeys(kept.state, ISSUER + "2", ADDRESS).read(NOW) is None


def other_issuers(path):
    elsewhere = KeptKeys(path.parent.parent, "https://evil.example", ADDRESS)
    elsewhere.write(SET, NOW)
    path.write_bytes(elsewhere.path.read_bytes())


SPOILT = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "no text": lambda path: path.write_bytes(b"\xff\xfe"),
    "too large": lambda path: path.write_bytes(path.read_bytes() + b" " * MAX_FILE),
    "readable by others": lambda path: path.chmod(0o644),
    "another issuer's": other_issuers,
    "from the future": lambda path: path.write_bytes(path.read_bytes().replace(b"1800000000", b"1900000000")),
    "a link": lambda path: (path.rename(path.with_suffix(".x")), path.symlink_to(path.with_suffix(".x"))),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path, 0o600)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("what", list(SPOILT))
def test_what_is_spoilt_is_as_if_it_were_not_there(kept, what):
    kept.write(SET, NOW)
    SPOILT[what](kept.path)
    assert kept.read(NOW) is None
    ring_of(kept, [None]).begin(NOW)


@pytest.mark.parametrize("keys", [b"{}", jwks({"kty": "oct", "k": "AAAA"}), b"x" * 10])
async def test_a_set_on_disk_is_read_as_strictly_as_one_from_the_network(kept, keys):
    kept.write(keys, NOW)
    ring = ring_of(kept, [None])
    ring.begin(NOW)
    with pytest.raises(KeysUnavailableError):
        await ring.find("one", "RS256", NOW)
    assert (kept.state / FOLDER).is_dir()
