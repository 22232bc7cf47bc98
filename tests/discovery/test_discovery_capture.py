"""The kernel filter against the engine on every capture, and live packets on the loopback interface (as root)."""

import errno
import os
import random
import select
import socket
import struct
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import own_network
import pytest
from filter_machine import instructions, passes

from appliance.model.errors import OperatorError
from appliance.model.names import ObservationKind
from discovery import capture, files, follow_filter, kernel_filter
from discovery.capture import Live, compiled, open_live
from discovery.engine import Engine
from discovery.kernel_filter import ETHERNET, RAW_IP, built_in

PCAPS = Path(__file__).parents[2] / "pcaps"
FOREIGN = Path(__file__).parents[3] / "shared" / "data" / "pcaps"
CAPTURES = [*sorted(PCAPS.glob("*.pcap")), *(sorted(FOREIGN.glob("*.pcap*")) if FOREIGN.exists() else [])]
PROGRAMS = {linktype: instructions(built_in(linktype)) for linktype in (ETHERNET, RAW_IP)}
LEAN = {linktype: instructions(built_in(linktype, lean=True)) for linktype in (ETHERNET, RAW_IP)}
MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS of linux/bpf_common.h
ANSWERS = (ObservationKind.TLS_SERVER, ObservationKind.HTTP_RESPONSE)  # of which some begin nowhere in particular
live = pytest.mark.skipif(os.geteuid() != 0, reason="needs CAP_NET_RAW: run as root")


def observed(frames):
    engine = Engine()
    return [seen for frame in frames for seen in engine.feed(*frame)]


def let_through(frames):
    return [frame for frame in frames if passes(PROGRAMS[frame[1]], frame[2])]


def ethernet(path: Path) -> list[files.Frame]:
    return [frame for frame in files.read(path) if frame[1] == ETHERNET]


def without_head(frames):
    """IP packets as a socket gives them on a link that is no Ethernet."""
    plain = [(ts, frame) for ts, _, frame in frames if frame[12:14] in {b"\x08\x00", b"\x86\xdd"}]
    return [(ts, RAW_IP, frame[14:]) for ts, frame in plain]


def lost(frames):
    """What the filter costs, and what there is."""
    whole = Counter(observed(frames))
    return whole - Counter(observed(let_through(frames))), whole


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_the_filter_loses_nothing_that_clients_say(path):
    for frames in (ethernet(path), without_head(ethernet(path))):
        assert [row for row in lost(frames)[0] if row.kind not in ANSWERS] == []


def test_the_filter_loses_few_answers():
    missed, whole = Counter(), Counter()
    for path in CAPTURES:
        gone, there = lost(ethernet(path))
        missed.update(row.kind for row in gone.elements())
        whole.update(row.kind for row in there.elements())
    assert all(missed[kind] <= whole[kind] * 0.04 for kind in ANSWERS), (missed, whole)


def test_the_filter_keeps_most_data_out():
    frames = [frame for path in CAPTURES for frame in ethernet(path)]
    data = ethernet(PCAPS / "mixed-office.pcap")
    assert len(let_through(frames)) < len(frames) * 0.6
    assert len(let_through(data)) < len(data) * 0.7  # short conversations: half of it begins or ends one


def segment(sport: int, dport: int, data: bytes, flags: int = 0x18) -> bytes:
    head = struct.pack(">HHIIBBHHH", sport, dport, 1, 1, 0x50, flags, 100, 0, 0)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 1, 0, 64, 6, 0, b"\x0a\0\0\1", b"\x0a\0\0\2")
    return bytes(12) + b"\x08\0" + ip + head + data


CIPHERTEXT = random.Random(5).randbytes(1400)  # noqa: S311 - no secret
CERTIFICATE = bytes(byte & 0x7F if at % 3 else byte for at, byte in enumerate(CIPHERTEXT))  # a third as it comes
SEGMENTS = [
    (segment(40_000, 443, b"\x16\x03\x01\x02\0\x01"), True),
    (segment(443, 40_000, b"\x16\x03\x03\0\x40\x02\0\0\x3c"), True),  # a ServerHello
    (segment(443, 40_000, b"\x15\x03\x03\0\x02\x02\x30"), True),  # unknown_ca
    (segment(5000, 40_000, b"\x14\x03\x03\0\x01\x01\x17\x03\x03"), False),  # and nothing but data behind it
    (segment(443, 40_000, CIPHERTEXT), False),
    (segment(443, 40_000, b"\x17\x03\x03\x3a\0" + CIPHERTEXT[5:]), False),
    (segment(443, 40_000, CERTIFICATE), True),
    (segment(443, 40_000, CIPHERTEXT[:300]), True),  # the last of a flight is as short
    (segment(5000, 40_000, CERTIFICATE), False),
    (segment(8000, 40_000, b"HTTP/1.1 200 OK\r\n"), True),
    (segment(8000, 40_000, b'{"id":"chatcmpl-1"}'), True),
    (segment(8000, 40_000, b'1f\r\ndata: {"id":1}\n'), True),
    (segment(8000, 40_000, b'3a0f\r\n{"id":1}\n'), True),
    (segment(8000, 40_000, b"3a0f\r\nmore of the same"), False),
    (segment(8000, 40_000, b"\0\0\x12\x04\0\0\0\0\0"), True),  # SETTINGS of HTTP/2
    (segment(8000, 40_000, b"\0\0\x12\0\x01\0\0\0\x01data"), True),
    (segment(8000, 40_000, bytes(1400)), False),
    (segment(40_000, 8000, b"PRI * HTTP/2.0\r\n"), True),
    (segment(443, 40_000, b"", 0x11), True),  # FIN
    (segment(443, 40_000, b"", 0x14), True),  # RST
    (segment(40_000, 443, b"\x17\x03\x03\x02\0abcd"), False),
    (segment(40_000, 443, b"\x17\x03\x99abc"), True),  # the middle of something
    (segment(5000, 40_000, b"anything"), False),
    (segment(40_000, 443, b""), False),
    (segment(40_000, 443, b"", 0x02), True),
    (segment(443, 40_000, b"", 0x12), True),
    (segment(10_000, 11_434, b"GET / HTTP/1.1"), True),
    (segment(10_000, 61_000, b"rest of a head"), False),
    *((segment(40_000, 443, b"\x16\x03\x01\x02\0\x01"[:size]), True) for size in range(1, 7)),  # nothing behind it
    (segment(443, 40_000, b"\x16"), False),
]


@pytest.mark.parametrize(("frame", "expected"), SEGMENTS)
def test_what_the_filter_thinks_of_a_segment(frame, expected):
    assert passes(PROGRAMS[ETHERNET], frame) is expected


def test_own_ports_get_everything():
    program = compiled(ETHERNET, (61_000,))
    if program is None:
        pytest.skip("libpcap is not installed")
    assert passes(instructions(program), segment(10_000, 61_000, b"rest of a head"))
    assert not passes(instructions(program), segment(10_000, 61_001, b"rest of a head"))


@pytest.mark.parametrize("lean", [False, True], ids=["whole", "lean"])
@pytest.mark.parametrize("linktype", [ETHERNET, RAW_IP])
def test_the_program_built_in_is_the_expression(linktype, lean):
    program, held = compiled(linktype, lean=lean), (LEAN if lean else PROGRAMS)[linktype]
    if program is None:
        pytest.skip("libpcap is not installed")
    frames = [frame for path in CAPTURES[:12] for frame in ethernet(path)]
    frames += [(0.0, ETHERNET, made) for made, _ in SEGMENTS]
    frames = frames if linktype == ETHERNET else without_head(frames)
    fresh = instructions(program)
    assert len(fresh) < MAX_INSTRUCTIONS
    assert [passes(fresh, frame) for _, _, frame in frames] == [passes(held, frame) for _, _, frame in frames], (
        "run: python -m discovery.capture, and put what it prints into discovery/kernel_filter.py"
    )


@pytest.mark.parametrize("lean", [False, True], ids=["whole", "lean"])
def test_records_of_data_pass_where_their_rhythm_is_looked_at(lean):
    program = compiled(ETHERNET, lean=lean, records=True)
    if program is None:
        pytest.skip("libpcap is not installed")
    made = instructions(program)
    assert passes(made, segment(443, 40_000, b"\x17\x03\x03\x3a\0" + CIPHERTEXT))
    assert passes(made, segment(40_000, 443, b"\x17\x03\x03\x3a\0" + CIPHERTEXT))
    assert not passes(made, segment(443, 40_000, CIPHERTEXT))
    assert len(made) < MAX_INSTRUCTIONS


def test_a_link_without_a_program():
    assert built_in(9_999) is None


@pytest.fixture
def opened():
    """A capture on the loopback interface."""
    with closing(open_live("lo")) as made:
        yield made


@pytest.fixture
def talk():
    """A connection over loopback: what the client sends reaches the wire."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0],
    ):
        yield client


def collect(opened: Live, wanted: int) -> list[files.Frame]:
    found: list[files.Frame] = []
    while len(found) < wanted and select.select([opened], [], [], 20)[0]:
        found += opened.frames()
    return found


def request(host: str) -> bytes:
    return f"GET /v1/models HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


@live
@pytest.mark.parametrize("with_libpcap", [True, False])
@pytest.mark.parametrize("means", ["ring", "socket"])
def test_live_packets_become_observations_once(talk, monkeypatch, with_libpcap, means):
    if not with_libpcap:
        monkeypatch.setattr(capture, "compiled", lambda *_, **__: None)
    if means == "socket":
        monkeypatch.setattr(capture.ring, "prepare", no_ring)
    with closing(open_live("lo")) as opened:
        assert (opened.means, opened.instead) == (means, "" if means == "ring" else "no ring: Cannot allocate memory")
        _one_request_is_one_observation(opened, talk, with_libpcap)


def no_ring(_, **_how):
    raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def _one_request_is_one_observation(opened, talk, with_libpcap):
    name = f"{os.getpid()}-{with_libpcap:d}.example"
    talk.sendall(b"\x17\x03\x03\x00\x05noise")
    talk.sendall(request(name))
    talk.sendall(request(name + ".last"))
    engine, hosts, copies = Engine(), [], 0
    while name + ".last" not in hosts:
        frames = collect(opened, 1)
        assert frames
        copies += sum(f"{name}\r".encode() in frame for _, _, frame in frames)
        assert all(b"noise" not in frame for _, _, frame in frames)
        hosts += [seen.host for frame in frames for seen in engine.feed(*frame)]
    assert hosts.count(name) == copies == 1  # though loopback packets go out and come in
    assert opened.drops() == 0


@live
def test_another_process_adopts_the_capture_and_needs_neither_scapy_nor_rights(opened, talk):
    program = (
        "import select, sys, time\n"
        "from discovery.capture import Live\n"
        "live = Live.adopt(int(sys.argv[1]), 1)\n"
        "print(flush=True)\n"
        "while select.select([live], [], [], 20)[0]:\n"
        "    for ts, link, frame in live.frames():\n"
        "        if sys.argv[2].encode() in frame:\n"
        "            print(abs(time.time() - ts) < 60, link, 'scapy' in sys.modules, live.drops())\n"
        "            raise SystemExit\n"
    )
    mark, number = f"adopted-{os.getpid()}.example", str(opened.fileno())
    bounded = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    command = [*(bounded if _has("setpriv") else []), sys.executable, "-c", program, number, mark]
    with subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[opened.fileno()]) as child:
        child.stdout.readline()
        talk.sendall(request(mark))
        assert child.stdout.read() == b"True 1 False 0\n"


def _has(program: str) -> bool:
    return subprocess.run(["/bin/sh", "-c", f"command -v {program}"], capture_output=True).returncode == 0


@live
def test_a_kernel_that_takes_no_long_filter_gets_a_short_one(monkeypatch):
    def attach(opened, program):
        if len(program) > 8 * 1000:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        real(opened, program)

    real = capture.attach
    monkeypatch.setattr(capture, "attach", attach)
    with closing(open_live("lo")) as opened:
        assert "optmem_max" in opened.instead


@live
def test_a_frame_that_the_kernel_put_together_comes_whole(opened, talk):
    """Loopback hands over up to 64 KiB at once, as a card does that joins segments."""
    sent = b"POST / HTTP/1.1\r\n" + bytes(200_000)
    talk.sendall(sent)
    largest = max(len(frame) for _, _, frame in collect(opened, 1))
    assert largest > 20_000


@own_network.needed
@pytest.mark.parametrize("means", ["ring", "socket"])
def test_the_outer_tag_comes_back(monkeypatch, means):
    if means == "socket":
        monkeypatch.setattr(capture.ring, "prepare", no_ring)
    plain = segment(40_000, 8000, request("tagged.example"))
    tagged = plain[:12] + b"\x81\0\0\x07" + plain[12:]

    def work():
        with closing(open_live(own_network.ENDS[1])) as opened, sends() as sender:
            sender.send(tagged)
            sender.send(plain)
            return [frame for _, _, frame in collect(opened, 2)]

    assert own_network.inside(work) == [tagged, plain]


def sends():
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sender.bind((own_network.ENDS[0], 0))
    return sender


@own_network.needed
@pytest.mark.parametrize("means", ["ring", "socket"])
def test_an_interface_may_go_down_and_come_back_but_not_go(monkeypatch, means):
    if means == "socket":
        monkeypatch.setattr(capture.ring, "prepare", no_ring)
    here = own_network.ENDS[1]
    frame = segment(40_000, 8000, request("back.example"))

    def work():
        with closing(open_live(here)) as opened:
            subprocess.run(["ip", "link", "set", "dev", here, "down"], check=True)
            while not opened.downs:
                assert opened.frames() == []
            subprocess.run(["ip", "link", "set", "dev", here, "up"], check=True)
            found = []
            with sends() as sender:
                while not found:  # what is sent before the link has come up is lost
                    sender.send(frame)
                    found = opened.frames()
            subprocess.run(["ip", "link", "del", "dev", here], check=True)
            with pytest.raises(OSError, match="down"):
                read_on(opened)
            return opened.downs, {data for _, _, data in found}

    assert own_network.inside(work) == (1, {frame})


def read_on(opened):
    while True:
        opened.frames()


@own_network.needed
def test_parts_share_the_traffic_and_a_flow_stays_with_one():
    there = [segment(40_000 + number, 443, b"", 0x02) for number in range(64)]
    back = [segment(443, 40_000 + number, b"", 0x12) for number in range(64)]
    for frames in (there, back):
        frames[:] = [
            frame if frames is there else frame[:26] + frame[30:34] + frame[26:30] + frame[34:] for frame in frames
        ]

    def work():
        parts = capture.open_parts(own_network.ENDS[1], (), 2)
        with sends() as sender:
            for frame in there + back:
                sender.send(frame)
            found = [[], []]
            while sum(map(len, found)) < 128 and select.select(parts, [], [], 20)[0]:
                for part, taken in zip(parts, found, strict=True):
                    taken += [frame for _, _, frame in part.frames()]
        for part in parts:
            part.close()
        return found

    found = own_network.inside(work)
    assert sorted(found[0] + found[1]) == sorted(there + back)
    assert all(len(part) > 20 for part in found)
    for one, other in zip(there, back, strict=True):
        assert any({one, other} <= set(part) for part in found)


@live
@pytest.mark.parametrize("means", ["ring", "socket"])
def test_nothing_is_let_in_before_the_filter_stands(talk, monkeypatch, means):
    def let_in(*arguments, **options):
        talk.sendall(request("early.example"))
        return real(*arguments, **options)

    if means == "socket":
        monkeypatch.setattr(capture.ring, "prepare", no_ring)
    real = capture._let_in
    monkeypatch.setattr(capture, "_let_in", let_in)
    with closing(open_live("lo")) as opened:
        talk.sendall(request("late.example"))
        found = b""
        while b"late.example" not in found:
            found += b"".join(frame for _, _, frame in collect(opened, 1))
    assert b"early.example" not in found


@live
def test_whoever_inherits_the_capture_cannot_widen_it(opened):
    with pytest.raises(PermissionError):
        opened._socket.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER


def test_no_such_interface_names_those_that_exist():
    with pytest.raises(OperatorError, match=r"nope0: no such network interface; there are: .*\blo\b"):
        open_live("nope0")


def test_without_the_right_one_line_says_what_to_do(monkeypatch):
    def refuse(family, *_):
        if family == socket.AF_PACKET:
            raise PermissionError(1, "Operation not permitted")
        return real(family, *_)

    real = socket.socket
    monkeypatch.setattr(capture.socket, "socket", refuse)
    with pytest.raises(OperatorError) as caught:
        open_live("lo")
    assert "\n" not in str(caught.value)
    assert "CAP_NET_RAW" in str(caught.value)
    assert "--pcap FILE" in str(caught.value)


class Down:
    """A socket on an interface that went down, and is still there or not."""

    def __init__(self, name):
        self.name = name

    def recvmsg_into(self, *_):
        raise OSError(errno.ENETDOWN, "Network is down")

    def getsockname(self):
        return (self.name, 3)

    def getsockopt(self, *_):
        return 0  # without a ring, and no further error


def test_an_interface_that_goes_down_is_waited_for_and_counted():
    opened = Live(Down("eth9"), ETHERNET)
    assert (opened.frames(), opened.downs) == ([], 1)
    with pytest.raises(OSError, match="down"):
        Live(Down(""), ETHERNET).frames()


def test_the_names_of_interfaces():
    assert "lo" in capture.interfaces()


def test_a_program_survives_packing():
    assert kernel_filter.built_in(ETHERNET)
    assert kernel_filter.packed(built_in(ETHERNET)) == kernel_filter.PROGRAMS[ETHERNET, False]


def pushed(sport, dport, data, src, dst, flags=0x18):
    """A frame of the second ring's kind."""
    frame = segment(sport, dport, data, flags)
    return frame[:26] + socket.inet_aton(src) + socket.inet_aton(dst) + frame[34:]


@own_network.needed
def test_a_second_ring_has_what_is_asked_for_from_then_on_and_no_more_of_it_than_heads():
    servers = ["203.0.113.9", "203.0.113.10"]
    there = [pushed(40_000, 443, bytes(1400), "10.0.0.7", server) for server in servers]
    back = [pushed(443, 40_000, bytes(1400), server, "10.0.0.7") for server in servers]
    sent = [*there, *back, pushed(40_000, 443, b"", "10.0.0.7", servers[0], 0x02)]

    def work():
        rings = capture.open_followed(own_network.ENDS[1], 2)
        parts = [Live.adopt(os.dup(one.fileno()), ETHERNET, blocks=capture.ring.FEW_BLOCKS) for one in rings]
        found = []
        with sends() as sender:
            for asked in ([], servers[:1], servers[1:]):
                for one in rings:
                    capture.attach(one, follow_filter.program(ETHERNET, asked))
                for frame in sent:
                    sender.send(frame)
                taken = []
                while len(taken) < 2 * len(asked) and select.select(parts, [], [], 20)[0]:
                    taken += [frame for part in parts for _, _, frame in part.frames()]
                found.append(sorted(taken))
        assert [part.drops() for part in parts] == [0, 0]
        for each in (*rings, *parts):
            each.close()
        return found

    cut = [sorted((one[:96], other[:96])) for one, other in zip(there, back, strict=True)]
    assert own_network.inside(work) == [[], *cut]


@own_network.needed
def test_both_rings_divide_the_traffic_alike():
    frames = [pushed(40_000 + number, 443, request("x"), "10.0.0.7", "203.0.113.9") for number in range(64)]

    def work():
        rings = capture.open_followed(own_network.ENDS[1], 2)
        for one in rings:
            capture.attach(one, follow_filter.program(ETHERNET, ["203.0.113.9"]))
        followed = [Live.adopt(one.detach(), ETHERNET, blocks=capture.ring.FEW_BLOCKS) for one in rings]
        parts = [*capture.open_parts(own_network.ENDS[1], (), 2), *followed]
        found = [set() for _ in parts]
        with sends() as sender:
            for frame in frames:
                sender.send(frame)
            while sum(map(len, found)) < 128 and select.select(parts, [], [], 20)[0]:
                for part, taken in zip(parts, found, strict=True):
                    taken |= {frame[34:36] for _, _, frame in part.frames()}
        for part in parts:
            part.close()
        return found

    found = own_network.inside(work)
    assert (found[0], found[1]) == (found[2], found[3])
    assert all(found)


@live
def test_without_a_ring_nothing_is_followed(monkeypatch):
    monkeypatch.setattr(capture.ring, "prepare", no_ring)
    assert capture.open_followed("lo", 2) == ()
