"""Dictionaries on disk: keyed digests, whole or refused, never a value in clear."""

import time

import pytest

from appliance import cli
from appliance.config import dictionaries
from appliance.config.detection import detection_settings, has_more
from appliance.config.load import load
from appliance.inspect.detect.dictionaries import Dictionaries
from appliance.inspect.looking import Looked
from appliance.model.errors import OperatorError
from appliance.model.names import DetectionKind, Source

KEY = bytes(range(32))


def listed(tmp_path, data=b"Blue Falcon\n\nzephyrine\r\n"):
    path = tmp_path / "list.txt"
    path.write_bytes(data)
    return path


def build(tmp_path, source, name="words", entity="CUSTOMER", key=KEY):
    return dictionaries.build(tmp_path / "state", key, source, entity, DetectionKind.PII, name)


def stored(tmp_path, name="words"):
    return tmp_path / "state" / "dictionaries" / f"{name}.dictionary"


def test_built_then_read(tmp_path):
    assert build(tmp_path, listed(tmp_path)) == 2
    (one,) = dictionaries.load(tmp_path / "state", KEY)
    looked = Looked("the BLUE FALCON of Zephyrine", Source.USER, lambda _: ())
    assert len(list(Dictionaries([one]).find(looked, time.monotonic() + 60))) == 2
    assert stored(tmp_path).stat().st_mode & 0o777 == 0o600
    assert stored(tmp_path).parent.stat().st_mode & 0o777 == 0o700
    data = stored(tmp_path).read_bytes().lower()
    assert not any(word in data for word in (b"blue", b"falcon", b"zephyrine", KEY))


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"good value\nab\n", ":2: fewer than"),
        (b"good value\n\xff\xfe\n", ":2: not UTF-8"),
        (b"one two three four five six seven eight nine\n", ":1: more than 8 words"),
        (b"", "holds no value"),
        (b"x" * 5000, "bytes"),
    ],
)
def test_a_list_is_refused_whole_and_no_value_told(tmp_path, data, word):
    build(tmp_path, listed(tmp_path))
    before = stored(tmp_path).read_bytes()
    with pytest.raises(OperatorError) as refused:
        build(tmp_path, listed(tmp_path, data))
    assert word in str(refused.value)
    assert "good value" not in str(refused.value)
    assert stored(tmp_path).read_bytes() == before
    assert len(list(stored(tmp_path).parent.iterdir())) == 1


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda _: b"", lambda data: data[:60] + b"?" + data[61:]])
def test_a_damaged_file_stops_the_start(tmp_path, change):
    build(tmp_path, listed(tmp_path))
    stored(tmp_path).write_bytes(change(stored(tmp_path).read_bytes()))
    with pytest.raises(OperatorError, match="damaged"):
        dictionaries.load(tmp_path / "state", KEY)


def test_one_of_another_site_stops_the_start(tmp_path):
    build(tmp_path, listed(tmp_path))
    with pytest.raises(OperatorError, match="another site key"):
        dictionaries.load(tmp_path / "state", bytes(32))


@pytest.mark.parametrize(("name", "entity"), [("../x", "CUSTOMER"), ("words", "customer"), ("", "CUSTOMER")])
def test_names_are_words(tmp_path, name, entity):
    with pytest.raises(OperatorError):
        build(tmp_path, listed(tmp_path), name, entity)


def test_too_many_values_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dictionaries, "MOST_VALUES", 1)
    with pytest.raises(OperatorError, match=":3: more than 1"):
        build(tmp_path, listed(tmp_path))


def test_the_command_line(tmp_path, capsys):
    file = tmp_path / "gnomon.yaml"
    file.write_text(f"state_dir: {tmp_path / 'state'}\n")
    more = ("--config", str(file))
    assert cli.main(["dictionary", "list", *more]) == 0
    assert cli.main(["dictionary", "build", str(listed(tmp_path)), "--entity", "CUSTOMER", *more]) == 0
    assert cli.main(["dictionary", "list", *more]) == 0
    told = capsys.readouterr()
    assert "customer" in told.out
    assert "zephyrine" not in (told.out + told.err).lower()
    config = load(file)
    assert has_more(config)
    assert [one.entity for one in detection_settings(config).dictionaries] == ["CUSTOMER"]
    assert cli.main(["dictionary", "remove", "customer", *more]) == 0
    assert cli.main(["dictionary", "remove", "customer", *more]) == 1
    assert not has_more(config)
