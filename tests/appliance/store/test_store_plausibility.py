"""Tokens and bytes beside each other: by hour, with their neighbours, of the sensor that saw most; the view agrees."""

import itertools

import msgspec
import pytest

from appliance.model.event import Usage
from appliance.model.names import Leg, ObservationKind, Surface
from appliance.store.bench import closed, opened
from appliance.store.finding_pages import OverviewRequest, PlausibilityRequest
from appliance.store.overview import overview
from appliance.store.plausibility import plausibility
from appliance.store.queries import QUERIES

HOUR = 489_916
NOW = HOUR * 3600.0 + 60
DAY = PlausibilityRequest(since=NOW - 8 * 3600, until=NOW + 8 * 3600)


def exchange(number, tokens, *, at=NOW, client="a_1", listener="proxy"):
    """An exchange of 2,048 bytes; `tokens` None: nobody told."""
    record = opened(f"x{number}", "w0", at)
    facts = msgspec.structs.replace(record.facts, client=client, service="openai", listener=listener)
    usage = None if tokens is None else Usage(tokens)
    end = msgspec.structs.replace(closed(f"x{number}", at + 1), usage=usage)
    return [msgspec.structs.replace(record, facts=facts), end]


@pytest.fixture
def told(ingest, life, observed, connection):
    """Takes exchanges and sizes in; what does not fit."""

    lives = itertools.count()

    def sized(up, at=NOW, **more):
        fields = {"service": "openai", "surface": Surface.API, "leg": Leg.PROXY, "seen": ObservationKind.FLOW}
        return observed(**fields | {"client": "a_1", "ts": at, "until": at, "bytes_up": up, "bytes_down": 1} | more)

    def take(*events):
        flat = [one for event in events for one in (event if isinstance(event, list) else [event])]
        ingest.commit([life(f"w{next(lives)}").add(*flat).frame()])
        found = plausibility(connection, DAY)
        return [(one.hour // 3600 - HOUR, one.client, one.service, one.why) for one in found]

    take.sized = sized
    return take


def test_what_fits_is_not_told(told):
    assert told(exchange(1, 1_000), told.sized(6_000)) == []


def test_more_bytes_than_such_prompts_take(told):
    assert told(exchange(1, 100), told.sized(5_000_000)) == [(0, "a_1", "openai", "more_bytes")]


def test_more_tokens_than_the_bytes_can_hold(told):
    assert told(exchange(1, 1_000_000), told.sized(100_000)) == [(0, "a_1", "openai", "more_tokens")]


def test_where_the_end_was_not_seen_there_may_have_been_more(told):
    assert told(exchange(1, 1_000_000), told.sized(100_000, at_least=True)) == []


def test_bytes_are_told_at_the_end_of_a_connection_an_hour_later(told):
    assert told(exchange(1, 100_000), told.sized(300_000, at=NOW + 3600)) == []


def test_a_connection_that_ends_long_after_its_exchanges_is_held_against_nothing(told):
    assert told(exchange(1, 100), told.sized(300_000, at=NOW + 2 * 3600), told.sized(2_000)) == []


def test_two_sensors_that_see_the_same_count_once(told):
    events = [told.sized(300_000), told.sized(300_000, sensor="other"), told.sized(10, sensor="third")]
    assert told(exchange(1, 8_000), *events) == []


def test_the_gateway_and_what_goes_past_are_no_part_of_it(told):
    assert told(exchange(1, 1_000_000, listener="gateway"), told.sized(1_000)) == []
    assert told(told.sized(50_000_000, leg=Leg.DIRECT)) == []


def test_what_went_through_sealed_has_no_exchange_and_nothing_to_be_held_against(told):
    assert told(told.sized(50_000_000)) == []


def test_where_no_sensor_sees_the_way_nothing_is_said(told):
    assert told(exchange(1, 1_000_000), exchange(2, 10, client="a_2"), told.sized(900, client="a_2")) == []


def test_requests_whose_tokens_nobody_told_explain_their_bytes(told):
    assert told(exchange(1, None), told.sized(2_048 * 2 + 16_384)) == []
    assert told(exchange(2, None), told.sized(80_000)) == [(0, "a_1", "openai", "more_bytes")]


def test_an_hour_is_judged_once_its_neighbours_are_whole(told, connection):
    told(exchange(1, 100), told.sized(5_000_000))
    ask = QUERIES["plausibility"].run
    for since, until, count in (
        ((HOUR - 1) * 3600, (HOUR + 2) * 3600, 1),
        ((HOUR - 1) * 3600 + 1, (HOUR + 2) * 3600, 0),
        ((HOUR - 1) * 3600, (HOUR + 2) * 3600 - 1, 0),
        (0, 1, 0),
        (1e12, 0, 0),
    ):
        assert len(ask(connection, PlausibilityRequest(since=since, until=until))) == count


def test_the_overview_shows_the_day_before(told, connection, catalogue):
    told(exchange(1, 100), told.sized(5_000_000))
    (one,) = overview(connection, OverviewRequest(since=(HOUR + 2) * 3600), catalogue).implausible
    assert (one.service, one.input_tokens, one.bytes_up) == ("openai", 100, 5_000_000)
    assert overview(connection, OverviewRequest(since=(HOUR + 30) * 3600), catalogue).implausible == ()
    assert overview(connection, OverviewRequest(), catalogue).implausible == ()


def test_the_view_holds_the_same_sums(told, connection):
    told(
        exchange(1, 100),
        exchange(2, None),
        exchange(3, 7, at=NOW + 3600),
        exchange(4, 9, listener="gateway"),
        told.sized(500),
        told.sized(900, sensor="other", at_least=True),
    )
    columns = "hour, client, service, requests, input_tokens, untold_bytes, bytes_up, at_least"
    rows = connection.execute(
        f"SELECT epoch({columns.replace(', ', ')::BIGINT, ', 1)} FROM v_plausibility ORDER BY 1"
    ).fetchall()
    assert rows == [
        (HOUR * 3600, "a_1", "openai", 2, 100, 2_048, 900, True),
        ((HOUR + 1) * 3600, "a_1", "openai", 1, 7, 0, None, False),
    ]
