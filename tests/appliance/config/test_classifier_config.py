"""`inspect.classifier`: what is refused before anything starts, at its line, in words that say what to do."""

import hashlib

import pytest

from appliance.config import classifier
from appliance.config.command import check
from appliance.config.load import load
from appliance.model.errors import OperatorError
from appliance.supervisor.preflight import check_files

MODEL, WORDS = b"a model", b"its tokenizer"


def configured(folder, **more):
    (folder / "model.onnx").write_bytes(MODEL)
    (folder / "tokenizer.json").write_bytes(WORDS)
    said = {
        "model": "model.onnx",
        "tokenizer": "tokenizer.json",
        "sha256": hashlib.sha256(MODEL).hexdigest(),
        "tokenizer_sha256": hashlib.sha256(WORDS).hexdigest(),
    } | more
    lines = "".join(f"    {key}: {value}\n" for key, value in said.items())
    (folder / "gnomon.yaml").write_text(f"inspect:\n  classifier:\n{lines}")
    return load(folder / "gnomon.yaml")


def test_paths_start_at_the_folder_of_the_file(tmp_path):
    found = configured(tmp_path).inspect.classifier
    assert (found.model, found.tokenizer) == (str(tmp_path / "model.onnx"), str(tmp_path / "tokenizer.json"))
    assert (found.when, found.on_failure, found.labels) == ("late", "close", ("benign", "injection"))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"model": "none.onnx"}, "classifier.model: .*none.onnx: no such file"),
        ({"sha256": "abc"}, "classifier.sha256: 64 hex digits"),
        ({"tokenizer_sha256": "G" * 64}, "classifier.tokenizer_sha256: 64 hex digits"),
        ({"labels": "[injection]"}, "classifier.labels: what the outputs mean"),
        ({"labels": "[injection, jailbreak]"}, "classifier.labels: what the outputs mean"),
        ({"labels": "[benign, benign]"}, "classifier.labels"),
        ({"labels": "[benign, evil]"}, "labels"),
        ({"threshold": "1"}, "classifier.threshold: must lie between 0 and 1"),
        ({"max_tokens": "4"}, "classifier.max_tokens: must lie between 8 and 8192"),
        ({"deadline_s": "0"}, "classifier.deadline_s: must be more than 0"),
        ({"when": "never"}, "when"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_line(tmp_path, more, words):
    with pytest.raises(OperatorError, match=rf"gnomon.yaml:\d+: inspect.{words}" if "." in words else words):
        configured(tmp_path, **more)


def test_files_and_packages_are_checked_before_anything_starts(tmp_path, monkeypatch):
    config = configured(tmp_path)
    monkeypatch.setattr(classifier, "PACKAGES", ("json",))
    check_files(config)
    (tmp_path / "tokenizer.json").write_bytes(b"another")
    with pytest.raises(OperatorError, match=r"inspect.classifier.tokenizer: .*its sha256 is .* is given"):
        check_files(config)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(OperatorError, match=r"inspect.classifier.model: .*No such file"):
        check_files(config)
    monkeypatch.setattr(classifier, "PACKAGES", ("json", "no_such_package"))
    with pytest.raises(OperatorError, match="install onnxruntime"):
        check_files(config)


def test_config_check_tells_the_same(tmp_path, monkeypatch):
    configured(tmp_path)
    monkeypatch.setattr(classifier, "PACKAGES", ("json",))
    assert "sound" in check(tmp_path / "gnomon.yaml")
    (tmp_path / "model.onnx").write_bytes(b"another")
    with pytest.raises(OperatorError, match=r"inspect.classifier.model: .*its sha256 is"):
        check(tmp_path / "gnomon.yaml")


def test_without_the_key_nothing_is_looked_at():
    assert list(classifier.check(None)) == []
