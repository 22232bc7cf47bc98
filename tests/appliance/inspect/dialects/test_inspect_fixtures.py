"""Every dialect reads its own fixtures as they say, misses no string of them, and survives whatever is made of them."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from fixtures_world import (
    CASES,
    EXPECTED,
    FOLDER,
    KEYS,
    Fixture,
    channels,
    check_body,
    check_event,
    events_of,
    fixtures,
    present,
    read,
    written,
)
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects import EventReader
from appliance.inspect.dialects.registry import DIALECTS, choose
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.redact import byte_of
from appliance.inspect.stream.events import Event
from appliance.inspect.view import RequestView, ResponseView, Syntax
from appliance.model.event import Usage

CANARY = "zq canary 7"
named = pytest.mark.parametrize("fixture", present(), ids=lambda fixture: fixture.name)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.api)
def test_every_dialect_has_every_case_or_says_why_not(dialect):
    has = {path.stem: json.loads(path.read_text()) for path in (FOLDER / dialect.api).glob("*.json")}
    assert set(CASES) - set(has) == set()
    for case, told in has.items():
        assert (set(told) == {"absent"} and len(told["absent"]) > 10) or set(told) <= KEYS, case
    bare = [case for case in CASES if "absent" in has[case]]
    assert len(bare) < len(CASES) - 1, "a dialect without cases is none"
    holds = {case: set(has[case]["expect"]) for case in CASES if case not in bare}
    assert "error" in holds.get("error", {"error"})
    assert {"tools_declared", "tools_called"} & holds.get("tools", {"tools_called"})
    assert {"done", "answer_malformed"} & holds.get("abort", {"done"})
    assert {"channels", "done"} <= holds.get("stream", {"channels", "done"})


def test_no_fixture_is_of_no_dialect():
    assert {fixture.api for fixture in fixtures()} <= {dialect.api for dialect in DIALECTS}


@named
def test_the_path_leads_to_the_dialect(fixture):
    dialect = choose(fixture.told["method"], fixture.told["path"], fixture.told.get("service"))
    assert dialect is not None
    assert dialect.api == fixture.api


@named
def test_no_other_dialect_claims_the_path(fixture):
    method, path = fixture.told["method"], fixture.told["path"].partition("?")[0]
    assert [dialect.api for dialect in DIALECTS if dialect.matches(method, path)] == [fixture.api]


@named
def test_a_request_is_read_as_the_fixture_says(fixture):
    expect = fixture.expect
    assert set(expect) <= EXPECTED
    if "request_malformed" in expect:
        with pytest.raises(MalformedBody) as fault:
            fixture.dialect.request(fixture.request, fixture.call)
        assert fault.value.word == expect["request_malformed"]
        return
    view = fixture.dialect.request(fixture.request, fixture.call)
    assert view.api == expect.get("api", fixture.api)
    check_body(fixture.request, view)
    for key in ("model", "stream", "max_tokens", "tools_declared", "conversation", "hosted_mcp"):
        if key in expect:
            value = getattr(view, key)
            assert (list(value) if isinstance(value, tuple) else value) == expect[key], key
    if "request_opaque" in expect:
        assert {span.reason for span in view.opaque} == set(expect["request_opaque"])
    told = {(segment.role, segment.channel, segment.text) for segment in view.segments}
    assert {tuple(text) for text in expect.get("request_texts", ())} - told == set()
    for segment in view.segments:
        if not segment.fixed and segment.channel != "number" and view.syntax is Syntax.JSON:
            assert byte_of(fixture.request, view.syntax, segment, len(segment.text)) == segment.end


@named
def test_an_answer_is_read_as_the_fixture_says(fixture):
    expect = fixture.expect
    stream = read(fixture)
    if stream is not None:
        for event, view in zip(stream.events, stream.views, strict=True):
            check_event(event, view)
        assert channels(stream.views) == expect.get("channels", {})
        whole = {(text.role, text.kind, text.text) for view in stream.views for text in view.texts if not text.channel}
        _check_told(stream.told, stream.told.model, whole, expect)
        assert stream.told.done == expect.get("done", stream.told.done)
        return
    assert "channels" not in expect
    if "answer_malformed" in expect:
        with pytest.raises(MalformedBody) as fault:
            fixture.dialect.response(fixture.answer, fixture.call, fixture.answer_type)
        assert fault.value.word == expect["answer_malformed"]
        return
    answer = fixture.dialect.response(fixture.answer, fixture.call, fixture.answer_type)
    assert answer.api == fixture.api
    check_body(fixture.answer, answer)
    _check_told(answer, answer.model, {(one.role, one.channel, one.text) for one in answer.segments}, expect)


def _check_told(told, served, texts, expect):
    for key in ("finish", "tools_called"):
        if key in expect:
            assert list(getattr(told, key)) == expect[key]
    if "served" in expect:
        assert served == expect["served"]
    if "error" in expect:
        assert told.error == expect["error"]
    if "usage" in expect:
        wanted = expect["usage"]
        assert told.usage == (None if wanted is None else msgspec.convert(wanted, Usage))
    assert {tuple(text) for text in expect.get("answer_texts", ())} - texts == set()


@named
def test_no_string_of_a_request_is_missed(fixture):
    """Each string in turn, keys too, becomes something that no format knows: it must be told of."""
    if "request_malformed" in fixture.expect:
        return
    for body in with_canaries(fixture.request):
        try:
            view = fixture.dialect.request(body, fixture.call)
        except MalformedBody:
            continue  # refused: nothing passes
        assert _is_told(body, view), body


@named
def test_no_string_of_an_answer_is_missed(fixture):
    reader = fixture.dialect.events(fixture.call, fixture.answer_type)
    if reader is None:
        for body in with_canaries(fixture.answer):
            try:
                view = fixture.dialect.response(body, fixture.call, fixture.answer_type)
            except MalformedBody:
                continue
            assert _is_told(body, view), body
        return
    events = events_of(fixture, reader.framing)
    for number, event in enumerate(events):
        for payload in with_canaries(event.payload):
            assert _is_seen(_reader_after(fixture, events[:number]), Event(event.name, payload)), payload


def _is_told(body: bytes, view: RequestView | ResponseView) -> bool:
    at = body.index(CANARY.encode())
    spans = [(span.start, span.end) for span in view.opaque] + list(getattr(view, "repeats", ()))
    return any(CANARY in segment.text for segment in view.segments) or any(start <= at < end for start, end in spans)


@given(
    st.sampled_from(present()), st.integers(0, 4000), st.integers(0, 60), st.binary(max_size=12) | st.text(max_size=6)
)
def test_any_damage_is_read_or_refused(fixture, start, length, instead):
    """A stretch of the body becomes something else: spans stay disjoint and inside, only MalformedBody is raised."""
    put = instead.encode("utf-8", "surrogatepass") if isinstance(instead, str) else instead

    def damaged(body):
        at = start % (len(body) + 1)
        return body[:at] + put + body[at + length :]

    for read_it, body in (
        (lambda body: fixture.dialect.request(body, fixture.call), damaged(fixture.request)),
        (lambda body: fixture.dialect.response(body, fixture.call, fixture.answer_type), damaged(fixture.answer)),
    ):
        try:
            view = read_it(body)
        except MalformedBody:
            continue
        check_body(body, view)
    reader = fixture.dialect.events(fixture.call, fixture.answer_type)
    for event in events_of(fixture, reader.framing) if reader else ():
        changed = Event(event.name, damaged(event.payload))
        check_event(changed, reader.read(changed))


def _reader_after(fixture: Fixture, events: list[Event]) -> EventReader:
    reader = fixture.dialect.events(fixture.call, fixture.answer_type)
    assert reader is not None
    for event in events:
        reader.read(event)
    return reader


def _is_seen(reader: EventReader, event: Event) -> bool:
    view = reader.read(event)
    check_event(event, view)
    at = event.payload.index(CANARY.encode())
    spans = [(text.start, text.end) for text in view.texts] + [(span.start, span.end) for span in view.opaque]
    return view.malformed or any(start <= at < end for start, end in (*spans, *view.repeats))


def with_canaries(body: bytes) -> Iterator[bytes]:
    """The JSON document with one string or key after the other replaced; nothing where it is no JSON."""
    try:
        value = json.loads(body)
    except ValueError:
        return
    for path in _paths(value):
        changed = copy.deepcopy(value)
        if path:
            _put(changed, path)
        else:
            changed = CANARY
        yield written(changed)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, (key,))
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _paths(inner, (*path, number))


def _put(value: Any, path: tuple[Any, ...]) -> None:
    for step in path[:-1]:
        value = value[step]
    last = path[-1]
    if isinstance(last, tuple):
        value[CANARY] = value.pop(last[0])
    else:
        value[last] = CANARY
