"""Rows of a replay: their keys, names of files, hostile text, damage in the middle of a run."""

import io
import json
import struct
from pathlib import Path

import msgspec
import pytest
from discovery_frames import CLIENT, SERVER, ether, ip, tcp
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.catalogue import load_catalogue
from appliance.model.names import ObservationKind, Transport
from appliance.model.observation import Observation, Sighting
from discovery import files, replay
from discovery.classify import Classifier
from discovery.replay import Row, jsonl, row_of, shown_names, text
from discovery.truth import truth

PCAPS = Path(__file__).parents[2] / "pcaps"
CLASSIFIER = Classifier(load_catalogue())
KEYS = (  # as the command promises them
    *("ts", "file", "src", "sport", "dst", "dport", "transport", "kind", "server_name", "alpn", "ja3", "ja4", "host"),
    *("path", "user_agent", "service", "category", "confidence", "evidence"),
)


def sighting(**fields) -> Sighting:
    ends = {"ts": 1.5, "src": "10.0.0.1", "sport": 40_000, "dst": "2001:db8::1", "dport": 443}
    seen = Observation(**{**ends, "transport": Transport.TCP, "kind": ObservationKind.TLS, **fields})
    return CLASSIFIER.sight(seen)


def test_the_keys_and_their_order():
    assert Row.__struct_fields__ == KEYS
    assert list(json.loads(jsonl([sighting()], "a.pcap"))) == list(KEYS)


def test_what_a_row_holds_and_what_is_null():
    row = json.loads(jsonl([sighting(server_name="claude.ai", alpn=("h2", "http/1.1"), ja3="x", ja4="y")], "a.pcap"))
    assert row == {
        **dict.fromkeys(KEYS),
        "ts": 1.5,
        "file": "a.pcap",
        "src": "10.0.0.1",
        "sport": 40_000,
        "dst": "2001:db8::1",
        "dport": 443,
        "transport": "tcp",
        "kind": "tls",
        "server_name": "claude.ai",
        "alpn": "h2,http/1.1",
        "ja3": "x",
        "ja4": "y",
        "service": "claude",
        "category": "assistant",
        "confidence": 1.0,
        "evidence": ["sni claude.ai"],
    }
    assert row_of(sighting(notes=("no_sni",)), "a").evidence == ("no_sni",)
    assert row_of(sighting(), "a").evidence is None


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (["/a/x.pcap", "/b/y.pcap"], ["x.pcap", "y.pcap"]),
        (["/a/x.pcap", "b/x.pcap", "c/y.pcap"], ["/a/x.pcap", "b/x.pcap", "y.pcap"]),
        (["x.pcap", "x.pcap"], ["x.pcap", "x.pcap"]),
        (["-"], ["-"]),
    ],
)
def test_names_of_files(sources, names):
    assert shown_names(sources) == names


def test_bytes_that_are_no_text_stay_valid_json_and_visible():
    hostile = b"\xff\xfe".decode("utf-8", "surrogateescape")
    rows = jsonl([sighting(server_name=hostile, notes=(hostile,)), sighting(server_name="\ud800")], "\udcff.pcap")
    first, second = map(json.loads, rows.decode("utf-8", "strict").splitlines())
    assert (first["server_name"], first["evidence"], first["file"]) == (r"\xff\xfe", [r"\xff\xfe"], r"\xff.pcap")
    assert second["server_name"] == r"\ud800"


@given(st.text(st.characters(exclude_categories=())), st.text(), st.floats(allow_nan=False))
def test_any_text_and_time_make_one_valid_line(name, path, ts):
    made = [sighting(server_name=name, path=path, user_agent=name, ts=ts)]
    line = jsonl(made, name)
    assert line.count(b"\n") == 1
    msgspec.json.decode(line, type=dict)
    shown = text(made, name).decode("ascii" if name.isascii() and path.isascii() else "utf-8")
    assert shown.count("\n") == 1
    assert shown[:-1].isprintable()


def test_a_line_of_text_is_inert():
    shown = text([sighting(server_name="\x1b[2Jclaude\u202e.ai", ts=1e12)], "a").decode()
    assert r"\x1b[2Jclaude\u202e.ai" in shown
    assert replay.text_head().count(b"\n") == 1


def test_a_replay_goes_on_after_damage_and_tells(tmp_path):
    whole = (PCAPS / "dns-mix.pcap").read_bytes()
    (tmp_path / "cut.pcap").write_bytes(whole[:-10])
    (tmp_path / "text.pcap").write_text("no capture at all")
    names = [str(tmp_path / "cut.pcap"), str(tmp_path / "text.pcap"), str(PCAPS / "openai-sdk.pcap")]
    sink, told, parts = io.BytesIO(), [], []
    totals = replay.replay(names, CLASSIFIER, sink, encode=jsonl, tell=told.append, advance=parts.append)
    found = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert [row["file"] for row in found] == ["cut.pcap"] * 9 + ["openai-sdk.pcap"] * 3
    assert (totals.damaged, totals.unread, totals.observations, sum(parts) > 0) == (1, 1, 20, True)
    assert "cut short at byte" in told[0]
    assert "not a capture file" in told[1]


def test_what_the_end_of_a_capture_cuts_off_is_counted(tmp_path):
    whole = (PCAPS / "openai-sdk.pcap").read_bytes()
    frames = list(files.read(PCAPS / "openai-sdk.pcap"))
    first = next(number for number, (_, _, frame) in enumerate(frames) if b"\x16\x03\x01" in frame)
    kept = whole[:24]
    for ts, _, frame in frames[: first + 1]:
        cut = frame[:100]
        kept += struct.pack("<IIII", int(ts), 0, len(cut), len(frame)) + cut
    (tmp_path / "snaplen.pcap").write_bytes(kept)
    told, sink = [], io.BytesIO()
    replay.replay([str(tmp_path / "snaplen.pcap")], CLASSIFIER, sink, encode=jsonl, tell=told.append)
    assert told == ["snaplen.pcap: odd packets: bad_dns 1, stream_expired 1"]


def test_odd_packets_are_told(tmp_path):
    data = bytearray((PCAPS / "dns-mix.pcap").read_bytes())
    data[24 + 16 + 14 + 20 + 8 + 12] = 0x80  # the first name begins with a label of no known kind
    (tmp_path / "odd.pcap").write_bytes(data)
    told, sink = [], io.BytesIO()
    totals = replay.replay([str(tmp_path / "odd.pcap")], CLASSIFIER, sink, encode=jsonl, tell=told.append)
    assert totals.weird == {"bad_dns": 1, "unasked_answer": 1}, "what cannot be read was not asked"
    assert told == ["odd.pcap: odd packets: bad_dns 1, unasked_answer 1"]
    assert sink.getvalue().count(b"\n") == 9


ASKED = b'{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}]}'
TOLD = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"claude-x",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}'
)


def exchange(path: Path) -> str:
    """A capture of one request and its answer in clear."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: llm.example:8000\r\nContent-Type: application/json\r\n"
    asked = head + b"Content-Length: %d\r\n\r\n" % len(ASKED) + ASKED
    told = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(TOLD) + TOLD
    answer = ether(ip(tcp(told, sport=8000, dport=40_000), 6, src=SERVER, dst=CLIENT))
    request = struct.pack(">HHIIBBHHH", 40_000, 8000, 1, 1, 0x50, 0x18, 0, 0, 0) + asked
    frames = (ether(ip(request, 6)), answer)
    packets = b"".join(struct.pack("<IIII", 1, n, len(one), len(one)) + one for n, one in enumerate(frames))
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1) + packets)
    return str(path)


def test_an_answer_tells_what_its_request_adds_and_not_where_it_went(tmp_path):
    sink, name = io.BytesIO(), exchange(tmp_path / "chat.pcap")
    replay.replay([name, name], CLASSIFIER, sink, encode=jsonl, tell=pytest.fail)
    rows = [json.loads(line) for line in sink.getvalue().splitlines()]
    assert [row["kind"] for row in rows] == ["http", "http_response"] * 2
    for asked, answered in zip(rows[::2], rows[1::2], strict=True):
        assert (asked["path"], answered["path"]) == ("/v1/chat/completions", None)
        assert {"answers without authentication", "served claude-x", "asked gpt-4o"} <= set(answered["evidence"])


def test_facts_of_an_answer_hold_its_marks_and_no_path(tmp_path):
    sink = io.BytesIO()
    replay.replay([exchange(tmp_path / "chat.pcap")], CLASSIFIER, sink, encode=truth, tell=pytest.fail)
    row = json.loads(sink.getvalue().splitlines()[-1])
    assert {"chat_answer", "no_authentication", "other_model"} <= set(row["marks"])
    assert not {"path", "method"} & row.keys()
