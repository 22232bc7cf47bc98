"""TLS ends of connections: the same bytes in the same order as mitmproxy's, however they come and whatever is sent."""

import contextlib
from itertools import pairwise
from types import SimpleNamespace

import pytest
import seam_world  # noqa: F401 - imports mitmproxy with its one known warning quietened
from hypothesis import given, settings
from hypothesis import strategies as st
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import tls
from mitmproxy.proxy.tunnel import TunnelState
from OpenSSL import SSL

from addons.upstream.layers import forked
from addons.upstream.sealed import RECORD, SealedServer
from appliance.standin.certificates import write_certificates

PIECES = st.lists(st.binary(min_size=1, max_size=40) | st.integers(1, 3 * RECORD).map(bytes), min_size=1, max_size=5)


class Child(layer.Layer):
    """Notes what comes, and answers each event with `answers`."""

    def __init__(self, context: Context, answers) -> None:
        super().__init__(context)
        self.answers, self.seen, self.closed = answers, b"", 0

    def _handle_event(self, event):
        self.seen += event.data if isinstance(event, events.DataReceived) else b""
        self.closed += isinstance(event, events.ConnectionClosed)
        yield from self.answers


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    ca, certificate, key = write_certificates(tmp_path_factory.mktemp("sealed"), ("a.test",))
    server, client = SSL.Context(SSL.TLS_SERVER_METHOD), SSL.Context(SSL.TLS_CLIENT_METHOD)
    server.use_certificate_chain_file(str(certificate))
    server.use_privatekey_file(str(key))
    client.load_verify_locations(str(ca))
    return server, client


def opened(contexts, kind, alpn: bytes | None = None):
    """An open end of `kind`, its child, and the far end."""
    server, client = contexts
    far, near = SSL.Connection(server, None), SSL.Connection(client, None)
    far.set_accept_state()
    near.set_connect_state()
    for _ in range(4):
        for one, other in ((near, far), (far, near)):
            with contextlib.suppress(SSL.WantReadError):
                one.do_handshake()
            if data := drained(one):
                other.bio_write(data)
    near.do_handshake()
    context = Context(
        Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0), SimpleNamespace()
    )
    context.server = Server(address=("a.test", 443))
    context.server.state, context.server.alpn = ConnectionState.OPEN, alpn
    made = kind(context)
    made.tls, made.tunnel_state = near, TunnelState.OPEN
    made.child_layer = Child(context, [])
    list(made.handle_event(events.DataReceived(context.server, b"")))  # tickets and the like
    return made, far


def drained(end) -> bytes:
    try:
        return end.bio_read(1 << 20)
    except SSL.WantReadError:
        return b""


def read(far, sealed: bytes) -> list[bytes]:
    """What the far end reads, record by record."""
    far.bio_write(sealed)
    found = []
    while True:
        try:
            found.append(far.recv(1 << 16))
        except SSL.WantReadError:
            return found


def cut(data: bytes, places) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[first:last] for first, last in pairwise(edges)]


@settings(max_examples=20, deadline=None)
@given(PIECES, st.lists(st.integers(0, 1 << 20), max_size=6), st.booleans())
def test_what_comes_is_read_however_it_is_cut(contexts, pieces, places, closes):
    both = []
    for kind in (SealedServer, tls.ServerTLSLayer):
        made, far = opened(contexts, kind)
        for piece in pieces:
            far.sendall(piece)
        if closes:
            far.shutdown()
        for part in cut(drained(far), places):
            list(made.handle_event(events.DataReceived(made.conn, part)))
        both.append((made.child_layer.seen, made.child_layer.closed, made.conn.state))
    assert both[0] == both[1]
    assert both[0][0] == b"".join(pieces)
    assert both[0][1] == closes


def told(made, event) -> tuple[bytes, list[str]]:
    """Bytes for the wire, and the other commands in their order."""
    sent, names = b"", []
    for command in made.handle_event(event):
        if isinstance(command, commands.SendData) and command.connection is made.conn:
            sent += command.data
            names += ["sent"] if names[-1:] != ["sent"] else []
        else:
            names.append(type(command).__name__)
    return sent, names


def test_what_is_sent_for_one_event_is_one_record_and_leaves_before_the_end(contexts):
    made, far = opened(contexts, SealedServer)
    other = Server(address=("b.test", 443))
    made.child_layer.answers = [
        commands.SendData(made.conn, b"head "),
        commands.SendData(other, b"elsewhere"),
        commands.SendData(made.conn, b"body"),
        commands.CloseConnection(made.conn),
    ]
    sent, names = told(made, events.DataReceived(other, b"ask"))
    assert read(far, sent) == [b"head body"]
    assert names == ["SendData", "sent", "CloseConnection"]


def test_over_http2_every_piece_is_a_record(contexts):
    made, far = opened(contexts, SealedServer, b"h2")
    made.child_layer.answers = [commands.SendData(made.conn, data) for data in (b"data", b"end")]
    sent, _ = told(made, events.DataReceived(Server(address=("b.test", 443)), b"ask"))
    assert read(far, sent) == [b"data", b"end"]


def test_what_a_child_sends_while_it_is_asked_something_else_keeps_its_order(contexts):
    made, far = opened(contexts, SealedServer)
    inner = [commands.SendData(made.conn, b"second")]
    sent = b""

    def answers():
        yield commands.SendData(made.conn, b"first ")
        made.child_layer.answers = inner
        yield commands.Log("now")
        yield commands.SendData(made.conn, b" third")

    made.child_layer.answers = answers()
    outer = made.event_to_child(events.DataReceived(Server(address=("b.test", 443)), b""))
    for command in outer:
        if isinstance(command, commands.Log):
            sent += told(made, events.DataReceived(Server(address=("c.test", 443)), b""))[0]
        elif isinstance(command, commands.SendData):
            sent += command.data
    assert b"".join(read(far, sent)) == b"first second third"


def test_a_fork_shares_what_mitmproxys_shares():
    context = Context(
        Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0), SimpleNamespace()
    )
    context.layers.append(object())
    ours, theirs = forked(context), context.fork()
    assert vars(ours) == vars(theirs)
    assert ours.layers is not context.layers
