"""Policy files for tests: the embedded one less some of its rules."""

from pathlib import Path

import msgspec

from appliance.config.policy_file import load_policy
from appliance.config.schema import PolicyConfig
from appliance.config.yaml_source import render

HANDED_OVER = ("handed-over", "handed-over-elsewhere")


def embedded_without(folder: Path, *ids: str) -> PolicyConfig:
    """Written into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "policy-of-test.yaml"
    rules = [msgspec.to_builtins(rule) for rule in load_policy() if rule.id not in ids]
    path.write_text(render(msgspec.json.decode(msgspec.json.encode({"rules": rules}))))
    return PolicyConfig(file=str(path))
