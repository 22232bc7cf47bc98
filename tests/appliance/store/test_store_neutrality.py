"""With and without the appliance: what the store tells, and the word for it."""

import msgspec
import pytest

from appliance.model.event import Usage
from appliance.model.names import Outcome
from appliance.store.bench import closed, opened
from appliance.store.neutrality import NeutralityRow, Word, neutrality, word
from appliance.store.pages import SpanRequest

NOW = 1_763_700_000.0


def made(number, *, changed=False, usage=None, service="openai", outcome=Outcome.COMPLETED, first=200.0, status=200):
    event = opened(f"x{number}{service}", "w0", NOW + number)
    facts = msgspec.structs.replace(event.facts, service=service)
    begun = msgspec.structs.replace(event, facts=facts, sent_digest="other" if changed else event.body_digest)
    ended = closed(event.exchange, NOW + number + 1)
    usage = usage or Usage(100, 10, 40)
    return begun, msgspec.structs.replace(ended, usage=usage, outcome=outcome, first_byte_ms=first, status=status)


def test_shares_and_times_by_service(desk):
    desk.take(*made(1, first=100.0), *made(2, first=300.0, changed=True, usage=Usage(100, 10, 0)))
    desk.take(*made(3, service="anthropic", usage=Usage(1000, 10, 900), first=None))
    rows = {row.service: row for row in neutrality(desk.connection, SpanRequest())}
    assert rows["openai"] == NeutralityRow(
        "openai", 2, 1, 0.2, 0.4, 200.0, pytest.approx(290.0), inspect_p50=0.4, inspect_p95=0.4
    )
    assert (rows["anthropic"].cached, rows["anthropic"].first_byte_p50) == (0.9, None)
    assert neutrality(desk.connection, SpanRequest(since=NOW + 10)) == []


def test_what_failed_or_was_only_counted_here_is_left_out(desk):
    desk.take(*made(1, outcome=Outcome.CLIENT_ABORT), *made(2, status=500))
    desk.take(*made(3, usage=Usage(100, 10, 0, estimated=True)), *made(4, usage=Usage(0, 0, 0)))
    assert neutrality(desk.connection, SpanRequest()) == []


ROW = NeutralityRow("openai", 100, 90, 0.5, 0.5, 400.0, 900.0, 1.0, 5.0)


@pytest.mark.parametrize(
    ("row", "cached", "first", "expected"),
    [
        (ROW, None, None, Word.UNKNOWN),
        (msgspec.structs.replace(ROW, exchanges=19), 0.5, 400, Word.UNKNOWN),
        (ROW, 0.515, 350.5, Word.NEUTRAL),
        (ROW, 0.53, None, Word.LESS_CACHED),
        (ROW, None, 349, Word.SLOWER),
        (msgspec.structs.replace(ROW, first_byte_p50=1090.0), None, 1000, Word.NEUTRAL),
        (msgspec.structs.replace(ROW, first_byte_p50=1101.0), None, 1000, Word.SLOWER),
        (msgspec.structs.replace(ROW, first_byte_p50=None), None, 1, Word.UNKNOWN),
        (msgspec.structs.replace(ROW, first_byte_p50=None), 0.5, 1, Word.NEUTRAL),
    ],
)
def test_the_word(row, cached, first, expected):
    assert word(row, cached, first) is expected
