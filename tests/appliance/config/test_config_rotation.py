"""Held keys at rest and in their life: sealed, bound, replaced at one stroke, all or none."""

import base64

import msgspec
import pytest

from appliance.config import credentials, key_register
from appliance.config.account_schema import Sealing
from appliance.config.credentials import NEW, OLD, KeyFolder, Sealer
from appliance.config.rotation import Rotation
from appliance.config.schema import Config, Gateway, RouteEntry
from appliance.config.sealing import MAGIC, Seal, is_sealed, load_seal
from appliance.model.errors import OperatorError
from appliance.route.key_life import DAY

NOW = 1_763_700_000.0
ONE, TWO, THREE = b"sk-the-first-key", b"sk-the-second-key", b"sk-the-third-key"
ROUTES = {
    "openai": RouteEntry(service="openai", target="https://api.openai.com", credential="held:team"),
    "claude": RouteEntry(service="anthropic", target="https://api.anthropic.com", credential="held:claude"),
}


def config_at(folder, **gateway):
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    return Config(state_dir=str(folder / "state"), gateway=Gateway(**{"routes": ROUTES} | gateway))


@pytest.fixture
def config(tmp_path):
    return config_at(tmp_path)


@pytest.fixture
def rotation(config):
    return Rotation(config, lambda: NOW)


def sent(config):
    keys = credentials.load_keys(config)
    return {name: key.reveal() for name, key in keys.held.items()}


def everything(config):
    return b"".join(path.read_bytes() for path in config.credentials_dir.rglob("*") if path.is_file())


def test_added_rotated_retired(config, rotation):
    rotation.add("team", ONE)
    assert sent(config) == {"team": ONE}
    rotation.stage({"team": TWO})
    assert sent(config) == {"team": ONE}, "what is laid down is not sent"
    record = rotation.activate("team", DAY)
    assert sent(config) == {"team": TWO}
    assert [each.state.value for each in record.generations] == ["overlap", "active"]
    assert credentials.look(config, "team", Sealer(config), OLD).value == ONE
    rotation.retire("team")
    assert not (config.credentials_dir / "team.old").exists()
    rotation.retire("team", whole=True)
    assert sent(config) == {}
    with pytest.raises(OperatorError, match="nothing to retire"):
        rotation.retire("team")


def test_no_key_stands_in_any_file(config, rotation):
    rotation.add("team", ONE)
    rotation.put("team", TWO, overlap_s=DAY)
    rotation.stage({"team": THREE})
    data = everything(config)
    assert not any(key in data for key in (ONE, TWO, THREE))
    assert key_register.path_of(config).stat().st_mode & 0o077 == 0
    assert key_register.read(config)["team"].provider == "openai"


def test_many_are_changed_all_or_none(config, rotation):
    rotation.add("team", ONE)
    rotation.add("claude", TWO)
    with pytest.raises(OperatorError, match="nothing was written"):
        rotation.stage({"team": THREE, "claude": b"two words"})
    with pytest.raises(OperatorError, match="claude: that is the key that is there"):
        rotation.stage({"team": THREE, "claude": TWO})
    assert not (config.credentials_dir / f"team{NEW}").exists()
    assert sent(config) == {"team": ONE, "claude": TWO}


def test_a_sealed_key_opens_under_its_own_name_and_for_its_own_provider(config, rotation):
    rotation.add("team", ONE)
    folder = config.credentials_dir
    (folder / "team").rename(folder / "claude")
    assert "damaged" in credentials.load_keys(config).faults["claude"]
    (folder / "claude").rename(folder / "team")
    other = {"openai": msgspec.structs.replace(ROUTES["openai"], service="anthropic", target="https://api.x.example")}
    moved = msgspec.structs.replace(config, gateway=Gateway(routes=other))
    fault = credentials.load_keys(moved).faults["team"]
    assert "sealed for openai" in fault
    assert ONE.decode() not in fault
    data = bytearray((folder / "team").read_bytes())
    data[len(MAGIC) + 3] ^= 1  # another provider
    (folder / "team").write_bytes(bytes(data))
    assert "damaged" in credentials.load_keys(config).faults["team"]


def test_what_lay_in_clear_is_still_read_and_told(config, rotation):
    folder = config.credentials_dir
    folder.mkdir(mode=0o700)
    (folder / "team").write_bytes(ONE + b"\n")
    (folder / "team").chmod(0o600)
    assert sent(config) == {"team": ONE}
    (shown,) = [each for each in rotation.shown() if each.record.name == "team"]
    assert not shown.sealed
    assert "lies in clear: gnomon keys reseal" in shown.problems
    assert rotation.reseal(config) == 1
    assert is_sealed((folder / "team").read_bytes())
    assert sent(config) == {"team": ONE}
    record = rotation.put("team", TWO, overlap_s=0)
    assert [each.state.value for each in record.generations] == ["overlap", "active"], "the one of before is known too"


@pytest.mark.parametrize("form", [bytes, lambda key: key.hex().encode() + b"\n", base64.b64encode])
def test_the_sealing_key_comes_from_a_file(tmp_path, form):
    key = bytes(range(32))
    file = tmp_path / "kek"
    file.write_bytes(form(key))
    file.chmod(0o600)
    config = config_at(tmp_path, sealing=Sealing(file=str(file)))
    Rotation(config).add("team", ONE)
    assert sent(config) == {"team": ONE}
    assert Rotation(config).sealing() == ""
    assert Seal(key, "").open("team", (config.credentials_dir / "team").read_bytes()).value == ONE
    file.chmod(0o644)
    assert "others may read" in credentials.load_keys(config).faults["team"]
    file.unlink()
    assert "cannot be read" in credentials.load_keys(config).faults["team"]


def test_the_sealing_key_comes_from_systemd_or_a_command(tmp_path, monkeypatch):
    (tmp_path / "kek").write_bytes(bytes(range(32)).hex().encode())
    (tmp_path / "kek").chmod(0o400)
    with pytest.raises(OperatorError, match="LoadCredential"):
        load_seal(config_at(tmp_path, sealing=Sealing(credential="kek")))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    by_systemd = load_seal(config_at(tmp_path, sealing=Sealing(credential="kek")))
    by_command = load_seal(config_at(tmp_path, sealing=Sealing(command=("/bin/cat", str(tmp_path / "kek")))))
    assert by_command.open("a", by_systemd.seal("a", "openai", ONE)) == (ONE, "openai")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("/bin/false",), "exit 1"),
        (("/nowhere/at-all",), "cannot be run"),
        (("/bin/echo", "short"), "32 bytes"),
        (("/usr/bin/head", "-c", "9000", "/dev/zero"), "more than a key"),
        (("/bin/echo", "$(id)"), "32 bytes"),
    ],
)
def test_a_command_that_gives_no_key(tmp_path, command, words):
    with pytest.raises(OperatorError, match=words):
        load_seal(config_at(tmp_path, sealing=Sealing(command=command)))


def test_without_a_sealing_key_of_its_own_check_says_what_that_means(rotation):
    assert "site key" in rotation.sealing()


def test_what_should_have_been_done(config):
    clock = [NOW]
    rotation = Rotation(config, lambda: clock[0])
    rotation.add("team", ONE, rotate_days=30)
    rotation.put("team", TWO, overlap_s=DAY)
    assert rotation.shown()[1].problems == ()
    clock[0] += 31 * DAY
    told = rotation.shown()[1].problems
    assert any("changed 1 days ago" in each for each in told)
    assert any("overlap is over" in each for each in told)
    assert rotation.shown()[0].problems == ("missing",)


def test_a_damaged_register_is_not_begun_anew(config, rotation):
    rotation.add("team", ONE)
    key_register.path_of(config).write_text("{}")
    with pytest.raises(OperatorError, match="damaged"):
        rotation.put("team", TWO, overlap_s=0)
    assert key_register.path_of(config).read_text() == "{}"


def test_a_running_process_hears_of_a_change(config, rotation):
    now = [0.0]
    rotation.add("team", ONE)
    folder = KeyFolder(config, Sealer(config), lambda: now[0])
    now[0] = 1
    assert folder.look() is None
    rotation.put("team", TWO, overlap_s=0)
    assert folder.look() is None, "it looks seldom"
    now[0] = 2
    assert folder.look().held["team"].reveal() == TWO
    rotation.retire("team", whole=True)
    now[0] = 3
    assert folder.look().held == {}
