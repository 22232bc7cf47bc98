"""What the certificate authority waits for: told at the start, among the problems until it is done."""

import time
from types import SimpleNamespace

import pytest

from appliance.ca import command, files
from appliance.config.schema import CaConfig, CatalogueConfig, Config
from appliance.model.errors import OperatorError
from appliance.supervisor.evidence import Evidence, ensure_authority
from appliance.supervisor.supervisor import Supervisor

OWN = "services:\n  - {id: own, name: X, owner: X, category: assistant, domains: [.own.example]}\n"


@pytest.fixture
def grown(tmp_path):
    """An authority without its root key, and a configuration with a name more than it covers."""
    config = Config(state_dir=str(tmp_path), ca=CaConfig(dir=None))
    command.init(config, now=time.time())
    files.root_key_path(config.ca_dir).rename(tmp_path / "stick")
    override = tmp_path / "own.yaml"
    override.write_text(OWN)
    return Config(state_dir=str(tmp_path), ca=CaConfig(dir=None), catalogue=CatalogueConfig(override=str(override)))


class Boss:
    """A supervisor of which only its problems are there."""

    def __init__(self, config):
        self.settings, self.config = SimpleNamespace(evidence=Evidence()), config
        self.problems = ["another"]

    def problem(self, text):
        self.problems.append(text)

    async def look(self):
        await Supervisor._look_at_authority(self)
        return self.problems


def test_a_change_is_refused_and_a_start_goes_on_and_says_so(grown):
    with pytest.raises(OperatorError, match=r"none covers own\.example"):
        ensure_authority(grown)
    assert "none covers own.example, and connections to them are closed" in ensure_authority(grown, starting=True)


async def test_it_is_a_problem_until_the_root_key_was_there(grown, tmp_path):
    boss = Boss(grown)
    for _ in range(2):
        other, due = await boss.look()
        assert other == "another"
        assert "own.example" in due
        assert "bring the root key back" in due
    (tmp_path / "stick").rename(files.root_key_path(grown.ca_dir))
    assert "issued anew" in ensure_authority(grown)
    assert await boss.look() == ["another"]
