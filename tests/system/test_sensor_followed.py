"""Connections while they last, and losses by the second, on a mirrored port: the second ring at work.

A stand-in that writes word by word until it is told to stop; clients that name it, or nobody. What is told of a
connection before its end is asked of the store while its client is still there.
"""

import json
import os
import shutil
import signal
import sys
import time

import pytest
from system import wire_world
from system.operations_world import eventually
from system.test_sensor import processes, seen, sensors
from system.wire_world import CLIENT, PATIENCE_S, UNAPPROVED, site_on_the_wire

from appliance.standin.certificates import write_certificates

pytestmark = [pytest.mark.system, pytest.mark.root]
SETTINGS = "sensor: {interfaces: [span0], cadence: true, suppression_s: 1}\n"
PORT = 8443
WRITER = """
import socket, ssl, sys, threading, time
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])

def answer(plain):
    with context.wrap_socket(plain, server_side=True) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.recv(4096)
        sock.settimeout(0.03)
        while True:
            sock.sendall(b"a word or so".ljust(120))
            try:
                sock.recv(1)
                return
            except TimeoutError:
                pass

with socket.create_server((sys.argv[3], int(sys.argv[4]))) as listening:
    print("ready", flush=True)
    while True:
        threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()
"""
# What TCP_INFO (tcp(7), linux/tcp.h) calls tcpi_bytes_received stands at 128.
READER = """
import select, socket, ssl, struct, sys
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 10) as plain:
    sock = context.wrap_socket(plain, server_hostname=sys.argv[3] or None)
    sock.sendall(b"tell me all of it ".ljust(3000))
    while not select.select([sys.stdin], [], [], 0)[0]:
        sock.recv(4096)
    sock.sendall(b".")
    while sock.recv(4096):
        pass
    print(struct.unpack_from("Q", sock.getsockopt(socket.IPPROTO_TCP, 11, 160), 128)[0], flush=True)
    sock.close()
"""
# Segments that the filter lets pass and nobody can use, more of them than the ring holds.
FLOOD = """
import socket, struct, sys
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
sender.bind(("eth0", 0))
body = struct.pack(">HHIIBBHHH", 40000, 443, 1, 1, 0x50, 0x11, 0, 0, 0) + bytes(1400)
head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 7, 0, 64, 6, 0)
frame = bytes.fromhex("02000000000102000000000208") + b"\\0" + head + bytes([10, 77, 0, 1, 198, 51, 100, 7]) + body
for _ in range(int(sys.argv[1])):
    sender.send(frame)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if reason := wire_world.why_not():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("followed")
    (folder / "writer").mkdir()
    _, certificate, key = write_certificates(folder / "writer", ("writer.example",))
    with site_on_the_wire(folder, SETTINGS) as made:
        command = (sys.executable, "-c", WRITER, certificate, key, UNAPPROVED, PORT)
        writer = made.wire.start("provider", *command)
        assert writer.stdout.readline() == b"ready\n"
        yield made
        writer.kill()
        writer.communicate()


def reads(site, name):
    """A client that asks for much and reads until its stdin ends."""
    pipe = -1
    return site.wire.start("client", sys.executable, "-c", READER, UNAPPROVED, PORT, name, stdin=pipe)


def flows(site, service):
    return [row for row in seen(site.appliance, service=service) if row["seen"] == "flow"]


def hinted(site, clients):
    """Hints so far; a machine with much to do breaks a stream's rhythm, so that there is a new one now and then."""
    if not hinted.since or time.monotonic() - hinted.since > 8:
        hinted.since = time.monotonic()
        clients.append(reads(site, ""))
    return seen(site.appliance, service="unnamed")


hinted.since = 0.0


def test_a_stream_is_told_before_it_ends_and_each_of_its_bytes_once(site):
    named = reads(site, "api.perplexity.ai")
    clients = [named]
    try:
        [hint, *_] = eventually(lambda: hinted(site, clients), bool)
        assert any(text.startswith("cadence of ") for text in hint["evidence"])
        assert (hint["server"], hint["port"], hint["confidence"] < 0.5) == (UNAPPROVED, PORT, True)
        [row, *_] = eventually(lambda: flows(site, "perplexity"), bool)
        assert named.poll() is None, "it still goes on"
        assert row["at_least"]
        assert row["bytes_up"] > 3000
        assert row["bytes_down"] > 10_000
        before = sum(one["bytes_down"] for one in flows(site, "perplexity"))
        received = int(named.communicate(b"", timeout=PATIENCE_S)[0])
        assert before < received
        # the last record of the connection has what came since
        told = eventually(
            lambda: sum(one["bytes_down"] for one in flows(site, "perplexity")), lambda n: n >= received - 1
        )
        assert told - received in (-1, 0), "the kernel counts a FIN as a byte"
    finally:
        for one in clients:
            one.kill()
            one.communicate()


def test_what_the_kernel_drops_stands_in_the_store_by_the_second(site):
    [(_, reading)] = processes(site.appliance).values()
    os.kill(reading, signal.SIGSTOP)
    try:
        done = site.wire.run("client", shutil.which("python3"), "-c", FLOOD, 60_000)
        assert done.returncode == 0, done.stderr
    finally:
        os.kill(reading, signal.SIGCONT)
    rows = eventually(lambda: site.appliance.ask_store("losses", source="span0"), bool)
    seconds = [one for row in rows for one in zip(row["seconds"], row["dropped"], row["passed"], strict=True)]
    assert sum(dropped for _, dropped, _ in seconds) > 1_000
    assert all(dropped for _, dropped, _ in seconds)
    assert {row["sensor"] for row in rows} == {"sensor0"}
    status = sensors(site.appliance)["span0"]
    assert [second for second, _ in status["lost_seconds"]][-1:] == [max(second for second, _, _ in seconds)]
    text = site.appliance.run("status").stdout.decode()
    assert "packets lost in the last minute" in text
    assert json.dumps(status["worst_at"]).isdigit()
    assert processes(site.appliance)["sensor0"][1] == reading, "nobody had to begin anew"
    assert CLIENT not in text
