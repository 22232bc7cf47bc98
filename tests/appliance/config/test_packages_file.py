"""`gnomon packages build` and `inspect.packages`: from lists of names to a file that detectors take."""

import pytest

from appliance.cli import main, packages
from appliance.cli.parser import parse
from appliance.config.detection import detection_settings, has_more
from appliance.config.load import load
from appliance.config.packages import load_packages
from appliance.model.errors import OperatorError


@pytest.fixture
def lists(tmp_path):
    (tmp_path / "pypi.txt").write_text("# names\nrequests\n\nPyYAML\nrequests\n")
    (tmp_path / "own.txt").write_text("acme-internal\n")
    (tmp_path / "npm.txt").write_text("react\n@types/node\nJSONStream\n")
    return tmp_path


def test_lists_become_a_file_that_the_detectors_take(lists, capsys):
    made = ["--pypi", str(lists / "pypi.txt"), "--pypi", str(lists / "own.txt"), "--npm", str(lists / "npm.txt")]
    assert main(["packages", "build", str(lists / "known"), *made]) == 0
    told = capsys.readouterr()
    assert told.out == "pypi: 3 names, npm: 3 names\n"
    assert "0.05%" in told.err
    (lists / "gnomon.yaml").write_text(f"state_dir: {lists}/state\ninspect: {{packages: known}}\n")
    config = load(lists / "gnomon.yaml")
    assert has_more(config)
    held = {one.ecosystem: one for one in detection_settings(config).packages}
    assert held["pypi"].holds("acme_internal")
    assert held["npm"].holds("@types/node")
    assert not held["npm"].holds("requests")


def test_lists_of_one_registry_may_be_given_several_times():
    options = parse(["packages", "build", "out", "--npm", "one", "--npm", "two"])
    assert options.run is packages.build
    assert [path.name for path in options.npm] == ["one", "two"]
    assert options.pypi == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"fine\nnot a name\n", r"names.txt:2: no name of a package"),
        (b"a" * 300 + b"\n", r"names.txt:1"),
        (b"\xff\xfe", "not UTF-8"),
        (b"# nothing\n", "no names"),
    ],
)
def test_a_list_that_is_none_makes_no_file(tmp_path, capsys, text, words):
    (tmp_path / "names.txt").write_bytes(text)
    assert main(["packages", "build", str(tmp_path / "known"), "--pypi", str(tmp_path / "names.txt")]) == 2
    assert words.replace("\\", "") in capsys.readouterr().err
    assert not (tmp_path / "known").exists()


def test_a_file_that_cannot_be_used_is_told_by_its_key(tmp_path, capsys):
    assert main(["packages", "build", str(tmp_path / "known"), "--npm", str(tmp_path / "none.txt")]) == 2
    assert "none.txt" in capsys.readouterr().err
    (tmp_path / "known").write_bytes(b"something else")
    with pytest.raises(OperatorError, match=r"inspect.packages: .*known: is no file of package names"):
        load_packages(tmp_path / "known")
    with pytest.raises(OperatorError, match="none"):
        load_packages(tmp_path / "none")
