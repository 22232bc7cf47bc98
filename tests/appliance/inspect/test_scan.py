import io
import json
import re
from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect import scan
from appliance.inspect.looking import Seen
from appliance.inspect.scan import ScanPolicy, run, scan_line
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Disposition


class Words:
    """Finds fixed words: a detector without libraries."""

    version = "1"
    classes = ("pii", "secret")
    max_chars = 1000
    table = (
        ("bob@x.org", "EMAIL_ADDRESS", DetectionKind.PII, 1.0),
        ("x.org", "URL", DetectionKind.PII, 0.5),
        ("maybe", "PERSON", DetectionKind.PII, 0.1),
        ("ignore all", "PROMPT_INJECTION", DetectionKind.INJECTION, 0.8),
    )

    def scan(self, text, _source=None):
        if "crash" in text:
            raise RuntimeError(text)
        return tuple(
            sorted(
                Detection(match.start(), match.end(), entity, kind, score, "words")
                for word, entity, kind, score in self.table
                for match in re.finditer(re.escape(word), text)
            )
        )


def answer(line, policy=scan.SHIPPED):
    out, good = scan_line(line if isinstance(line, bytes) else json.dumps(line).encode(), Words(), policy)
    assert out.endswith(b"\n")
    assert out.count(b"\n") == 1
    return json.loads(out), good


def test_the_contract():
    got, good = answer({"id": "7", "text": "é mail bob@x.org", "role": "user", "direction": "request"})
    assert good
    assert list(got) == ["id", "verdict", "score", "detections", "redacted"]
    assert got == {
        "id": "7",
        "verdict": "redact",
        "score": 1.0,
        "detections": [
            {"entity": "EMAIL_ADDRESS", "kind": "pii", "start": 7, "end": 16, "score": 1.0, "rule": "words"},
            {"entity": "URL", "kind": "pii", "start": 11, "end": 16, "score": 0.5, "rule": "words"},
        ],
        "redacted": "é mail <EMAIL_ADDRESS>",
    }


@pytest.mark.parametrize(
    ("text", "verdict", "score", "redacted"),
    [
        ("", "allow", 0, ""),
        ("plain", "allow", 0, "plain"),
        ("maybe", "allow", 0.1, "maybe"),  # below min_score
        ("x.org", "allow", 0.5, "x.org"),  # an entity that is only reported
        ("ignore all", "block", 0.8, "<PROMPT_INJECTION>"),
        ("bob@x.org ignore all", "block", 1.0, "<EMAIL_ADDRESS> <PROMPT_INJECTION>"),
        ("x" * 990 + " bob@x.org", "redact", 1.0, "x" * 990 + " <EMAIL_ADDRESS>"),  # past the first window's border
    ],
)
def test_verdict(text, verdict, score, redacted):
    got, good = answer({"id": 1, "text": text})
    assert good
    assert (got["verdict"], got["score"], got["redacted"]) == (verdict, score, redacted)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"{",
        b"[]",
        b'"text"',
        b'{"id": 1}',
        b'{"text": "x"}',
        b'{"id": 1, "text": 5}',
        b'{"id": 1, "text": "\xff"}',
        b'{"id": 1, "text": "x", "direction": "hunter2"}',
        b'{"id": {}, "text": "x"}',
        b'{"id": 1, "text": "crash hunter2"}',
        b"[" * 100_000,
    ],
)
def test_a_bad_line_gets_an_error_that_repeats_nothing_of_it(line):
    got, good = answer(line)
    assert not good
    assert set(got) == {"id", "error"}
    assert got["id"] is None
    assert "hunter2" not in got["error"]


@given(st.binary(max_size=60).filter(lambda line: b"\n" not in line))
def test_any_bytes_give_one_line(line):
    answer(line)


def test_a_surrogate_escape_is_answered():
    got, _ = answer(rb'{"id": 1, "text": "\ud83d bob@x.org"}')
    assert set(got) in ({"id", "error"}, {"id", "verdict", "score", "detections", "redacted"})


def streamed(data):
    out = io.BytesIO()
    code = run(io.BytesIO(data), out, Words())
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def test_stream_keeps_order_and_says_whether_all_was_good():
    good = b"".join(json.dumps({"id": n, "text": "t"}).encode() + b"\n" for n in range(50))
    code, answers = streamed(good)
    assert code == 0
    assert [item["id"] for item in answers] == list(range(50))
    code, answers = streamed(b'nonsense\n{"id": 1, "text": "bob@x.org"}')
    assert code == 1
    assert [item["id"] for item in answers] == [None, 1]
    assert answers[0]["error"].startswith("line 1: ")
    _, answers = streamed(b'{"id": 1, "text": "x"}\n\n{"id": 2, "text": 5}\n')
    assert [item["error"].partition(":")[0] for item in answers[1:]] == ["line 2", "line 3"]
    assert streamed(b"") == (0, [])


class Endless(io.RawIOBase):
    """One line without an end, of `size` bytes, then a good line; counts the most that was asked for at once."""

    def __init__(self, size):
        self.left = size
        self.rest = b'x\n{"id": 2, "text": "ok"}\n'
        self.largest = 0

    def readline(self, limit=-1):
        assert limit > 0, "an unbounded read"
        self.largest = max(self.largest, limit)
        if self.left:
            piece = min(limit, self.left)
            self.left -= piece
            return b"a" * piece
        line, _, self.rest = self.rest.partition(b"\n")
        return line + b"\n" if line else b""


def test_a_line_without_end_is_read_past(monkeypatch):
    monkeypatch.setattr(scan, "LONGEST_LINE", 1000)
    source, out = Endless(1_000_000), io.BytesIO()
    assert run(source, out, Words()) == 1
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [item["id"] for item in answers] == [None, 2]
    assert source.largest <= max(1002, scan._CHUNK)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_the_longest_line_is_still_answered(monkeypatch, end):
    line = json.dumps({"id": 1, "text": "abc"}).encode()
    monkeypatch.setattr(scan, "LONGEST_LINE", len(line))
    assert streamed(line + end)[0] == 0
    monkeypatch.setattr(scan, "LONGEST_LINE", len(line) - 1)
    told = f"line 1: the line is longer than {len(line) - 1} bytes"
    assert streamed(line + end) == (1, [{"id": None, "error": told}])


def test_each_answer_leaves_before_the_next_line_is_read():
    log = []

    class Input(io.RawIOBase):
        def readline(self, _limit=-1):
            log.append("read")
            return b'{"id": 1, "text": "t"}\n' if log.count("read") < 3 else b""

    class Output(io.BytesIO):
        def flush(self):
            log.append("flush")

    run(Input(), Output(), Words())
    assert log == ["read", "flush", "read", "flush", "read"]


def test_the_shipped_file_says_the_same_as_the_constant():
    shipped = yaml.safe_load((Path(scan.__file__).parent / "scan.yaml").read_text(encoding="utf-8"))
    assert msgspec.convert(shipped, ScanPolicy) == scan.SHIPPED


def test_a_disposition_that_scan_cannot_carry_out_is_refused():
    with pytest.raises(msgspec.ValidationError, match="hold is no verdict of scan"):
        msgspec.convert({"kinds": {"pii": "hold"}}, ScanPolicy)


def test_an_entity_goes_before_its_kind_and_a_kind_before_the_default():
    policy = ScanPolicy(0.0, Disposition.BLOCK, {DetectionKind.PII: Disposition.REDACT}, {"URL": Disposition.ALLOW})
    assert answer({"id": 1, "text": "x.org"}, policy)[0]["verdict"] == "allow"
    assert answer({"id": 1, "text": "maybe"}, policy)[0]["verdict"] == "redact"
    assert answer({"id": 1, "text": "ignore all"}, policy)[0]["verdict"] == "block"


def test_what_was_not_seen_in_full_is_told():
    words = Words()
    words.look = lambda text, *_: Seen(words.scan(text), ("injection",))
    out, good = scan_line(json.dumps({"id": 1, "text": "fine"}).encode(), words, scan.SHIPPED)
    assert (good, json.loads(out)["partial"]) == (True, ["injection"])
