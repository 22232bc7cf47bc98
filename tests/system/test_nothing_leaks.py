"""Secrets and prompts that pass through the box are found nowhere afterwards: no log, journal, store or process list.

The appliance runs with TLS on its listeners and with passwords, so this also shows those in use.
"""

import base64
import contextlib
import ssl
from pathlib import Path

import bcrypt
import pytest
from hostile_world import AI, Records, bare, configured, connect, prompt, request, rows_of, say
from tests_support import Provider

from appliance.standin.certificates import write_certificates

pytestmark = pytest.mark.system
PASSWORD = "Correct-Horse-7413"
BASIC = base64.b64encode(f"alice:{PASSWORD}".encode()).decode()
PLANTED = {
    "key": "sk-planted-4f9d1c7e2b8a6053",
    "held back": "maria.keller@corp-mail.com",
    "prompt": "the quarterly zebra figures",
    "query": "AIzaPlantedQueryKey0123456789",
    "line": "sk-planted-in-a-broken-line",
    "chunk": "planted-chunk-header",
    "value": "planted-header-value",
    "password": PASSWORD,
    "basic": BASIC,
}


@pytest.fixture(scope="module")
def box(provider: Provider, tmp_path_factory, appliance_class):
    folder = tmp_path_factory.mktemp("leaks")
    authority, certificate, key = write_certificates(folder, ("gw.test",))
    users = folder / "users"
    users.write_bytes(b"alice:" + bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)) + b"\n")
    made = configured(appliance_class(folder / "box", provider), {}, listen=f"certificate: {certificate}, key: {key}, ")
    made.config.write_text(made.config.read_text() + f"identity: {{required: true, htpasswd: {users}}}\n")
    made.listener_trust = ssl.create_default_context(cafile=str(authority))
    try:
        yield made.up()
    finally:
        made.down()


def at_listener(box, door: str) -> ssl.SSLSocket:
    return box.listener_trust.wrap_socket(connect(box, door), server_hostname="127.0.0.1")


def test_listeners_with_a_certificate_speak_nothing_but_tls(box):
    for door in ("proxy", "gateway"):
        records = Records(box)
        with connect(box, door) as sock:
            assert say(sock, bare("GET /healthz HTTP/1.1", "host: gw"), "GET").status == 0
        records.refusal("certificate_rejected", host="")
    with at_listener(box, "gateway") as sock:
        assert say(sock, request(b"", line="GET /healthz HTTP/1.1", host="gw"), "GET").status in (200, 401, 403, 407)


def within(box, authorization: str) -> tuple[ssl.SSLSocket, int]:
    """Through the proxy's own TLS, a CONNECT with credentials, and TLS to the provider inside that."""
    outer = at_listener(box, "proxy")
    connect_lines = (f"CONNECT {AI}:443 HTTP/1.1", f"host: {AI}:443", f"proxy-authorization: Basic {authorization}")
    outer.sendall(bare(*connect_lines))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = outer.recv(1)
        assert byte
        head += byte
    return outer, int(head.split()[1])


class Inner:
    """TLS inside TLS: an SSLObject pumped over the outer socket."""

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext) -> None:
        self.outer, self.into, self.out = outer, ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.into, self.out, server_hostname=AI)
        self._until(self.tls.do_handshake)

    def ask(self, data: bytes) -> bytes:
        self.tls.write(data)
        answered = b""
        while b"\r\n\r\n" not in answered:
            answered += self._until(lambda: self.tls.read(65536))
        return answered

    def _until(self, act):
        while True:
            try:
                found = act()
            except ssl.SSLWantReadError:
                self._flush()
                self.into.write(self.outer.recv(65536))
            else:
                self._flush()
                return found

    def _flush(self) -> None:
        if waiting := self.out.read():
            self.outer.sendall(waiting)


def test_nothing_planted_is_found_again(box, provider):
    key, mail, text = PLANTED["key"], PLANTED["held back"], PLANTED["prompt"]
    records = Records(box)
    outer, status = within(box, BASIC)
    assert status == 200
    inner = Inner(outer, box.trust())
    line = f"POST /v1/chat/completions?key={PLANTED['query']} HTTP/1.1"
    auth = f"authorization: Bearer {key}"
    assert inner.ask(request(prompt(f"{text} to {mail}"), auth, line=line)).startswith(b"HTTP/1.1 200 ")
    arrival = provider.arrivals()[-1]
    assert arrival["authorization"] == f"Bearer {key}"
    assert "proxy-authorization" not in arrival["headers"]
    assert mail not in arrival["body"]
    outer.close()
    row = records.exchange("completed", redactions=1)
    broken = [
        request(f'{{"messages": "{text} {mail}'.encode(), auth),
        bare(f"POST /?{PLANTED['line']}\x01 HTTP/1.1", f"host: {AI}"),
        bare("POST / HTTP/1.1", f"host: {AI}", PLANTED["line"]),
        bare("POST / HTTP/1.1", f"host: {AI}", f"x: {PLANTED['value']}\rz"),
        bare("POST / HTTP/1.1", f"host: {AI}", f"content-length: {PLANTED['value']}"),
        bare("POST / HTTP/1.1", f"host: {AI}", "transfer-encoding: chunked", body=PLANTED["chunk"].encode() + b"\r\n"),
    ]
    for data in broken:
        outer, status = within(box, BASIC)
        assert status == 200
        assert Inner(outer, box.trust()).ask(data).startswith(b"HTTP/1.1 400 ")
        outer.close()
    wrong = base64.b64encode(b"alice:" + PASSWORD[::-1].encode()).decode()
    outer, status = within(box, wrong)
    assert status == 407
    outer.close()
    records.refusal("identity_failed")
    living = everything_of_processes(box)
    box.down()
    kept = everything_on_disk(box) + "\n".join(box.lines) + living
    assert row.exchange in kept  # the search would find what is there
    for name, planted in {**PLANTED, "wrong": wrong, "reversed": PASSWORD[::-1]}.items():
        assert planted not in kept, f"{name} was kept"


def everything_of_processes(box) -> str:
    """Command lines and environments of the supervisor and its children, and the journals and sockets' folder now."""
    told = []
    for pid in (box.process.pid, *box.pids().values()):
        told += [Path(f"/proc/{pid}/{name}").read_bytes().decode("latin-1") for name in ("cmdline", "environ")]
    return "\n".join(told) + everything_on_disk(box, rows=False)


def everything_on_disk(box, *, rows: bool = True) -> str:
    """All bytes of the state and run folders, and every row of the store (its columns may be compressed)."""
    told = []
    for folder in ("state", "run"):
        for file in (box.folder / folder).rglob("*"):
            with contextlib.suppress(OSError):  # sockets, and journals that were shipped meanwhile
                if file.is_file():
                    told.append(file.read_bytes().decode("latin-1"))
    if rows:
        told += [str(row) for row in rows_of(box.folder / "state" / "store" / "gnomon.duckdb")]
    return "\n".join(told)
