"""The mirrored port of the world of namespaces: what a client sends past the appliance comes out of it, once."""

import sys

import pytest
from system import wire_world
from system.wire_world import SPAN, UNAPPROVED, Wire, WireProvider

pytestmark = [pytest.mark.system, pytest.mark.root]
EAR = """
import socket, sys
ear = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
ear.bind((sys.argv[1], 0))
ear.settimeout(30)
print("listening", flush=True)
seen = {"hello": 0, "answer": 0}
while True:
    frame, (_, _, direction, *_) = ear.recvfrom(65535)
    if direction != 4:
        seen["hello"] += b"api.deepseek.com" in frame and frame[26:30] == socket.inet_aton("10.77.0.1")
        seen["answer"] += frame[26:30] == socket.inet_aton("10.77.0.4") and frame[23] == 6
    if b"the last word" in frame:
        break
print(seen["hello"], seen["answer"] > 0, flush=True)
"""
LAST = """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"the last word", ("10.77.0.3", 9))
"""


@pytest.fixture
def wire():
    if reason := wire_world.why_not():
        pytest.skip(reason)
    with Wire() as made:
        yield made


def test_a_mirrored_port_shows_a_handshake_once_and_its_answer(wire, tmp_path):
    provider = WireProvider(wire, tmp_path / "provider", UNAPPROVED, "api.deepseek.com")
    ear = wire.start("gnomon", sys.executable, "-c", EAR, SPAN, text=True)
    try:
        assert ear.stdout.readline() == "listening\n"
        done = wire.run("client", "curl", "-sS", "--cacert", provider.ca, "https://api.deepseek.com/v1/models")
        assert b"stand-in" in done.stdout, done.stderr
        assert wire.run("client", sys.executable, "-c", LAST).returncode == 0
        assert ear.stdout.readline() == "1 True\n"
    finally:
        ear.kill()
        ear.wait()
        ear.stdout.close()
        provider.stop()


def test_nothing_is_left_behind(wire):
    names = [wire.name(box) for box in (*wire_world.ADDRESSES, wire_world.SWITCH)]
    left = {path.name for path in wire_world.CONFIGURED.iterdir()}
    assert set(names) <= left
    wire.close()
    assert not any((wire_world.CONFIGURED / name).exists() for name in names)
    assert wire_world.subprocess.run(["ip", "netns", "exec", names[0], "true"], capture_output=True).returncode
