"""A reload takes up an override whose content has changed, wherever the catalogue is held."""

import asyncio
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from appliance.config.catalogue import load_catalogue
from appliance.config.schema import CatalogueConfig, Config, SensorConfig
from appliance.model.errors import OperatorError
from appliance.supervisor import change, policy, preflight

OWN = "services:\n  - {id: %s, name: X, owner: X, category: assistant, domains: [.%s.example]}\n"


class World:
    """A supervisor of which only what a reload touches is there."""

    def __init__(self, config: Config) -> None:
        self.told: list[object] = []
        evidence = SimpleNamespace(reprepare=policy.ensure)
        self.settings = SimpleNamespace(load=lambda: config, evidence=evidence)
        self.config, self.listeners, self.retired = config, {}, []
        self.known = preflight.known_version(config)
        self.workers = SimpleNamespace(count=0, drain_s=0.0, roll=lambda: self.told.append("workers"))
        self.sensors = SimpleNamespace(follow=lambda *_, anew=False: self.told.append(("sensors", anew)))
        self.store = SimpleNamespace(roll=lambda: self.told.append("store"))
        self.control = SimpleNamespace(look_at_policy=lambda: self.told.append("policy"))

    def name_addresses(self) -> None:
        """Nothing listens."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    async def nothing(*_: object) -> dict[str, object]:
        return {}

    monkeypatch.setattr(change.listeners, "rebind", nothing)
    monkeypatch.setattr(change.listeners, "check_safe", lambda _: None)
    monkeypatch.setattr(change, "write_effective", lambda *_: None)
    own = tmp_path / "own.yaml"
    own.write_text(OWN % ("one", "one"))
    config = msgspec.structs.replace(
        Config(), state_dir=str(tmp_path), run_dir=str(tmp_path), catalogue=CatalogueConfig(override=str(own))
    )
    policy.ensure(config, None)
    return World(config)


def test_only_a_changed_catalogue_begins_sensors_and_store_anew(world: World) -> None:
    asyncio.run(change.reload(world))
    assert world.told == ["workers", ("sensors", False), "policy"]
    world.told.clear()
    own = Path(world.config.catalogue.override)
    own.write_text(OWN % ("two", "two"))
    asyncio.run(change.reload(world))
    assert world.told == ["workers", ("sensors", True), "store", "policy"]
    assert policy.catalogue_version(world.config) == load_catalogue(own).version


def test_a_bad_override_changes_nothing(world: World) -> None:
    before = policy.catalogue_version(world.config)
    Path(world.config.catalogue.override).write_text("services: nonsense\n")
    with pytest.raises(Exception, match=r"own\.yaml:1"):
        asyncio.run(change.reload(world))
    assert world.told == []
    assert policy.catalogue_version(world.config) == before


def test_what_the_site_knows_of_ai_software_begins_sensors_anew_when_its_content_changes(world: World) -> None:
    own = Path(world.config.state_dir) / "known.yaml"
    own.write_text("clients: [{agent: acme/}]\n")
    sensor = SensorConfig(fingerprints=str(own))
    config = msgspec.structs.replace(world.config, sensor=sensor)
    world = World(config)
    asyncio.run(change.reload(world))
    assert ("sensors", False) in world.told
    world.told.clear()
    own.write_text("clients: [{agent: acme-bot/}]\n")
    asyncio.run(change.reload(world))
    assert ("sensors", True) in world.told
    world.told.clear()
    asyncio.run(change.reload(world))
    assert ("sensors", False) in world.told


def test_a_bad_file_of_what_the_site_knows_is_refused_with_its_line(tmp_path: Path) -> None:
    own = tmp_path / "known.yaml"
    own.write_text("clients:\n- {agent: acme/}\n- {agent: acme/}\n")
    sensor = SensorConfig(fingerprints=str(own))
    config = msgspec.structs.replace(Config(), state_dir=str(tmp_path), run_dir=str(tmp_path), sensor=sensor)
    with pytest.raises(OperatorError, match=r"known\.yaml:3: clients\.1\.agent: acme/ stands twice"):
        preflight.check_files(config)
