"""An issuer's keys over time: renewed, rotated, kept while it is down, and asked for no more often than may be."""

import asyncio
from functools import partial

import pytest
from tokens_world import EC, RSA_ONE, RSA_TWO, jwks, public

from appliance.identity.jwks import parse_jwks
from appliance.identity.keyring import ASK_EVERY_S, MAX_UNKNOWN, UNKNOWN_S, KeyRing, KeysUnavailableError
from appliance.model.errors import OperatorError, PeerError

ACCEPTED = frozenset({"RS256", "ES256"})
ONE, TWO = public(RSA_ONE, "one"), public(RSA_TWO, "two")


class Issuer:
    def __init__(self, *keys):
        self.keys, self.asked, self.error, self.door = keys, 0, None, None

    async def __call__(self):
        self.asked += 1
        if self.door is not None:
            await self.door.wait()
        if self.error is not None:
            raise self.error
        return jwks(*self.keys)


def ring_of(issuer, **more):
    return KeyRing(issuer, partial(parse_jwks, accepted=ACCEPTED), **more)


def kids(found):
    return [key.kid for key in found]


async def test_keys_are_fetched_once_for_many():
    issuer = Issuer(ONE, TWO)
    issuer.door = asyncio.Event()
    ring = ring_of(issuer)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ring.find("two", "RS256", 0.0)) for _ in range(50)]
        await asyncio.sleep(0)
        issuer.door.set()
    assert [kids(task.result()) for task in tasks] == [["two"]] * 50
    assert (issuer.asked, ring.generation) == (1, 1)
    assert kids(await ring.find("", "RS256", 1.0)) == ["one", "two"]
    assert kids(await ring.find("one", "ES256", 1.0)) == []


async def test_who_gives_up_waiting_stops_nobody_elses_fetch():
    issuer = Issuer(ONE)
    issuer.door = asyncio.Event()
    ring = ring_of(issuer)
    first = asyncio.ensure_future(ring.find("one", "RS256", 0.0))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(ring.find("one", "RS256", 0.0))
    await asyncio.sleep(0)
    first.cancel()
    issuer.door.set()
    assert kids(await second) == ["one"]
    assert issuer.asked == 1


async def test_a_new_key_is_found_at_once():
    issuer = Issuer(ONE)
    ring = ring_of(issuer)
    await ring.find("one", "RS256", 0.0)
    issuer.keys = (TWO,)
    assert kids(await ring.find("one", "RS256", 20.0)) == ["one"]
    assert kids(await ring.find("two", "RS256", 20.0)) == ["two"]
    assert kids(await ring.find("one", "RS256", 40.0)) == []
    assert ring.generation == 2


async def test_unknown_ids_make_few_fetches():
    issuer = Issuer(ONE)
    ring = ring_of(issuer)
    await ring.find("one", "RS256", 0.0)
    for number in range(1000):
        assert await ring.find(f"bomb {number}", "RS256", 1.0 + number / 100) == ()
    assert issuer.asked <= 2 + 10 / ASK_EVERY_S
    now = 1000.0
    await ring.find("bomb", "RS256", now)
    asked = issuer.asked
    assert ring.is_unknown("bomb", now + 1)
    assert await ring.find("bomb", "RS256", now + UNKNOWN_S - 1) == ()
    assert issuer.asked == asked
    for number in range(MAX_UNKNOWN + 5):
        ring._note_unknown(str(number), now)
    assert len(ring._unknown) == MAX_UNKNOWN


async def test_an_id_is_called_unknown_only_when_a_fresh_set_lacks_it():
    issuer = Issuer(ONE)
    ring = ring_of(issuer)
    await ring.find("one", "RS256", 0.0)
    issuer.keys = (ONE, TWO)
    assert await ring.find("two", "RS256", 1.0) == ()  # too early to ask again
    assert not ring.is_unknown("two", 1.0)
    assert kids(await ring.find("two", "RS256", 1.0 + ASK_EVERY_S)) == ["two"]


@pytest.mark.parametrize("error", [PeerError("down", 504), OperatorError("gone"), OSError("reset")])
async def test_old_keys_serve_while_the_issuer_is_down_and_not_for_ever(error):
    issuer = Issuer(ONE)
    ring = ring_of(issuer, refresh_s=100.0, kept_s=1000.0)
    await ring.find("one", "RS256", 0.0)
    issuer.error = error
    assert kids(await ring.find("one", "RS256", 999.0)) == ["one"]
    await asyncio.sleep(0)
    assert (issuer.asked, ring.problem) == (2, str(error))
    with pytest.raises(KeysUnavailableError) as told:
        await ring.find("one", "RS256", 1001.0)
    assert told.value.retry_after >= 1
    issuer.error = None
    assert kids(await ring.find("one", "RS256", 1100.0)) == ["one"]
    assert (ring.problem, ring.generation) == ("", 1)


async def test_an_issuer_that_is_down_is_asked_less_and_less():
    issuer = Issuer(ONE)
    issuer.error = PeerError("down", 504)
    ring = ring_of(issuer)
    for second in range(600):
        with pytest.raises(KeysUnavailableError):
            await ring.find("one", "RS256", float(second))
    assert 5 <= issuer.asked <= 16


async def test_a_set_without_use_changes_nothing():
    issuer = Issuer(ONE)
    ring = ring_of(issuer, refresh_s=10.0)
    await ring.find("one", "RS256", 0.0)
    issuer.keys = ({"kty": "oct", "k": "AAAA"},)
    assert kids(await ring.find("one", "RS256", 20.0)) == ["one"]
    await asyncio.sleep(0)
    assert "can check" in ring.problem
    assert kids(await ring.find("one", "RS256", 21.0)) == ["one"]


async def test_the_same_keys_again_change_no_generation():
    issuer = Issuer(ONE, public(EC, "ec"))
    ring = ring_of(issuer, refresh_s=10.0)
    for now in (0.0, 20.0, 40.0):
        await ring.find("ec", "ES256", now)
        await asyncio.sleep(0)
    assert (issuer.asked, ring.generation) == (3, 1)
