"""A target that is dead or busy: the next one answers before the client sees a byte; every attempt is recorded."""

import json
import socket
import time

import httpx
import pytest
from system.operations_world import GREETING, URL, body, proxied, recorded, site_at, through_gateway
from tests_support import HOST, Provider

pytestmark = pytest.mark.system
PATH = "/v1/chat/completions"
SETTINGS = """gateway:
  routes:
    openai: {service: openai, target: 'https://api.openai.com'}
    dead: {service: openai, target: 'https://api.openai.com:8444', fallbacks: ['https://api.openai.com:8443']}
    busy: {service: local, target: 'https://chat.example.test', fallbacks: ['https://api.openai.com:8443']}
    worst:
      service: openai
      target: 'https://api.openai.com:8444'
      fallbacks: ['https://chat.example.test', 'https://api.openai.com:8445']
    lost: {service: openai, target: 'https://api.openai.com:8444', fallbacks: ['https://api.openai.com:8445']}
"""
FIRST = {
    "dead": {"target": f"{HOST}:8444", "status": 0, "error": f"{HOST}:8444 cannot be reached: Connect call failed"},
    "busy": {"target": "chat.example.test:443", "status": 503, "error": None},
}
SECOND = {"target": f"{HOST}:8443", "status": 200, "error": None}


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A provider that answers 503 to everything."""
    stand_in = Provider(tmp_path_factory.mktemp("busy"), "--always", "stand-in-503")
    yield stand_in
    stand_in.stop()


@pytest.fixture(scope="module")
def site(provider, busy, tmp_path_factory):
    with socket.socket() as dead, socket.socket() as gone:
        for closed in (dead, gone):
            closed.bind(("127.0.0.1", 0))  # taken, but nobody listens: connections are refused
        places = {f"{HOST}:{port}": sock.getsockname()[1] for port, sock in ((8444, dead), (8445, gone))}
        with site_at(tmp_path_factory.mktemp("site"), provider, busy, extra=SETTINGS, places=places) as started:
            yield started


@pytest.fixture
def now(site):
    """When the test began."""
    return time.time()


def tried(close):
    """Where, and with which result."""
    return [{name: attempt[name] for name in ("target", "status", "error")} for attempt in close["attempts"]]


@pytest.mark.parametrize("route", ["dead", "busy"])
def test_a_plain_request_goes_to_the_next_target(site, provider, route, now):
    before = len(provider.arrivals())
    with through_gateway(site) as client:
        answer = client.post(f"/{route}{PATH}", json=body(), headers={"authorization": "Bearer sk-mine"})
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == GREETING
    (arrival,) = provider.arrivals()[before:]
    assert (arrival["host"], arrival["sni"]) == (f"{HOST}:8443", HOST)
    assert arrival["authorization"] == "Bearer sk-mine"
    opened, close = recorded(site, 1, now)
    assert tried(close) == [FIRST[route], SECOND]
    assert (close["outcome"], close["status"]) == ("completed", 200)
    assert (opened["facts"]["service"], opened["facts"]["route"]) == ("local" if route == "busy" else "openai", route)


@pytest.mark.parametrize("route", ["dead", "busy"])
def test_a_stream_goes_to_the_next_target(site, route, now):
    with (
        through_gateway(site) as client,
        client.stream("POST", f"/{route}{PATH}", json=body(stream=True)) as answer,
    ):
        assert answer.status_code == 200
        *events, done = [line for line in answer.iter_lines() if line]
    assert done == "data: [DONE]"
    deltas = (json.loads(event.removeprefix("data: "))["choices"][0]["delta"] for event in events)
    assert "".join(delta.get("content", "") for delta in deltas) == GREETING
    _, close = recorded(site, 1, now)
    assert tried(close) == [FIRST[route], SECOND]
    assert close["outcome"] == "completed"


def test_after_the_first_byte_nothing_is_tried_again(site, provider, now):
    before = len(provider.arrivals())
    with through_gateway(site) as client:
        request = body("stand-in-cut", stream=True)
        with client.stream("POST", f"/dead{PATH}", json=request) as answer, pytest.raises(httpx.RemoteProtocolError):
            list(answer.iter_lines())
    assert len(provider.arrivals()) == before + 1
    _, close = recorded(site, 1, now)
    assert tried(close) == [FIRST["dead"], SECOND]
    assert close["outcome"] == "upstream_abort"


def test_without_any_target_the_client_reads_why(site, now):
    with through_gateway(site) as client:
        answer = client.post(f"/lost{PATH}", json=body())
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "connect_failed"
    assert "127.0.0.1" not in answer.text
    _, close = recorded(site, 1, now)
    assert [(attempt["target"], attempt["status"]) for attempt in close["attempts"]] == [
        (f"{HOST}:8444", 0),
        (f"{HOST}:8445", 0),
    ]
    assert (close["outcome"], close["status"]) == ("upstream_error", 502)


def test_a_busy_answer_before_a_dead_target_is_not_the_last_word(site, now):
    with through_gateway(site) as client:
        answer = client.post(f"/worst{PATH}", json=body())
    assert answer.status_code == 502
    _, close = recorded(site, 1, now)
    assert [attempt["status"] for attempt in close["attempts"]] == [0, 503, 0]


@pytest.mark.parametrize("door", ["proxy", "gateway"])
def test_twenty_requests_of_one_client_use_one_upstream_connection(site, provider, door):
    before = len(provider.arrivals())
    client = proxied(site) if door == "proxy" else through_gateway(site)
    with client:
        for number in range(20):
            url = URL if door == "proxy" else PATH
            assert client.post(url, json=body(text=f"request {number}")).status_code == 200
    arrivals = provider.arrivals()[before:]
    assert len(arrivals) == 20
    assert len({arrival["connection"] for arrival in arrivals}) == 1
