"""Peers of the gateway bench: how each is started and asked, by stand-ins for them; and the client that asks."""

import argparse
import http.server
import json
import shutil
import sys
import threading
import time

import pytest

from appliance.bench import gateway_peers, load
from appliance.bench.box import Certificates, certificates
from appliance.model.errors import OperatorError

LITELLM = """#!{python}
import http.server, json, os, ssl, sys
told = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=False))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        seen = dict(told=told, config=open(told["--config"]).read(), environment=dict(os.environ), path=self.path)
        open("{seen}", "w").write(json.dumps(seen | dict(key=self.headers["authorization"], body=json.loads(body))))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        print("a word that nobody reads" * 100)
server = http.server.HTTPServer((told["--host"], int(told["--port"])), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(told["--ssl_certfile_path"], told["--ssl_keyfile_path"])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
PORTKEY = """
const http = require("node:http");
const port = parseInt(process.argv.find((one) => one.startsWith("--port=")).slice(7));
const server = http.createServer((request, answer) => {
  answer.statusCode = server.address().address === "127.0.0.1" && request.headers["x-portkey-custom-host"] ? 200 : 500;
  answer.end();
});
server.listen(port, undefined, () => {});
"""


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setattr(gateway_peers, "ENVIRONMENTS", tmp_path)
    return tmp_path


@pytest.mark.parametrize(("name", "guarded"), [("litellm", False), ("litellm_guarded", True)])
def test_litellm_speaks_tls_on_both_sides_and_has_nothing_of_ours(places, monkeypatch, name, guarded):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody")
    program = gateway_peers._litellm_program()
    program.parent.mkdir(parents=True)
    program.write_text(LITELLM.format(python=sys.executable, seen=places / "seen.json"))
    program.chmod(0o700)
    made = certificates(places, ("api.openai.com",))
    with gateway_peers.peer(name, places, 4443, made) as peer:
        assert peer.tls == made.ca
    seen = json.loads((places / "seen.json").read_text())
    assert "https://127.0.0.1:4443/v1" in seen["config"]
    assert str(made.ca) in seen["config"]
    assert ("guardrails:" in seen["config"]) == guarded
    assert seen["told"]["--host"] == "127.0.0.1"
    assert seen["path"] == "/v1/chat/completions"
    assert "OPENAI_API_KEY" not in seen["environment"]
    assert seen["environment"]["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"  # no list from the network


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_portkey_listens_on_loopback_alone_and_is_told_the_provider(places):
    program = gateway_peers._portkey_program()
    program.parent.mkdir(parents=True)
    program.write_text(PORTKEY)
    made = Certificates(places / "ca.pem", places / "server.pem", places / "server.key")
    with gateway_peers.peer("portkey", places, 4443, made) as peer:
        assert peer.tls is None
        assert "x-portkey-custom-host: https://127.0.0.1:4443/v1" in peer.headers


def test_a_peer_that_is_not_installed_is_told(places):
    with pytest.raises(OperatorError, match=r"litellm.*make gateways"):
        gateway_peers.installed()


class Chunked(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    heads: list[str]

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.heads.append(self.headers["x-peer"])
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"2\r\n{}\r\n", b"0\r\n\r\n"):
            self.wfile.write(piece)
            self.wfile.flush()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Chunked)
    made.heads = []
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_server_is_asked_without_proxy_and_tls_at_a_rate(server):
    options = argparse.Namespace(
        port=server.server_address[1], connect="", sni="", ca="", plain=True, header=["x-peer: told"], new=False,
        beside_large=False, seconds=5.0, bodies=12, size=400, concurrency=2, rate=200.0, seed=1, worker=0,
    )  # fmt: skip
    result = load.run(options)
    assert result.requests == 12
    assert server.heads == ["told"] * 12
    assert result.seconds >= 11 / 200  # the twelfth was not due before


def test_what_begins_late_counts_from_when_it_was_due():
    now = time.perf_counter()
    assert load._begin(now - 3) == now - 3
    assert load._begin(now + 0.01) >= now + 0.01
    assert load._begin(0.0) >= now
