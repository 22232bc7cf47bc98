"""How an answer is followed, by what it is and by what policy wants of it; and what is written down of it."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from addons.answer_events import EventsAnswer
from addons.answer_ways import Ways
from addons.answer_whole import HeldAnswer, PassingAnswer
from addons.closing import close_record
from addons.endings import DRAIN, FAULT, POLICY, RULE, UNREADABLE, ending_of
from addons.failclosed import HELD, Guard
from addons.ongoing import EXCHANGE, Account, Exchange
from appliance.config.schema import Config
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.dialects import Call
from appliance.inspect.dialects.openai_chat import OpenAIChat
from appliance.inspect.inspection import Inspector
from appliance.inspect.stream.watching import Watching
from appliance.model.catalogue import Service
from appliance.model.detection import Coverage, Selector
from appliance.model.event import Usage
from appliance.model.facts import Facts, Principal, Verdict
from appliance.model.names import Disposition, Outcome, Stage

HIDES = (Selector(kinds=("secret",), rule="keys"),)
KEY = "AKIA" + "IOSFODNN7SAMPLED"
FACTS = Facts(principal="p", client="a", host="s.test", port=443, method="POST", path="/")


class Late:
    """A policy with one rule for answers that could not be read."""

    def late(self, _facts, coverage, _now):
        return () if coverage.complete else ("unread",)

    def called(self, _facts, _tools, _now):
        return ()


class Collaborators:
    """What the way down needs of a worker."""

    config = Config()
    policy = Late()

    class telemetry:  # noqa: N801 - stands for an instance
        @staticmethod
        def clock():
            return 1.0

    class meter:  # noqa: N801 - likewise
        class charged:  # noqa: N801 - likewise
            @staticmethod
            def cost(_exchange, _usage, _model):
                return None

            @staticmethod
            def apart(_exchange, attempts, _usage, cost):
                return attempts, cost

    def __init__(self, detectors):
        self.inspector, self.watcher = Inspector(detectors), Watching(detectors)


@pytest.fixture(scope="module")
def worker():
    return Collaborators(Detectors.load(Path(tempfile.gettempdir()) / f"gnomon-test-tables-{os.geteuid()}"))


@pytest.fixture
def follow(worker):
    """Follow an answer with these headers; the flow and its exchange."""

    def made(headers, *, hides=(), dialect=None, drop_usage=False):
        exchange = Exchange(
            id="1",
            service=Service(id="s", name="S", owner="O", category="model_api"),
            principal=Principal("anonymous", "127.0.0.1"),
            stage=Stage.ENFORCE,
            started=0.0,
            host="s.test",
            call=Call("POST", "/v1/chat/completions", "application/json"),
            dialect=dialect,
            facts=FACTS,
            verdict=Verdict(Disposition.ALLOW, Disposition.ALLOW, Stage.ENFORCE, answer_hides=hides),
            drop_usage=drop_usage,
        )
        flow = tflow.tflow()
        flow.metadata[EXCHANGE] = exchange
        flow.response = http.Response.make(200, b"", headers)
        Ways(worker, Guard(None, lambda: Stage.ENFORCE, lambda _: b"")).follow(flow, flow.response, exchange)
        return flow, exchange

    return made


@pytest.mark.parametrize(
    ("content_type", "dialect", "hides", "way"),
    [
        ("text/event-stream", OpenAIChat(), HIDES, EventsAnswer),
        ("text/event-stream", None, HIDES, EventsAnswer),
        ("application/x-ndjson", None, (), EventsAnswer),
        ("application/json", OpenAIChat(), HIDES, HeldAnswer),
        ("application/json", OpenAIChat(), (), PassingAnswer),
        ("", None, HIDES, HeldAnswer),
        ("text/html", None, HIDES, PassingAnswer),
        ("text/html", OpenAIChat(), HIDES, HeldAnswer),
        ("image/png", None, HIDES, PassingAnswer),
        ("image/svg+xml", None, HIDES, HeldAnswer),
    ],
)
def test_the_way_of_an_answer(follow, content_type, dialect, hides, way):
    flow, exchange = follow({"content-type": content_type}, hides=hides, dialect=dialect)
    assert type(exchange.answer) is way
    assert (HELD in flow.metadata) == (way is HeldAnswer)
    assert callable(flow.response.stream) != (way is HeldAnswer)


def test_a_stream_that_no_dialect_knows_is_read_event_by_event(follow):
    flow, exchange = follow({"content-type": "text/event-stream"}, hides=HIDES)
    sent = b'event: x\ndata: {"p":"/m","v":"key %b"}\n\ndata: plain text\n\n' % KEY.encode()
    out = b"".join([*flow.response.stream(sent), *flow.response.stream(b"")])
    assert out == sent.replace(KEY.encode(), b"<AWS_ACCESS_KEY_ID>")
    account = exchange.answer.account()
    assert set(account.coverage.text_unscanned) == {"unknown_stream"}
    assert account.coverage.balanced
    assert account.redactions == 1


def test_a_page_passes_unread_and_is_counted_so(follow):
    flow, exchange = follow({"content-type": "text/html"}, hides=HIDES)
    assert flow.response.stream(b"<html>") == [b"<html>"]
    assert exchange.answer.account().coverage == Coverage(6, text_unscanned={"page": 6})


def test_a_picture_passes_and_a_text_that_says_it_is_one_does_not(follow):
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    flow, exchange = follow({"content-type": "image/png"}, hides=HIDES)
    assert b"".join([*flow.response.stream(picture[:9]), *flow.response.stream(picture[9:])]) == picture
    assert exchange.answer.account().coverage.opaque == {"image": len(picture)}
    flow, exchange = follow({"content-type": "image/png"}, hides=HIDES)
    text = json.dumps({"choices": [{"message": {"content": f"the key is {KEY}, keep it to yourself"}}]}).encode()
    assert [*flow.response.stream(text[:20]), *flow.response.stream(text[20:]), *flow.response.stream(b"")] == []
    assert (exchange.cut, exchange.cut_detail) == ("unreadable", "not_media")


def test_of_what_passes_the_beginning_is_kept_and_small_ones_are_scanned(follow):
    flow, exchange = follow({"content-type": "application/json"}, dialect=OpenAIChat())
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": KEY}}], "model": "m"}).encode()
    assert flow.response.stream(body) == [body]
    account = exchange.answer.account()
    assert (account.model, [label.entity for label in account.labels]) == ("m", ["AWS_ACCESS_KEY_ID"])
    flow, exchange = follow({"content-type": "application/json"}, dialect=OpenAIChat())
    flow.response.stream(body[:-1] + b" " * 300_000 + b"}")
    account = exchange.answer.account()
    assert (account.model, account.labels) == ("m", ())
    assert set(account.coverage.text_unscanned) == {"too_large"}
    flow.response.stream(b" " * 1_000_000)
    assert exchange.answer.account().coverage == Coverage(
        exchange.answer.taken, text_unscanned={"too_large": exchange.answer.taken}
    )


def test_a_fault_while_reading_leaves_nothing_scanned(follow):
    _, exchange = follow({"content-type": "text/event-stream"}, dialect=OpenAIChat())

    def broken(_data):
        raise RuntimeError

    exchange.answer._editor.feed = broken
    with pytest.raises(RuntimeError):
        exchange.answer.take(b"data: 1\n\n")
    assert exchange.answer.take(b"data: 2\n\n") == [b"data: 2\n\n"]
    assert exchange.answer.account().coverage == Coverage(18, opaque={"inspection_failed": 18})


def test_every_cause_of_an_end_is_told_to_client_and_record():
    told = {cause: ending_of(cause) for cause in (DRAIN, FAULT, POLICY, RULE, UNREADABLE)}
    assert {ending.outcome for ending in told.values()} == {Outcome.BLOCKED, Outcome.DRAINED, Outcome.FAILED_CLOSED}
    assert ending_of("who knows") is told[FAULT]


def record(worker, flow, exchange, **account):
    given = {"coverage": Coverage(0)} | account
    return close_record(worker, flow, exchange, Outcome.COMPLETED, "", Account(**given))


def test_what_nobody_told_is_estimated(worker, follow):
    flow, exchange = follow({"content-type": "application/json"}, dialect=OpenAIChat())
    exchange.asked_chars = 41
    assert record(worker, flow, exchange, chars=9).usage == Usage(input_tokens=11, output_tokens=3, estimated=True)
    told = Usage(input_tokens=1, output_tokens=2)
    assert record(worker, flow, exchange, chars=9, usage=told).usage == told
    assert record(worker, flow, exchange).usage is None
    flow.response.status_code = 500
    assert record(worker, flow, exchange, chars=9).usage is None


def test_names_of_a_provider_are_looked_at_before_they_are_written_down(worker, follow):
    flow, exchange = follow({}, dialect=OpenAIChat())
    event = record(
        worker, flow, exchange, model=f"m-{KEY}", tools_called=(f"send_{KEY}", "web_search"), finish=("stop\ud800",)
    )
    assert KEY not in repr(event)
    assert event.finish == ("stop?",)
    assert [(label.entity, label.count) for label in event.labels] == [("UNDECLARED_TOOL", 1)]


def test_a_rule_minds_what_was_not_scanned(worker, follow):
    flow, exchange = follow({})
    event = record(worker, flow, exchange, coverage=Coverage(3, opaque={"image": 3}))
    assert [label.entity for label in event.labels] == ["UNSCANNED_ANSWER"]
