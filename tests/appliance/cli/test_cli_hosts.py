"""`gnomon hosts` and `gnomon host`, against a store that is a table of answers."""

import json

import msgspec
import pytest

from appliance import cli
from appliance.bus.errors import RemoteError
from appliance.store.host_pages import HostDetail, HostKey, HostOrder, HostRecord, HostsHead, ServiceUse
from appliance.store.pages import PageHead, Person

NOW = 1_700_000_000.0
HOSTILE = "\x1b]0;x\x07evil"


def host(at, **changes):
    said = {
        "address": f"a_{at:016x}", "mac": f"d_{at}", "vendor": "Dell", "names": (f"n_{at}",), "told_by": ("dhcp",),
        "system": "MSFT 5.0", "router": False, "first_seen": NOW, "last_seen": NOW + at,
        "services": ("openai",), "exchanges": 1, "past": 2, "bytes_up": 10, "bytes_down": 20, "at_least": True,
    }  # fmt: skip
    return HostRecord(**said | changes)


class FakeStore:
    def __init__(self):
        self.hosts = [host(at) for at in range(3)]
        self.names = {f"n_{at}": f"laptop-{at}" for at in range(3)} | {"a_" + "0" * 16: "10.0.0.7"}
        self.asked = []

    def __call__(self, _path):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def call(self, verb, request, **_):
        self.asked.append((verb, request))
        if verb == "persons":
            rows = [Person(each, self.names[each], 0.0, 0.0) for each in request.digests if each in self.names]
            return PageHead(len(rows)), msgspec.json.encode(rows)
        if verb == "host":
            (found,) = [each for each in self.hosts if each.address == request.address] or [None]
            if found is None:
                raise RemoteError("gone", "host: there is no host of that address")
            return HostDetail(found, (ServiceUse("openai", "api", 1, 2, 3, 10, 20, True, NOW, NOW),), ()), b""
        at = 0 if request.before is None else int(request.before.rank)
        page = self.hosts[at : at + request.limit]
        following = HostKey(float(at + len(page)), page[-1].address) if at + len(page) < len(self.hosts) else None
        return HostsHead(len(page), len(self.hosts), following), msgspec.json.encode(page)


@pytest.fixture
def store(monkeypatch):
    made = FakeStore()
    monkeypatch.setattr("appliance.bus.client.BlockingClient", made)
    return made


@pytest.fixture
def gnomon(tmp_path, capsys, store):
    config = tmp_path / "gnomon.yaml"
    config.write_text(f"state_dir: {tmp_path}/state\n")

    def run(*words):
        code = cli.main([*words, "--config", str(config)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_hosts_are_listed_with_clear_names(gnomon, store):
    code, out, _ = gnomon("hosts", "--ai", "--order", "bytes", "--text", "lap")
    assert code == 0
    assert out.splitlines()[1].split()[:4] == ["laptop-0", "10.0.0.7", "Dell", "openai"]
    assert ">=10" in out
    assert out.splitlines()[-1] == "3 of 3"
    request = store.asked[0][1]
    assert (request.order, request.ai, request.text) == (HostOrder.BYTES, True, "lap")


def test_json_has_the_records_and_the_names(gnomon, store):
    store.names["n_1"] = HOSTILE
    code, out, _ = gnomon("hosts", "--json", "--limit", "2")
    told = json.loads(out)
    assert code == 0
    assert [each["address"] for each in told["hosts"]] == ["a_" + "0" * 16, "a_" + "0" * 15 + "1"]
    assert told["total"] == 3
    assert told["persons"]["n_1"] == HOSTILE
    assert "\x1b" not in out


def test_hostile_names_are_inert_in_text(gnomon, store):
    store.names |= {"n_0": HOSTILE, "d_0": HOSTILE}
    store.hosts[0] = host(0, vendor=HOSTILE, system=HOSTILE)
    for words in (("hosts",), ("host", "a_" + "0" * 16)):
        code, out, _ = gnomon(*words)
        assert code == 0
        assert "evil" in out
        assert "\x1b" not in out
        assert "\x07" not in out


@pytest.mark.parametrize("called", ["10.0.0.7", "LAPTOP-0", "a_" + "0" * 16])
def test_one_host_by_what_a_person_calls_it(gnomon, called):
    code, out, _ = gnomon("host", called)
    assert code == 0
    assert "name (dhcp)" in out
    assert "laptop-0" in out
    assert ">=20" in out
    assert json.loads(gnomon("host", called, "--json")[1])["detail"]["host"]["address"] == "a_" + "0" * 16


def test_nobody_and_several_are_refused_with_what_to_do(gnomon, store):
    code, _, err = gnomon("host", "nobody")
    assert code == 2
    assert "gnomon hosts --text nobody" in err
    store.names["n_1"] = "laptop-0"
    code, _, err = gnomon("host", "laptop-0")
    assert code == 2
    assert "a_0000000000000001" in err
