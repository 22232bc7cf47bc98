"""From sightings to records: the first at once, repeats counted, nothing lost."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.event import Observed
from appliance.model.names import Leg, ObservationKind, Surface, Transport
from discovery.aggregate import Aggregate


def seen(ts, client="a_1", name="api.openai.com", **more):
    fields = {
        "ts": ts,
        "sensor": "sensor0",
        "source": "eth0",
        "seen": ObservationKind.TLS,
        "transport": Transport.TCP,
        "leg": Leg.DIRECT,
        "client": client,
        "server": "192.0.2.1",
        "port": 443,
        "service": "openai",
        "category": "model_api",
        "surface": Surface.API,
        "confidence": 0.9,
        "name": name,
    }
    return Observed(**fields | more)


def told(records):
    return [(record.event.ts, record.event.until, record.event.count) for record in records]


def test_the_first_is_told_at_once_and_repeats_in_one_record_when_the_interval_is_over():
    table = Aggregate(300)
    assert told(table.take(seen(1000), "10.0.0.1")) == [(1000, 1000, 1)]
    for ts in (1001, 1100, 1299):
        assert told(table.take(seen(ts), "10.0.0.1")) == []
    assert told(table.due(1299.9)) == []
    assert told(table.due(1300)) == [(1001, 1299, 3)]
    # what goes on is watched on: no second "first"
    assert told(table.take(seen(1400), "10.0.0.1")) == []
    assert told(table.take(seen(1601), "10.0.0.1")) == [(1400, 1400, 1)]
    assert told(table.flush()) == [(1601, 1601, 1)]
    assert len(table) == 0


def test_what_was_quiet_for_an_interval_is_a_first_again():
    table = Aggregate(300)
    assert told(table.take(seen(1000), "c"))
    assert told(table.due(1300)) == []
    assert len(table) == 0
    assert told(table.take(seen(1301), "c")) == [(1301, 1301, 1)]


@pytest.mark.parametrize(
    "other",
    [
        {"client": "a_2"},
        {"name": "chatgpt.com"},
        {"service": "anthropic"},
        {"seen": ObservationKind.DNS},
        {"leg": Leg.PROXY},
    ],
    ids=str,
)
def test_each_client_service_kind_leg_and_name_is_told_apart(other):
    table = Aggregate(300)
    assert told(table.take(seen(1), "c"))
    assert told(table.take(seen(2, **other), "c")) == [(2, 2, 1)]


def test_what_does_not_tell_apart_is_one():
    table = Aggregate(300)
    assert told(table.take(seen(1), "c"))
    assert told(table.take(seen(2, ja4="t13d", server="192.0.2.9", path="/v1"), "c")) == []
    [record] = table.flush()
    assert record.event.server == "192.0.2.9"


def test_a_repeat_may_stand_for_several_and_sizes_are_summed_where_they_are_known():
    table = Aggregate(300)
    assert told(table.take(seen(1, count=3, bytes_up=5), "c")) == [(1, 1, 3)]
    for ts, sizes in ((2, {}), (3, {"bytes_up": 5, "bytes_down": 7, "at_least": True}), (4, {"bytes_up": 6})):
        assert told(table.take(seen(ts, count=2, **sizes), "c")) == []
    [record] = table.flush()
    event = record.event
    assert (event.count, event.bytes_up, event.bytes_down, event.at_least) == (6, 11, 7, True)


@pytest.mark.parametrize("other", [{"cause": "quic"}, {"contradicts": "x"}, {"kinds": ("compromised",)}], ids=str)
def test_what_makes_it_worse_is_no_repeat(other):
    table = Aggregate(300)
    assert told(table.take(seen(1), "c"))
    assert told(table.take(seen(2, **other), "c")) == [(2, 2, 1)]


def test_a_full_table_gives_up_its_oldest_with_its_record():
    table = Aggregate(300, limit=2)
    for client in ("a_1", "a_2"):
        list(table.take(seen(1, client), client))
        list(table.take(seen(2, client), client))
    records = list(table.take(seen(3, "a_3"), "3"))
    assert [(record.event.client, record.event.count, record.address) for record in records] == [
        ("a_3", 1, "3"),
        ("a_1", 1, "a_1"),
    ]
    assert len(table) == 2


def test_without_an_interval_every_sighting_is_a_record():
    table = Aggregate(0)
    assert [told(table.take(seen(ts), "c")) for ts in (1, 2)] == [[(1, 1, 1)], [(2, 2, 1)]]
    assert len(table) == 0


_SIGHTINGS = st.lists(
    st.tuples(st.floats(0, 2000), st.sampled_from(["a_1", "a_2", "a_3", "a_4"]), st.sampled_from(["x", "y"])),
    max_size=80,
)


@given(_SIGHTINGS, st.sampled_from([0, 10, 300]), st.integers(1, 5))
def test_no_sighting_is_lost_or_told_twice_and_the_same_input_gives_the_same_records(sightings, interval, limit):
    def run():
        table, records = Aggregate(interval, limit), []
        for ts, client, name in sightings:
            records += table.take(seen(ts, client, name), client)
            assert len(table) <= limit
        return [*records, *table.flush()]

    records = run()
    counted = Counter()
    for record in records:
        event = record.event
        counted[event.client, event.name] += event.count
        assert event.ts <= event.until
        assert record.address == event.client
    assert counted == Counter((client, name) for _, client, name in sightings)
    assert [msgspec.json.encode(one.event) for one in records] == [msgspec.json.encode(one.event) for one in run()]
