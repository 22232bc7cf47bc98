"""From ended exchanges to the collector: each once, again after a failure, and told when some are lost."""

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from observe_made import NOW, ended, tallied

from appliance.model.errors import OperatorError
from appliance.observe import sending as module
from appliance.observe.collector import METRICS, TRACES, AwayError, Collector, RefusedError, read_headers
from appliance.observe.sending import Sending


class Store:
    def __init__(self):
        self.found, self.life = [], 7

    async def ask(self, request):
        found = [one for one in self.found if request.after is not None and one.number > request.after]
        return tallied(*found[: request.limit], life=self.life, last=self.found[-1].number if self.found else 0)


class Taking:
    def __init__(self):
        self.sent, self.error = [], None

    def send(self, path, body):
        if self.error:
            raise self.error
        self.sent.append((path, json.loads(body)))

    def spans(self):
        return [len(body["resourceSpans"][0]["scopeSpans"][0]["spans"]) for path, body in self.sent if path == TRACES]


@pytest.fixture
async def pair():
    store, taking = Store(), Taking()
    store.found = [ended(1)]  # before this process
    sending = Sending(store.ask, taking, lambda: NOW, "1.2.3", spans=True, metrics=True)
    assert await sending.turn() == 0
    return store, taking, sending


async def test_each_exchange_is_sent_once(pair):
    store, taking, sending = pair
    store.found += [ended(2), ended(3)]
    assert await sending.turn() == 2
    assert await sending.turn() == 0
    assert taking.spans() == [2]
    assert [path for path, _ in taking.sent] == [TRACES, METRICS, METRICS]


async def test_what_could_not_be_taken_is_sent_again(pair, caplog):
    store, taking, sending = pair
    store.found.append(ended(2))
    taking.error = AwayError("http://c: answered 503")
    with caplog.at_level(logging.INFO):
        await sending.turn()
        await sending.turn()
        taking.error = None
        assert await sending.turn() == 1
    assert taking.spans() == [1]
    points = taking.sent[-1][1]["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["histogram"]["dataPoints"]
    assert points[0]["count"] == "1"
    assert [record.getMessage()[:33] for record in caplog.records] == [
        "the collector cannot take it now,", "the collector takes it again"
    ]  # fmt: skip


async def test_what_is_refused_is_let_go(pair, caplog):
    store, taking, sending = pair
    store.found.append(ended(2))
    taking.error = RefusedError("http://c: answered 400 to /v1/traces")
    assert await sending.turn() == 1
    assert await sending.turn() == 0
    assert caplog.text.count("let go") == 1


async def test_a_renewed_store_begins_anew(pair):
    store, taking, sending = pair
    store.found, store.life = [ended(1), ended(2)], 8
    assert await sending.turn() == 2
    assert taking.spans() == [2]


async def test_lost_ones_are_told_and_long_lists_come_in_pages(pair, caplog, monkeypatch):
    store, taking, sending = pair
    monkeypatch.setattr(module, "MAX_ENDED", 512)
    store.found = [ended(n) for n in range(11, 11 + 600)]
    assert await sending.turn() == 600
    assert taking.spans() == [512, 88]
    assert "9 exchanges ended without being sent" in caplog.text


@pytest.fixture
def collector():
    """A real HTTP server; what it got, and the status that it answers."""
    got, status = [], [200]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, dict(self.headers), body))
            self.send_response(status[0])
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got, status
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_collector_gets_it_with_headers(collector):
    where, got, status = collector
    sender = Collector(where, {"api-key": "k-1"})
    sender.send(TRACES, b"{}")
    ((path, headers, body),) = got
    assert (path, body, headers["Content-Type"], headers["api-key"]) == ("/v1/traces", b"{}", "application/json", "k-1")
    for code, error in ((503, AwayError), (429, AwayError), (400, RefusedError), (302, RefusedError)):
        status[0] = code
        with pytest.raises(error) as told:
            sender.send(TRACES, b"{}")
        assert "k-1" not in str(told.value)
    assert len(got) == 5  # no redirect was followed


def test_nobody_there_is_away():
    with pytest.raises(AwayError, match=r"127\.0\.0\.1:1: ConnectionRefusedError"):
        Collector("http://127.0.0.1:1", {}).send(METRICS, b"{}")


def test_headers_come_from_a_file_of_ones_own(tmp_path):
    path = tmp_path / "headers"
    path.write_text("Authorization: Bearer secret-1\n\nX-Scope: team a \n")
    path.chmod(0o600)
    assert read_headers(path) == {"Authorization": "Bearer secret-1", "X-Scope": "team a"}
    assert read_headers(None) == {}
    path.chmod(0o640)
    with pytest.raises(OperatorError, match="chmod 600"):
        read_headers(path)
    path.chmod(0o600)
    for text in ("secret-1", "a b: secret-1", "a: secret-1\x01", ": secret-1"):
        path.write_text(f"ok: 1\n{text}\n")
        with pytest.raises(OperatorError, match=r"headers:2: otel\.headers") as told:
            read_headers(path)
        assert "secret-1" not in str(told.value)
    with pytest.raises(OperatorError, match="cannot be read"):
        read_headers(tmp_path / "none")
