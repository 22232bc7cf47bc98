"""A room without a way out: runs an act in a network namespace whose only route ends at a wire that counts packets.

`python sealed_room.py FOLDER ACT`: this process moves into a namespace of its own and holds one end of a veth pair; a
second process moves into another, holds the other end with default routes and a resolver outside, and runs `ACT` of
sealed_acts.py. Answer on stdout, JSON: `result` of the act, `attempts`: every packet that reached the wire.

Rules: nothing of the machine is changed and nothing is left behind: both namespaces are nameless and end with their
process, mounts are private. Neighbours are permanent and addresses are /32 and /128, so no attempt can hide behind an
unanswered ARP or neighbour query. A marker is sent through the wire first and last: the last one ends the watch, so a
wire that hears nothing is an error and never a clean result. Not counted: the markers, ARP, and what the kernel itself
says in IPv6 (neighbour discovery, MLD).
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from ipaddress import ip_address
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
HERE4, WIRE4, DNS4 = "192.0.2.1", "192.0.2.2", "203.0.113.53"  # RFC 5737
HERE6, WIRE6 = "2001:db8::1", "2001:db8::2"  # RFC 3849
MARKER_PORT = 9
FIRST, LAST = b"gnomon-room-first", b"gnomon-room-last"

ETH_P_ALL, OUTGOING = 0x0003, 4  # linux/if_ether.h, linux/if_packet.h
SOL_PACKET, PACKET_STATISTICS = 263, 6
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
TCP, UDP, ICMPV6, HOP_BY_HOP = 6, 17, 58, 0
KERNEL_TALK = {130, 131, 132, 143, 133, 134, 135, 136, 137}  # ICMPv6: MLD (RFC 2710, 3810), discovery (RFC 4861)
PATIENCE_S = 110


def describe(frame: bytes) -> str | None:
    """What a frame is an attempt at; None for what is not counted."""
    (kind,) = struct.unpack_from("!H", frame, 12)
    if kind == ARP:
        return None
    if kind == IPV4:
        start = 14 + (frame[14] & 15) * 4
        return _transport(frame[23], ip_address(frame[30:34]), frame[start:])
    if kind == IPV6:
        protocol, rest = frame[20], frame[54:]
        if protocol == HOP_BY_HOP:
            protocol, rest = rest[0], rest[8 + rest[1] * 8 :]
        if protocol == ICMPV6 and rest[0] in KERNEL_TALK:
            return None
        return _transport(protocol, ip_address(frame[38:54]), rest)
    return f"ethertype {kind:#06x}"


def _transport(protocol: int, address: object, rest: bytes) -> str:
    name = {TCP: "tcp", UDP: "udp"}.get(protocol)
    if name is None:
        return f"protocol {protocol} to {address}"
    (port,) = struct.unpack_from("!H", rest, 2)
    asked = f" asks for {_question(rest[8:])}" if name == "udp" and port == 53 else ""
    return f"{name} to {address} port {port}{asked}"


def _question(message: bytes) -> str:
    labels, at = [], 12
    while at < len(message) and message[at]:
        labels.append(message[at + 1 : at + 1 + message[at]].decode("latin-1"))
        at += 1 + message[at]
    return ".".join(labels)


class Wire:
    """The outer end: hears everything, answers nothing."""

    def __init__(self, inside: int) -> None:
        _quiet_ipv6("all")
        _ip("link", "add", "wire0", "type", "veth", "peer", "name", "out0", "netns", str(inside))
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        _ip("link", "set", "wire0", "up")
        self._socket.bind(("wire0", 0))  # once it is up: a socket on a dead link reports an error and hears nothing
        self._socket.settimeout(PATIENCE_S)
        self.attempts: list[str] = []
        self.trouble = "the watch ended before the last marker"
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        heard_first = False
        while True:
            try:
                frame, (_, _, direction, *_) = self._socket.recvfrom(65_535)
            except TimeoutError:
                self.trouble = "the last marker never came through the wire"
                return
            if direction == OUTGOING:
                continue
            heard_first = heard_first or FIRST in frame
            if LAST in frame:
                self.trouble = "" if heard_first else "the first marker never came through the wire"
                return
            if FIRST not in frame and (seen := describe(frame)):
                self.attempts.append(seen)

    def close(self) -> None:
        """Wait for the last marker. RuntimeError: the watch had a hole."""
        self._thread.join(PATIENCE_S)
        _, lost = struct.unpack("=II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self._socket.close()
        if self.trouble or lost:
            raise RuntimeError(self.trouble or f"{lost} frames were lost before they could be counted")


def _ip(*words: str) -> None:
    subprocess.run([shutil.which("ip", path=PATH), *words], check=True)


def _quiet_ipv6(interface: str) -> None:
    switch = Path(f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6")
    if switch.exists():
        switch.write_text("1")


def furnish(folder: Path) -> None:
    """Inside: loopback, the way to the wire for every address, a resolver that is outside."""
    _ip("link", "set", "lo", "up")
    mac = "02:00:00:00:00:02"
    _ip("link", "set", "out0", "addrgenmode", "none")
    _ip("link", "set", "out0", "up")
    for here, wire, bits, family in ((HERE4, WIRE4, 32, "-4"), (HERE6, WIRE6, 128, "-6")):
        if family == "-6" and not Path("/proc/sys/net/ipv6").exists():
            continue
        _ip(family, "addr", "add", f"{here}/{bits}", "dev", "out0", *(["nodad"] if family == "-6" else []))
        _ip(family, "neigh", "replace", wire, "lladdr", mac, "dev", "out0", "nud", "permanent")
        _ip(family, "route", "add", "default", "via", wire, "dev", "out0", "onlink")
    texts = {
        "resolv.conf": f"nameserver {DNS4}\noptions timeout:1 attempts:1\n",
        "nsswitch.conf": "hosts: files dns\n",  # no resolver that lives outside the namespace
        "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
        subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)


def mark(payload: bytes) -> None:
    """A packet that the wire must hear."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(payload, (WIRE4, MARKER_PORT))


def say(line: str) -> None:
    """A line on stdout, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def inside(folder: Path, act: str) -> None:
    """The inner process: enter, wait for the wire, act, tell."""
    import sealed_acts

    os.unshare(os.CLONE_NEWNET | os.CLONE_NEWNS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    say("entered")
    sys.stdin.readline()
    furnish(folder)
    mark(FIRST)
    try:
        result = getattr(sealed_acts, act)(folder)
    finally:
        mark(LAST)
    say(json.dumps(result))


def outside(folder: Path, act: str) -> dict:
    """The outer process: the wire, and the inner process's answer."""
    os.unshare(os.CLONE_NEWNET)
    path = os.pathsep.join((str(TESTS), str(TESTS.parent), str(TESTS / "system")))
    command = [sys.executable, str(Path(__file__).resolve()), str(folder), act, "inside"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, **pipes) as inner:
        if inner.stdout.readline().strip() != "entered":
            raise RuntimeError("the inner process could not enter its namespaces")
        wire = Wire(inner.pid)
        answer, _ = inner.communicate("go\n", timeout=PATIENCE_S)
    if inner.returncode:
        raise RuntimeError(f"act {act} failed with exit code {inner.returncode}; attempts: {wire.attempts}")
    wire.close()
    return {"result": json.loads(answer), "attempts": wire.attempts}


if __name__ == "__main__":
    where, what, *rest = sys.argv[1:]
    if rest:
        inside(Path(where), what)
    else:
        say(json.dumps(outside(Path(where), what)))
