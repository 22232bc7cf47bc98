"""The operator's recognisers: whole or not at all, every fault at its line."""

import pytest

from appliance.config.command import check
from appliance.config.detection import detection_settings, has_more
from appliance.config.load import load
from appliance.config.recognisers_file import load_recognisers
from appliance.model.errors import OperatorError

GOOD = """\
recognisers:
  - name: staff
    entity: STAFF_NUMBER
    patterns: ['\\bST-[0-9]{6}\\b']
    examples: [my number is ST-123456]
"""


def written(tmp_path, text):
    path = tmp_path / "own.yaml"
    path.write_text(text)
    return path


def test_a_sound_file_is_taken(tmp_path):
    (rule,) = load_recognisers(written(tmp_path, GOOD))
    assert (rule.name, rule.entity, rule.score) == ("staff", "STAFF_NUMBER", 0.5)
    assert load_recognisers(written(tmp_path, "")) == ()


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        (GOOD.replace("{6}", "+"), 4, "bound every repeat"),
        (GOOD.replace("ST-123456", "nothing"), 5, "nothing is found"),
        (GOOD + GOOD.removeprefix("recognisers:\n"), 6, "stands twice"),
        (GOOD.replace("entity", "entiti"), 3, "did you mean 'entity'"),
        (GOOD + "    checksum: crc\n", 6, "not one of"),
    ],
)
def test_every_fault_names_its_line(tmp_path, text, line, word):
    path = written(tmp_path, text)
    with pytest.raises(OperatorError) as refused:
        load_recognisers(path)
    assert f"{path}:{line}: " in str(refused.value)
    assert word in str(refused.value)


def test_the_configuration_leads_to_it(tmp_path):
    written(tmp_path, GOOD)
    file = tmp_path / "gnomon.yaml"
    file.write_text(f"state_dir: {tmp_path / 'state'}\ninspect: {{recognisers: own.yaml}}\n")
    config = load(file)
    assert has_more(config)
    assert [rule.name for rule in detection_settings(config).recognisers] == ["staff"]
    assert "sound" in check(file)
    written(tmp_path, GOOD.replace("{6}", "+"))
    with pytest.raises(OperatorError, match="bound every repeat"):
        check(file)


def test_without_it_nothing_is_told(tmp_path):
    file = tmp_path / "gnomon.yaml"
    file.write_text(f"state_dir: {tmp_path / 'state'}\n")
    config = load(file)
    assert not has_more(config)
    assert detection_settings(config).recognisers == ()
    assert not (tmp_path / "state").exists()
