"""What a request and its answer tell together."""

import pytest

from appliance.model.names import ObservationKind, Transport
from appliance.model.observation import Observation
from discovery.exchanged import Exchanged
from discovery.marks import Mark

ENDS = {"transport": Transport.TCP}


def ask(ts=1.0, sport=40_000, port=8_000, path="/v1/chat/completions", **fields) -> Observation:
    ends = {"src": "10.0.0.1", "sport": sport, "dst": "10.0.0.2", "dport": port, **ENDS}
    return Observation(ts=ts, kind=ObservationKind.HTTP, method="POST", path=path, **ends, **fields)


def reply(ts=2.0, sport=40_000, port=8_000, status=200, **fields) -> Observation:
    ends = {"src": "10.0.0.2", "sport": port, "dst": "10.0.0.1", "dport": sport, **ENDS}
    return Observation(ts=ts, kind=ObservationKind.HTTP_RESPONSE, status=status, **ends, **fields)


def joined(*seen: Observation, **limits) -> Observation:
    table = Exchanged(**limits)
    return [table.take(one) for one in seen][-1]


ANSWERED = (Mark.CHAT_ANSWER,)


@pytest.mark.parametrize(
    ("asked", "answered", "expected"),
    [
        (ask(), reply(marks=ANSWERED), True),
        (ask(marks=(Mark.CREDENTIAL,)), reply(marks=ANSWERED), False),
        (ask(), reply(marks=ANSWERED, status=500), False),
        (ask(), reply(marks=(Mark.REFUSED,), status=401), False),
        (ask(), reply(marks=(Mark.SSE,)), True),
        (ask(path="/events"), reply(marks=(Mark.SSE,)), False),
        (ask(path="/v1/models"), reply(marks=(Mark.MODEL_LIST,)), True),
        (ask(path="/mcp"), reply(marks=(Mark.MCP, Mark.MCP_TOOLS_LIST)), True),
        (ask(path="/"), reply(), False),
    ],
)
def test_nobody_asked_for_a_key(asked, answered, expected):
    assert (Mark.NO_AUTHENTICATION in joined(asked, answered).marks) is expected


def test_another_model_is_told_with_what_was_asked_for():
    found = joined(ask(model="gpt-4o"), reply(model="gpt-4o-mini", marks=ANSWERED))
    assert Mark.OTHER_MODEL in found.marks
    assert (found.notes, found.model, found.path) == (("asked gpt-4o",), "gpt-4o-mini", "/v1/chat/completions")
    same = joined(ask(model="gpt-4o"), reply(model="gpt-4o-2024-08-06", marks=ANSWERED))
    assert Mark.OTHER_MODEL not in same.marks


@pytest.mark.parametrize(
    ("path", "port", "marks", "expected"),
    [
        ("/api/version", 11_434, (), "ollama 0.12.3"),
        ("/api/version", 9_000, (), None),
        ("/api/version", 9_000, ("ollama",), "ollama 0.12.3"),
        ("/version", 8_000, ("vllm",), "vllm 0.12.3"),
        ("/version", 8_000, (), None),
        ("/api/v1/app/version", 9_000, (), "invokeai 0.12.3"),
        ("/else", 11_434, (), None),
    ],
)
def test_whose_a_bare_version_is(path, port, marks, expected):
    answered = reply(port=port, software="unnamed 0.12.3", marks=marks)
    assert joined(ask(path=path, port=port), answered).software == expected


def test_a_request_that_is_told_again_with_its_body_is_one():
    more = ask(1.1, model="gpt-4o", marks=(Mark.CHAT_REQUEST,))
    assert Mark.OTHER_MODEL in joined(ask(), more, reply(model="claude-x", marks=ANSWERED)).marks


def test_nothing_is_concluded_where_requests_were_sent_ahead():
    ahead = ask(1.1, path="/v1/models")
    assert joined(ask(), ahead, reply(marks=ANSWERED)).marks == ANSWERED
    assert joined(ask(notes=("h2",)), reply(marks=ANSWERED)).marks == ANSWERED
    table = Exchanged()
    for one in (ask(), reply(1.5), ask(2.0, model="gpt-4o")):
        table.take(one)
    assert Mark.NO_AUTHENTICATION in table.take(reply(3.0, marks=ANSWERED)).marks


def test_an_answer_to_nobody_and_a_late_one_stay_as_they_are():
    alone = reply(marks=ANSWERED)
    assert joined(alone) is alone
    late = reply(500.0, marks=ANSWERED)
    assert joined(ask(), late) is late
    tunnel = Observation(**{**_fields(ask()), "method": "CONNECT"})
    assert joined(tunnel, alone) is alone


def _fields(seen: Observation) -> dict:
    return {name: getattr(seen, name) for name in Observation.__struct_fields__}


def test_the_table_is_bounded():
    table = Exchanged(limit=10)
    for number in range(50):
        table.take(ask(sport=40_000 + number))
    assert len(table) == 10
    assert table.take(reply(sport=40_000, marks=ANSWERED)).marks == ANSWERED
    assert Mark.NO_AUTHENTICATION in table.take(reply(sport=40_049, marks=ANSWERED)).marks
