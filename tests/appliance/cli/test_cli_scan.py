"""`gnomon scan` and `gnomon eval` as commands, with a detector that needs no tables."""

import io
import json
import os
import re
from types import SimpleNamespace

import pytest

from appliance import cli
from appliance.cli.scan_walk import items
from appliance.inspect.detect import detectors as module
from appliance.inspect.failure import DetectorFailure, OutOfTime
from appliance.inspect.looking import Seen
from appliance.model.detection import Detection
from appliance.model.errors import OperatorError
from appliance.model.names import DetectionKind

KEY = "sk-proj-" + "Ab1" * 16
_FINDS = ((re.compile(r"sk-proj-\w+"), "OPENAI_API_KEY", DetectionKind.SECRET), (re.compile("example"), "URL", "pii"))


class Keys:
    version = "1"
    classes = ("pii", "secret")
    max_chars = 1 << 18

    def scan(self, text, _source=None):
        found = tuple(
            Detection(one.start(), one.end(), entity, DetectionKind(kind), 0.95, "keys")
            for shape, entity, kind in _FINDS
            for one in shape.finditer(text)
        )
        if "never ends" in text:
            raise OutOfTime("late", found, ("secret",))
        if "breaks" in text:
            raise DetectorFailure("keys failed")
        return found


@pytest.fixture
def gnomon(monkeypatch, capsys):
    """Run a command in this process: its exit code, its lines, what it says."""
    monkeypatch.setattr(module, "Detectors", SimpleNamespace(load=lambda *_, **_more: Keys()))

    def run(*words: str, stdin: bytes = b"") -> tuple[int, list[str], str]:
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        code = cli.main([*map(str, words)])
        told = capsys.readouterr()
        return code, told.out.splitlines(), told.err

    return run


def test_a_finding_is_told_by_its_place_and_not_in_full(gnomon, tmp_path):
    (tmp_path / "a.env").write_text(f"one\nkey = {KEY}\n")
    code, lines, said = gnomon("scan", tmp_path)
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith(f"{tmp_path}/a.env:2:7: OPENAI_API_KEY 0.95 keys: sk-p...")
    assert KEY[:12] not in "".join(lines) + said


def test_json_lines_hold_no_text(gnomon):
    code, lines, _ = gnomon("scan", "--json", "--text", f"x {KEY}")
    assert code == 1
    told = json.loads(lines[0])
    assert (told["path"], told["column"], told["end"]) == ("text 1", 3, 2 + len(KEY))
    assert "sk-" not in lines[0]


@pytest.mark.parametrize(("words", "found"), [((), 0), (("--all",), 1), (("--min-score", "0.99"), 0)])
def test_what_the_policy_of_scan_allows_is_no_finding(gnomon, words, found):
    code, lines, _ = gnomon("scan", *words, stdin=b"see example")
    assert (code, len(lines)) == (found, found)


@pytest.mark.parametrize(("text", "found"), [(f"{KEY} never ends", 1), ("this breaks", 0)])
def test_what_was_not_looked_at_to_its_end_is_no_success(gnomon, text, found):
    code, lines, said = gnomon("scan", "--text", text)
    assert (code, len(lines)) == (2, found)
    assert "not read to the end" in said


@pytest.mark.parametrize(("partial", "code"), [("views", 2), ("pii", 2), ("injection", 0)])
def test_what_was_seen_in_part_is_told_and_no_success_where_it_matters(gnomon, monkeypatch, partial, code):
    monkeypatch.setattr(Keys, "look", lambda keys, text, *_: Seen(keys.scan(text), (partial,)), raising=False)
    ended, lines, said = gnomon("scan", "--text", "nothing here")
    assert (ended, lines) == (code, [])
    assert f"1 {partial}_partial" in said


def test_a_path_that_is_not_there_is_wrong_use(gnomon, tmp_path):
    code, lines, said = gnomon("scan", tmp_path / "none")
    assert (code, lines) == (2, [])
    assert "--text" in said


def test_pictures_are_left_out_and_broken_documents_are_told(gnomon, tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    code, _, said = gnomon("scan", tmp_path)
    assert (code, "1 image" in said) == (0, True)
    (tmp_path / "b.docx").write_bytes(b"PK\x03\x04" + b"\0" * 40)
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n")
    assert gnomon("scan", tmp_path)[0] in {0, 2}


def test_json_lines_are_answered_as_ever(gnomon):
    code, lines, _ = gnomon("scan", "--format", "jsonl", stdin=b'{"id": 1, "text": "plain"}\n{\n')
    assert code == 1
    assert json.loads(lines[0])["verdict"] == "allow"
    assert gnomon("scan", "--format", "jsonl", "--text", "x")[0] == 2


def test_nothing_outside_the_folder_is_opened(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret").write_text(KEY)
    (inside / "file").symlink_to(outside / "secret")
    (inside / "folder").symlink_to(outside)
    os.mkfifo(inside / "pipe")
    (inside / "ok").write_text("fine")
    told = {item.path.rsplit("/", 1)[1]: (item.data, item.reason) for item in items(inside)}
    assert told == {"file": (None, "link"), "pipe": (None, "no_file"), "ok": (b"fine", "")}


def test_the_file_that_was_named_may_be_a_link(tmp_path):
    (tmp_path / "real").write_text("text")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert [item.data for item in items(tmp_path / "link")] == [b"text"]
    with pytest.raises(OperatorError):
        list(items(tmp_path / "none"))


def test_large_files_are_told(tmp_path, monkeypatch, gnomon):
    monkeypatch.setattr("appliance.cli.scan_walk.MAX_BYTES", 10)
    (tmp_path / "big").write_text("x" * 11)
    code, _, said = gnomon("scan", tmp_path)
    assert (code, "too_large" in said) == (2, True)


def test_eval_counts_and_sees_only_what_it_is_told_to(gnomon, tmp_path):
    rows = [
        {"text": KEY, "label": 1, "kind": "k", "source": "a"},
        {"text": "nothing", "label": 1, "kind": "k", "source": "a"},
        {"text": "nothing", "label": 0, "kind": "k", "source": "b"},
        {"text": "breaks", "label": 0, "kind": "k", "source": "b"},
    ]
    path = tmp_path / "secrets.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    code, lines, _ = gnomon("eval", path, "--json")
    report = json.loads(lines[0])
    everything = report["measured"][0]
    assert code == 0
    assert [everything[name] for name in ("group", "hit", "missed", "wrong", "quiet")] == ["all", 1, 1, 0, 2]
    assert (report["texts"], report["failed"]) == (4, 1)
    assert json.loads(gnomon("eval", path, "--json", "--source", "a")[1][0])["texts"] == 2
    assert json.loads(gnomon("eval", path, "--json", "--sample", "3")[1][0])["texts"] == 2
    _, lines, _ = gnomon("eval", path, "--by", "source", "--by", "rule")
    assert any(line.startswith("a ") and "0.500 [" in line for line in lines)
    assert KEY not in "".join(lines)


@pytest.mark.parametrize(("name", "text"), [("other.jsonl", "{}"), ("pii.jsonl", "{"), ("pii.jsonl", '{"text": 1}')])
def test_eval_refuses_what_it_cannot_read(gnomon, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    code, lines, said = gnomon("eval", tmp_path / name)
    assert (code, lines) == (2, [])
    assert said.startswith("gnomon: ")
