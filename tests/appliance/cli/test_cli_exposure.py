"""`gnomon keys exposure`, against a store that is a table of answers."""

import json

import msgspec
import pytest

from appliance import cli
from appliance.cli.exposure import moment
from appliance.config.credentials import load_keys
from appliance.config.load import load
from appliance.config.rotation import Rotation
from appliance.model.errors import OperatorError
from appliance.store.exposure_pages import ExposedKey, ExposureHead
from appliance.store.host_pages import HostsHead
from appliance.store.pages import PageHead, Person

NOW = 1_763_700_000.0
HOSTILE = "\x1b]0;x\x07evil"


def key(at, **changes):
    said = {
        "fingerprint": f"k_{at:016x}", "shape": "openai_project", "held": None, "principals": ("p_" + "1" * 16,),
        "clients": ("a_" + "1" * 16,), "programs": (HOSTILE,), "services": ("openai", "nobodys"),
        "accounts": ("personal",), "account_ids": ("o_1",), "exchanges": 3, "first_seen": NOW, "last_seen": NOW + 9,
        "after": 0, "last_after": None,
    }  # fmt: skip
    return ExposedKey(**said | changes)


class FakeStore:
    def __init__(self):
        self.keys = [key(1)]
        self.asked = []

    def __call__(self, _path):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def call(self, verb, request, **_):
        self.asked.append(request)
        if verb == "persons":
            rows = [Person("p_" + "1" * 16, "ann", 0.0, 0.0)] if "p_" + "1" * 16 in request.digests else []
            return PageHead(len(rows)), msgspec.json.encode(rows)
        if verb == "hosts":
            return HostsHead(0, 0), b"[]"
        return ExposureHead(len(self.keys), 7), msgspec.json.encode(self.keys)


@pytest.fixture
def store(monkeypatch):
    made = FakeStore()
    monkeypatch.setattr("appliance.bus.client.BlockingClient", made)
    return made


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "gnomon.yaml"
    path.write_text(
        f"state_dir: {tmp_path}/state\n"
        "gateway: {routes: {openai: {service: openai, target: 'https://api.openai.com', credential: 'held:team'}}}\n"
    )
    return path


@pytest.fixture
def gnomon(config, capsys, store):
    def run(*words):
        code = cli.main(["keys", "exposure", *words, "--config", str(config)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_who_where_and_which_page(gnomon):
    code, out, _ = gnomon("--since", "2025-11-21")
    assert code == 0
    assert "k_0000000000000001" in out
    assert "ann" in out
    assert "https://platform.openai.com/api-keys" in out
    assert "1 of 7 keys" in out
    assert "\x1b" not in out


def test_what_is_still_used_is_an_exit_code(gnomon, store):
    store.keys.append(key(2, after=4, last_after=NOW + 50))
    code, out, err = gnomon("--since", "2025-11-21", "--until", "2025-11-22T10:00")
    assert code == 1
    assert "1 of them were used after that" in err
    code, out, _ = gnomon("--json")
    told = json.loads(out)
    assert [each["still_used"] for each in told["keys"]] == [False, True]
    assert told["keys"][0]["revoke"] == {"openai": "https://platform.openai.com/api-keys"}
    assert "\x1b" not in out


def test_what_is_asked(gnomon, store):
    gnomon("--client", "litellm/1.82.8", "--host", "a_" + "1" * 16, "--service", "openai", "--since", "1d")
    request = store.asked[0]
    assert (request.program, request.client, request.service) == ("litellm/1.82.8", "a_" + "1" * 16, "openai")
    assert gnomon("--host", "nobodys-laptop")[0] == 2


def test_keys_that_the_appliance_holds_have_their_name(gnomon, store, config):
    rotation = Rotation(load(config))
    record = rotation.add("team", b"sk-of-the-company")
    assert load_keys(load(config)).faults == {}
    store.keys = [key(1, fingerprint=record.generations[0].fingerprint)]
    assert "the appliance: team" in gnomon()[1]


@pytest.mark.parametrize("text", ["yesterday", "7x", "2999-01-01", "-1d", "1e99", "0001-01-01"])
def test_what_is_no_moment(text):
    with pytest.raises(OperatorError):
        moment(text, NOW, "--since")


def test_moments():
    assert moment("2d", NOW, "--since") == NOW - 172_800
    assert moment("2025-11-20T00:00", NOW, "--since") == moment("2025-11-20T01:00+01:00", NOW, "--since")


def test_a_span_of_no_length_is_no_answer(gnomon, store):
    code, out, err = gnomon("--since", "2025-11-21", "--until", "2025-11-20")
    assert (code, out) == (2, "")
    assert "--until lies before --since" in err
    assert store.asked == []
