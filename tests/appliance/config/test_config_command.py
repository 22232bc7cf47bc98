"""`config check` and `config show`."""

import json
from pathlib import Path

import msgspec
import pytest

from appliance.config.command import check, show
from appliance.config.load import load
from appliance.config.schema import Config
from appliance.model.errors import OperatorError


def test_what_is_shown_can_be_used_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "shown.yaml"
    path.write_text(show(Config()))
    assert load(path) == Config()
    assert msgspec.convert(json.loads(show(Config(), as_json=True)), Config) == Config()


def test_a_sound_configuration() -> None:
    assert "is sound: stage observe" in check(None)


def test_a_route_to_a_service_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gnomon.yaml"
    path.write_text("gateway: {routes: {openai: {service: opnai, target: 'https://api.openai.com'}}}")
    with pytest.raises(OperatorError, match="did you mean 'openai'"):
        check(path)


def test_the_policy_that_it_names_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("rules: 5")
    path = tmp_path / "gnomon.yaml"
    path.write_text("policy: {file: rules.yaml}")
    with pytest.raises(OperatorError, match=r"rules\.yaml:1: rules: must be a list"):
        check(path)
