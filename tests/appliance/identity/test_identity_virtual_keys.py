"""Virtual keys: their form, what is kept of them, the file over its life, and who is known by one."""

import secrets
import stat
import threading

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.identity import virtual_key_file as disk
from appliance.identity.backoff import BackOff
from appliance.identity.method import Challenge, IdentityRequest, Refusal
from appliance.identity.virtual_key_method import VirtualKeyMethod
from appliance.identity.virtual_keys import (
    ID_BYTES,
    SECRET_BYTES,
    VirtualKey,
    VirtualKeys,
    fault_of,
    make_key,
    mentions_key,
    read_key,
)
from appliance.model.errors import OperatorError
from appliance.model.facts import Principal
from appliance.model.names import Assurance, RefusalReason

SITE = bytes(range(32))
TEMPLATE = VirtualKey(
    id="", owner="maria", salt="", digest="", created=1.0, groups=("dev",), department="research", note="laptop"
)
NOW = 1_800_000_000.0


@pytest.fixture
def state(tmp_path):
    tmp_path.chmod(0o700)
    return tmp_path


@given(st.binary(min_size=ID_BYTES + SECRET_BYTES, max_size=ID_BYTES + SECRET_BYTES))
def test_a_key_is_read_as_it_was_made(randomness):
    text, shown = make_key(randomness)
    assert read_key(text) == shown
    assert len(text) == 63
    assert mentions_key(b"Bearer " + text.encode() + b", more")
    assert shown.secret not in repr(shown)


@given(st.integers(min_value=0), st.characters(codec="ascii"))
def test_a_mistyped_key_is_none(place, letter):
    text, shown = make_key(bytes(ID_BYTES + SECRET_BYTES))
    place %= len(text)
    changed = text[:place] + letter + text[place + 1 :]
    assert (read_key(changed) == shown) is (changed == text)
    assert mentions_key(changed.encode()) is (changed == text)


@given(st.text(max_size=80) | st.text(max_size=70).map(lambda text: "gk_" + text))
def test_no_text_is_a_key(text):
    assert read_key(text) is None
    assert read_key(text + "\n") is None


def test_equal_secrets_leave_different_digests(state):
    first, second = (disk.mint(state, SITE, TEMPLATE)[1] for _ in range(2))
    assert first.salt != second.salt
    assert first.digest != second.digest


def test_what_is_kept_gives_no_key_away(state):
    text, entry = disk.mint(state, SITE, TEMPLATE)
    kept = (state / disk.NAME).read_text()
    shown = read_key(text)
    assert text not in kept
    assert shown.secret not in kept
    assert entry.id in kept
    assert stat.S_IMODE((state / disk.NAME).stat().st_mode) == 0o600
    assert VirtualKeys([entry], disk.site_of(SITE)).find(shown) == entry
    assert VirtualKeys([entry], disk.site_of(bytes(32))).find(shown) is None  # of no use on another site


def asking(key, address="10.0.0.1", listener="gateway"):
    return IdentityRequest(address, listener=listener, key=key)


def method(state, **more):
    return VirtualKeyMethod(disk.VirtualKeyFile(state, SITE), challenge='Bearer realm="gnomon"', **more)


async def test_a_key_names_its_owner(state):
    text, entry = disk.mint(state, SITE, TEMPLATE)
    answer = await method(state).identify(asking(text), NOW)
    assert answer == Principal("maria", "10.0.0.1", "key", Assurance.HIGH, ("dev",), "research", entry.id)
    assert await method(state).identify(IdentityRequest("10.0.0.1"), NOW) is None


async def test_keys_come_and_go_without_a_restart(state):
    who = method(state)
    text, entry = disk.mint(state, SITE, TEMPLATE)
    assert isinstance(await who.identify(asking(text), NOW), Principal)
    assert disk.revoke(state, entry.id, NOW) is not None
    answer = await who.identify(asking(text), NOW + 2)
    assert isinstance(answer, Refusal)
    assert (answer.status, answer.detail) == (401, "this key is revoked")
    assert isinstance(await who.identify(asking(text, listener="proxy"), NOW + 2), Challenge)
    assert disk.revoke(state, entry.id, NOW) is None
    assert disk.revoke(state, "nobody", NOW) is None


async def test_a_key_ends_when_it_was_to_end(state):
    text, _ = disk.mint(state, SITE, msgspec.structs.replace(TEMPLATE, expires=NOW))
    who = method(state)
    assert isinstance(await who.identify(asking(text), NOW - 1), Principal)
    assert "expired" in (await who.identify(asking(text), NOW)).detail


async def test_guessing_waits_and_the_right_key_does_not(state):
    text, entry = disk.mint(state, SITE, TEMPLATE)
    who = method(state, backoff=BackOff(free=2, first=10.0))
    wrong, _ = make_key(secrets.token_bytes(ID_BYTES + SECRET_BYTES))
    same_id = wrong.replace(wrong[3:13], entry.id)
    answers = [await who.identify(asking(guess), NOW) for guess in (wrong, same_id, "gk_x", "x" * 9000, wrong)]
    assert [answer.status for answer in answers] == [401, 401, 401, 429, 429]
    assert {answer.reason for answer in answers} == {RefusalReason.IDENTITY_FAILED}
    assert len({answer.detail for answer in answers[:3]}) == 1
    assert isinstance(await who.identify(asking(text), NOW), Principal)


def test_many_mint_at_once_and_none_is_lost(state):
    made = []
    threads = [threading.Thread(target=lambda: made.append(disk.mint(state, SITE, TEMPLATE))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry.id for entry in disk.read(state / disk.NAME)} == {entry.id for _, entry in made}
    assert len(made) == 8
    assert [path.name for path in state.iterdir() if path.name.startswith(f".{disk.NAME}.")] == [f".{disk.NAME}.lock"]


def test_a_damaged_file_leaves_the_keys_before_it(state):
    text, _ = disk.mint(state, SITE, TEMPLATE)
    file = disk.VirtualKeyFile(state, SITE)
    (state / disk.NAME).write_text("{")
    assert not file.refresh(10.0)
    assert "damaged" in file.problem
    assert file.keys.find(read_key(text)) is not None
    with pytest.raises(OperatorError, match="damaged"):
        disk.mint(state, SITE, TEMPLATE)
    assert (state / disk.NAME).read_text() == "{"
    (state / disk.NAME).unlink()
    assert file.refresh(20.0)
    assert (len(file.keys), file.problem) == (0, "")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_not_used(state, mode):
    disk.mint(state, SITE, TEMPLATE)
    (state / disk.NAME).chmod(mode)
    file = disk.VirtualKeyFile(state, SITE)
    assert (len(file.keys), "chmod 600" in file.problem) == (0, True)


def test_a_link_is_not_followed(state, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    disk.mint(elsewhere, SITE, TEMPLATE)
    (state / disk.NAME).symlink_to(elsewhere / disk.NAME)
    assert len(disk.VirtualKeyFile(state, SITE).keys) == 0


GOOD = {"id": "a" * 10, "owner": "m", "salt": "0" * 32, "digest": "0" * 64, "created": 1.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "short"},
        {"salt": "zz" * 16},
        {"digest": "0" * 62},
        {"owner": ""},
        {"owner": "a\nb"},
        {"groups": ("ok", "\x1b[2J")},
        {"department": " "},
        {"models": ("",)},
    ],
)
def test_an_entry_that_is_wrong_is_told(changes):
    assert fault_of(VirtualKey(**GOOD)) == ""
    assert fault_of(VirtualKey(**GOOD | changes)) != ""


@pytest.mark.parametrize("text", ['{"keys": 1}', '{"keys": [{}]}', '{"more": 1}', "\x00", '{"keys":[], "v": "x"}'])
def test_a_file_of_another_form_is_refused_whole(state, text):
    (state / disk.NAME).write_text(text)
    (state / disk.NAME).chmod(0o600)
    with pytest.raises(OperatorError, match="damaged"):
        disk.read(state / disk.NAME)


def test_a_folder_in_its_place_is_told(state):
    (state / disk.NAME).mkdir()
    assert "own user" in disk.VirtualKeyFile(state, SITE).problem


def test_an_id_stands_once(state):
    entry = VirtualKey(**GOOD)
    (state / disk.NAME).write_bytes(msgspec.json.encode({"keys": [entry, entry]}))
    (state / disk.NAME).chmod(0o600)
    with pytest.raises(OperatorError, match="twice"):
        disk.read(state / disk.NAME)


async def test_a_key_brings_its_limits_along(state):
    text, _ = disk.mint(state, SITE, msgspec.structs.replace(TEMPLATE, services=("openai",), models=("gpt-5*",)))
    found = await method(state).identify(asking(text), NOW)
    assert (found.key_services, found.key_models) == (("openai",), ("gpt-5*",))
    with pytest.raises(OperatorError, match="more than"):
        disk.mint(state, SITE, msgspec.structs.replace(TEMPLATE, models=tuple(map(str, range(99)))))


async def test_asking_again_is_no_guess_and_is_not_held_up(state):
    text, entry = disk.mint(state, SITE, TEMPLATE)
    who = method(state, backoff=BackOff(free=0, first=100.0))
    again = IdentityRequest("10.0.0.1", listener="tunnel", key=text, again=True)
    (state / disk.NAME).unlink()
    for now in (NOW, NOW + 2, NOW + 4):
        assert (await who.identify(again, now)).status == 401
    other, _ = disk.mint(state, SITE, msgspec.structs.replace(TEMPLATE, expires=NOW + 8))
    assert isinstance(await who.identify(asking(other), NOW + 6), Principal)
    answer = await who.identify(asking(other), NOW + 8)
    assert (answer.status, answer.lapsed, entry.revoked) == (401, True, None)


def many(state, number):
    """A register as large as may be, and one more key that is known."""
    text, entry = disk.mint(state, SITE, TEMPLATE)
    others = (msgspec.structs.replace(entry, id=f"{place:010d}") for place in range(number - 1))
    disk._write(state / disk.NAME, (entry, *others))
    return text, entry


def test_a_large_register_is_read_beside_the_loop_and_taken_at_one_stroke(state, monkeypatch):
    text, entry = disk.mint(state, SITE, TEMPLATE)
    file = disk.VirtualKeyFile(state, SITE)
    stop, go = threading.Event(), threading.Event()
    read = disk._read

    def slowly(path):
        for place, one in enumerate(read(path)):
            if place == 300:
                stop.set()
                assert go.wait(10)
            yield one

    monkeypatch.setattr(disk, "_read", slowly)
    (state / disk.NAME).unlink()
    many(state, 1000)
    assert not file.refresh(10.0)
    assert stop.wait(10)
    assert not file.refresh(20.0)
    assert file.keys.find(read_key(text)) == entry  # what held before
    assert len(file.keys) == 1
    old = file.keys
    go.set()
    file.loading.join(10)
    assert file.refresh(20.1)
    assert (len(file.keys), file.problem, file.keys.find(read_key(text))) == (1000, "", None)
    for thread in threading.enumerate():
        if thread.name == "old virtual keys":
            thread.join(10)
    assert len(old) == 0
    assert not file.refresh(30.0)


def test_whoever_reads_much_pauses_often(monkeypatch):
    paused = []
    monkeypatch.setattr(disk.time, "sleep", paused.append)
    assert list(disk._paced(range(1000))) == list(range(1000))
    assert paused == [disk.PAUSE_S] * (1000 // disk.AT_ONCE)


def test_a_large_register_that_is_damaged_leaves_the_keys_before_it(state):
    text, _ = many(state, 1000)
    file = disk.VirtualKeyFile(state, SITE)
    path = state / disk.NAME
    for spoil in (lambda lines: lines[:-2], lambda lines: [*lines, lines[-1]], lambda lines: [*lines[:500], b"{"]):
        path.write_bytes(b"\n".join(spoil(path.read_bytes().splitlines())))
        assert not file.refresh(file._next_look + 2)
        file.loading.join(10)
        assert not file.refresh(file._next_look + 2)
        assert "restore it from a backup" in file.problem
        assert file.keys.find(read_key(text)) is not None
        many_again = (state / disk.NAME).stat().st_size
        assert many_again > disk.SMALL


def test_a_register_of_the_first_form_is_still_read(state):
    text, entry = disk.mint(state, SITE, TEMPLATE)
    (state / disk.NAME).write_bytes(msgspec.json.format(msgspec.json.encode({"keys": [entry], "v": 1}), indent=1))
    assert disk.VirtualKeyFile(state, SITE).keys.find(read_key(text)) == entry
    disk.mint(state, SITE, TEMPLATE)
    assert (state / disk.NAME).read_bytes().startswith(b'{"v":2,"keys":2}\n')
    assert entry in disk.read(state / disk.NAME)
