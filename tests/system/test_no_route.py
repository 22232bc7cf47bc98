"""Without a way out: the whole appliance works, and not one packet tries to leave (IPv4, IPv6, DNS)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sealed_acts
import sealed_room

ROOM = Path(sealed_room.__file__)
LACKS = next((name for name in ("ip", "mount") if shutil.which(name, path=sealed_room.PATH) is None), None)
ANSWER = "Noon is when the shadow is shortest."
ENTER = "import os; os.unshare(os.CLONE_NEWNET | os.CLONE_NEWNS)"
needs_namespaces = [
    pytest.mark.system,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to make network namespaces"),
    pytest.mark.skipif(LACKS is not None, reason=f"needs the program {LACKS} (iproute2, util-linux)"),
]


def rooms(test):
    """Marks of a test that needs a room."""
    for mark in needs_namespaces:
        test = mark(test)
    return test


@pytest.fixture(scope="module")
def namespaces():
    """Skips where even root may not make a namespace, as in most containers."""
    done = subprocess.run([sys.executable, "-c", ENTER], capture_output=True, timeout=30, check=False)
    if done.returncode:
        pytest.skip("needs CAP_SYS_ADMIN to make network namespaces, which this machine does not give")


def in_the_room(act: str, folder: Path) -> dict:
    done = subprocess.run([sys.executable, str(ROOM), str(folder), act], capture_output=True, timeout=115, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@rooms
@pytest.mark.usefixtures("namespaces")
def test_nothing_tries_to_leave(tmp_path):
    told = in_the_room("everything", tmp_path)
    assert told["attempts"] == []
    result = told["result"]
    assert result["proxy"] == result["gateway"] == [ANSWER, ANSWER, "200"]
    assert (result["arrived"], result["leaked"]) == (6, 0)
    assert set(result["refused"]) <= {"403", "502"}
    assert set(result["commands"].values()) == {0}, result["commands"]
    assert result["status"] == "up"
    assert result["scan"] == ["redact", "redact", "allow"]


@rooms
@pytest.mark.usefixtures("namespaces")
def test_the_wire_hears_every_kind_of_attempt(tmp_path):
    told = in_the_room("attempts", tmp_path)
    seen = set(told["attempts"])
    assert f"udp to {sealed_room.DNS4} port 53 asks for {sealed_acts.OUTSIDE_NAME}" in seen
    assert f"tcp to {sealed_acts.OUTSIDE4} port 443" in seen
    assert f"tcp to {sealed_acts.OUTSIDE6} port 443" in seen
    assert f"udp to {sealed_acts.OUTSIDE6} port 443" in seen
    assert f"udp to {sealed_room.DNS4} port 53 asks for {sealed_acts.UNMAPPED}" in seen  # the worker's own dial
    assert told["result"]["answer"] in {502, 504}


def test_kernel_talk_is_not_counted_and_all_else_is():
    head = bytes(12)
    ipv6 = head + b"\x86\xdd" + bytes(6)
    outside = sealed_room.ip_address("2001:db8::7").packed
    report = ipv6 + b"\x00\x01" + bytes(16) + outside + b"\x3a\x00" + bytes(6) + b"\x8f\x00"
    ping = ipv6 + b"\x3a\x01" + bytes(16) + outside + b"\x80\x00"
    assert sealed_room.describe(head + b"\x08\x06" + bytes(28)) is None
    assert sealed_room.describe(report) is None
    assert sealed_room.describe(ping) == "protocol 58 to 2001:db8::7"
    assert sealed_room.describe(head + b"\x88\xcc") == "ethertype 0x88cc"
