"""`gnomon export` when something is wrong: one line, exit 2, nothing left behind."""

import hashlib
import json
import socket
import threading

import msgspec
import pytest

from appliance import cli
from appliance.bus import framing
from appliance.bus.framing import Decoder, Message
from appliance.cli.export import PAGE
from appliance.store.export_wire import SUMMARY_FILE, Exported, ExportFile, ExportInfo, ExportPiece, ExportSummary

DATA = b"n,ts\r\n1,2\r\n" * 100
INFO = ExportInfo(
    gnomon_version="1", schema_version=2, made=1.0, since=0.0, until=1.0, pseudonymised=False, author="a", role="admin"
)
SUMMARY = msgspec.json.encode(ExportSummary(info=INFO))


@pytest.fixture
def config(tmp_path):
    (tmp_path / "run").mkdir()
    path = tmp_path / "gnomon.yaml"
    path.write_text(f"state_dir: {tmp_path}/state\nrun_dir: {tmp_path}/run\n")
    return str(path)


class Storelike:
    """Answers as the store does, from a script: verb to answer; None hangs up."""

    def __init__(self, path, files, answers=()):
        self.files = files
        self.answers = dict(answers)
        self.asked = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        connection, _ = self._listener.accept()
        decoder = Decoder()
        with connection:
            while chunk := connection.recv(65536):
                for message in decoder.feed(chunk):
                    answer = self._answer(message)
                    if answer is None:
                        return
                    connection.sendall(framing.encode(answer))

    def _answer(self, message):
        self.asked.append(message.verb)
        if message.verb in self.answers:
            return self.answers[message.verb]
        if message.verb == "export":
            files = tuple(
                ExportFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in self.files.items()
            )
            return Message(message.id, "export", framing.raw(Exported("e1", 1.0, files, {"v_x": 100})))
        if message.verb == "export_read":
            asked = json.loads(bytes(message.head))
            piece = self.files[asked["file"]][asked["offset"] :][:500]
            return Message(message.id, "export_read", framing.raw(ExportPiece(len(piece))), piece)
        fault = framing.Fault("unknown_verb", "no such verb") if message.verb == "appliance" else None
        return Message(message.id, message.verb, fault=fault)

    def close(self):
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def storelike(tmp_path, config):
    made = []

    def make(files, answers=()):
        made.append(Storelike(tmp_path / "run" / "analyst.sock", files, answers))
        return made[-1]

    yield make
    for one in made:
        one.close()


def export(config, tmp_path, *words, formats=("csv", "html")):
    asked = [part for word in formats for part in ("--format", word)]
    return cli.main(["export", "--config", config, "--out", str(tmp_path / "out"), *asked, *words])


def test_files_and_page_are_written(config, tmp_path, storelike, capsys):
    storelike({"v_x.csv": DATA, SUMMARY_FILE: SUMMARY})
    assert export(config, tmp_path, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == {"v_x": 100}
    assert {file["path"].rpartition("/")[2] for file in told["files"]} == {"v_x.csv", PAGE}
    for file in told["files"]:
        data = (tmp_path / "out" / file["path"].rpartition("/")[2]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert (tmp_path / "out" / "v_x.csv").read_bytes() == DATA
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


def test_a_second_time_needs_force(config, tmp_path, storelike, capsys):
    first = storelike({"v_x.csv": DATA, SUMMARY_FILE: SUMMARY})
    assert export(config, tmp_path) == 0
    first.close()
    (tmp_path / "run" / "analyst.sock").unlink()
    again = storelike({"v_x.csv": b"new", SUMMARY_FILE: SUMMARY})
    assert export(config, tmp_path) == 2
    assert f"{PAGE}: exists" in capsys.readouterr().err
    assert again.asked == []
    assert export(config, tmp_path, "--force") == 0
    assert (tmp_path / "out" / "v_x.csv").read_bytes() == b"new"


def says(capsys, config, tmp_path, told, *words, **options):
    assert export(config, tmp_path, *words, **options) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("gnomon: ")
    assert said.err.count("\n") == 1
    assert told in said.err
    assert not (tmp_path / "out").exists()


def test_nobody_there(config, tmp_path, capsys):
    says(capsys, config, tmp_path, "is the appliance running?")


def test_the_store_goes_in_the_middle(config, tmp_path, storelike, capsys):
    storelike({"v_x.csv": DATA, "v_y.csv": DATA}, {"export_read": None})
    says(capsys, config, tmp_path, "analyst.sock")


def test_bytes_that_are_not_what_was_made(config, tmp_path, storelike, capsys):
    one = storelike({"v_x.csv": DATA})
    one._answer, right = (lambda message: _bent(right(message))), one._answer
    says(capsys, config, tmp_path, "v_x.csv: 1100 bytes arrived that are not what the store made")


def _bent(message):
    return Message(message.id, message.verb, message.head, message.body.replace(b"2", b"3"), message.fault)


def test_a_file_that_ends_early(config, tmp_path, storelike, capsys):
    one = storelike({"v_x.csv": DATA})
    one._answer, right = (lambda message: _cut(right(message))), one._answer
    says(capsys, config, tmp_path, "bytes arrived that are not")


def _cut(message):
    return Message(message.id, message.verb, message.head, b"", message.fault)


def test_a_refusal_is_told(config, tmp_path, storelike, capsys):
    fault = framing.Fault("peer", "an export for user ada is under way")
    storelike({}, {"export": Message(1, "export", fault=fault)})
    says(capsys, config, tmp_path, "an export for user ada is under way")


def test_a_name_that_leads_elsewhere(config, tmp_path, storelike, capsys):
    storelike({"../../evil": DATA})
    says(capsys, config, tmp_path, "odd name")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [(("--since", "2999-01-01"), "future"), (("--since", "soon"), "--since soon"), (("--until", "8d"), "before")],
)
def test_a_bad_span(config, tmp_path, capsys, words, told):
    says(capsys, config, tmp_path, told, *words)


def test_a_format_that_there_is_not(config, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        export(config, tmp_path, formats=("xlsx",))
    assert ended.value.code == 2
    assert "xlsx" in capsys.readouterr().err


def test_a_folder_that_cannot_be(config, tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert export(config, tmp_path) == 2
    assert "is no folder" in capsys.readouterr().err
