"""The sizes of a connection go to its own record, also where its ports served another before."""

import pytest
from sensing import seen, sensor

from appliance.model.names import ObservationKind
from discovery.awaited import MAX_RECORDS, Awaited

AI, OTHER = "api.openai.com", "chatgpt.com"
KEY = ("10.0.0.9", 1000, "192.0.2.1", 443)


def size(ts, seconds, up=10):
    return seen(None, ts, kind=ObservationKind.FLOW, seconds=seconds, bytes_up=up, bytes_down=20, ended="fin")


def sizes(*observations):
    """Which services were said to have had how many bytes."""
    one = sensor(join_s=1.0)
    records = [record.event for observation in observations for record in one.take(observation)]
    records += [record.event for record in one.flush()]
    return [(event.service, event.bytes_up) for event in records if event.bytes_up is not None]


def test_sizes_go_to_the_connection_in_whose_time_they_were_counted():
    assert sizes(seen(AI, 1000), size(1060, 60)) == [("openai", 10)]
    assert sizes(seen(AI, 1000), seen(OTHER, 2000), size(2060, 60)) == [("chatgpt", 10)]
    assert sizes(seen(AI, 1000), size(2060, 60)) == []
    assert sizes(seen(AI, 1000), seen(AI, 2000), size(2060, 60)) == [("openai", 10)]


def test_sizes_that_come_late_are_not_those_of_the_next_connection():
    assert sizes(seen(AI, 1000), seen(OTHER, 1500), size(1060, 60, 11), size(1550, 50, 12)) == [
        ("openai", 11),
        ("chatgpt", 12),
    ]
    assert sizes(seen(OTHER, 1500), size(1060, 60, 11), size(1501, 1, 12)) == [("chatgpt", 12)]


def test_sizes_of_before_leave_what_was_recorded_since():
    judged = (seen(OTHER, 1500), seen("mail.example", 1510, sport=2))
    assert sizes(*judged, size(1060, 60, 11), size(1540, 40, 12)) == [("chatgpt", 12)]


def test_of_several_services_in_one_connection_the_first_has_the_sizes():
    assert sizes(seen(AI, 1000), seen(OTHER, 1010), size(1060, 60)) == [("openai", 10)]


@pytest.mark.parametrize("seconds", [None, 0.0])
def test_without_a_length_the_moment_counts(seconds):
    assert sizes(seen(AI, 1000), seen(OTHER, 2000), size(2001, seconds)) == [("chatgpt", 10)]


def test_the_rhythm_of_a_connection_with_a_name_is_not_that_of_the_nameless_one_before():
    one = sensor(join_s=1.0)
    rhythm = ("cadence of 40 records, 25 ms apart",)
    for observation in (
        seen(None, 1000, notes=("no_sni",)),
        seen("mail.example", 2000),
        seen(None, 2010, kind=ObservationKind.FLOW, notes=rhythm),
    ):
        assert list(one.take(observation)) == []
    assert [record.event.service for record in one.take(seen(None, 3000, notes=("no_sni",)))] == []
    list(one.due(3002))
    [told] = one.take(seen(None, 3010, kind=ObservationKind.FLOW, notes=rhythm))
    assert told.event.service == "unnamed"


def test_the_table_is_bounded():
    table, one = Awaited(limit=2), sensor()
    [record] = one.take(seen(AI))
    for port in range(3):
        table.note((*KEY[:1], port, *KEY[2:]), record.event)
    assert len(table) == 2
    for number in range(2 * MAX_RECORDS):
        service = f"s{number}"
        table.note(KEY, type(record.event)(**{**_fields(record.event), "service": service, "ts": 1000.0 + number}))
    assert table.take(KEY, size(1100, 100)).service == f"s{MAX_RECORDS}"
    assert table.take(KEY, size(1100, 100)) is None


def _fields(event):
    return {name: getattr(event, name) for name in event.__struct_fields__}
