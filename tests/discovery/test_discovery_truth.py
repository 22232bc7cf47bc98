"""Rows for comparing: keys, order, numbers of packets; every row is read back as the observation that it was."""

import io
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.catalogue import load_catalogue
from appliance.model.names import ObservationKind, Transport
from appliance.model.observation import Observation, Sighting
from discovery import replay
from discovery.classify import Classifier
from discovery.engine import Engine
from discovery.files import read
from discovery.truth import observation_of, truth

PCAPS = Path(__file__).parents[2] / "pcaps"
KEYS = ["file", "frame", "proto", "src", "sport", "dst", "dport", "kind", "name", "alpn", "ja3", "ja4", "dns", "host"]
TEXTS = st.text(max_size=5) | st.just("\udcff") | st.none()


def seen(**fields) -> Observation:
    ends = {"ts": 1.5, "src": "10.0.0.1", "sport": 40_000, "dst": "2001:db8::1", "dport": 443}
    return Observation(**{**ends, "transport": Transport.TCP, "kind": ObservationKind.TLS, **fields})


def rows(*observations: Observation) -> list[dict[str, object]]:
    sightings = [Sighting(observation=one) for one in observations]
    return [json.loads(line) for line in truth(sightings, "a.pcap", range(1, len(sightings) + 1)).splitlines()]


def test_the_first_keys_always_stand_in_one_order():
    for row in rows(seen(), seen(kind=ObservationKind.DNS, server_name="a.example", addresses=("10.0.0.1",))):
        assert list(row)[: len(KEYS)] == KEYS


def test_a_name_stands_where_tshark_has_it():
    hello, asked, answer = rows(
        seen(server_name="claude.ai", alpn=("h2",)),
        seen(kind=ObservationKind.MDNS, server_name="b.local"),
        seen(kind=ObservationKind.DNS_ANSWER, server_name="c.example", addresses=("10.0.0.9",), ttl=0),
    )
    assert (hello["name"], hello["dns"], hello["alpn"]) == ("claude.ai", None, ["h2"])
    assert (asked["name"], asked["dns"]) == (None, "b.local")
    assert (answer["dns"], answer["addresses"], answer["ttl"]) == ("c.example", ["10.0.0.9"], 0)


@given(
    kind=st.sampled_from(ObservationKind),
    transport=st.sampled_from(Transport),
    texts=st.tuples(*[TEXTS] * 5),
    alpn=st.lists(st.text(max_size=3), max_size=3).map(tuple),
    status=st.none() | st.integers(100, 999),
)
def test_a_row_is_read_back_as_what_it_was(kind, transport, texts, alpn, status):
    name, host, path, agent, model = texts
    one = seen(kind=kind, transport=transport, server_name=name, host=host, path=path, user_agent=agent)
    one = msgspec.structs.replace(one, alpn=alpn, status=status, model=model)
    (line,) = truth([Sighting(observation=one)], "a.pcap", [1]).splitlines()
    if "\udcff" in texts:
        fields = {key: getattr(one, key) for key in ("server_name", "host", "path", "user_agent", "model")}
        shown = {key: text.replace("\udcff", "\\xff") for key, text in fields.items() if text}
        one = msgspec.structs.replace(one, **shown)
    again = observation_of(line)
    assert msgspec.structs.replace(again, server_name=again.server_name or None) == msgspec.structs.replace(
        one, server_name=one.server_name or None
    )


def test_a_plain_row_of_replay_is_read_too():
    one = seen(server_name="claude.ai", alpn=("h2", "http/1.1"), ja4="x")
    assert observation_of(replay.jsonl([Sighting(observation=one)], "a.pcap").strip()) == one


@pytest.mark.parametrize("line", [b"", b"[]", b'{"ts": 1}', b'{"kind": "nothing"}', b"\xff"])
def test_what_is_no_row_is_refused(line):
    with pytest.raises(msgspec.MsgspecError):
        observation_of(line)


@pytest.mark.parametrize("name", ["mixed-office.pcap", "hostile-names.pcap"])
def test_a_frame_is_the_packet_that_completed_the_row(name):
    sink, engine = io.BytesIO(), Engine()
    classifier = Classifier(load_catalogue())
    replay.replay([str(PCAPS / name)], classifier, sink, encode=truth, tell=lambda _: None)
    numbers = [number for number, frame in enumerate(read(PCAPS / name), 1) for _ in engine.feed(*frame)]
    rows = [json.loads(line) for line in sink.getvalue().splitlines()]
    left = [row for row in rows if row.get("ended") == "open"]  # told when the file has ended
    assert {row["frame"] for row in left} <= {sum(1 for _ in read(PCAPS / name))}
    assert [row["frame"] for row in rows[: len(rows) - len(left)]] == numbers
    assert len(numbers) > 5
