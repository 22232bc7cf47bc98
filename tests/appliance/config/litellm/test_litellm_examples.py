"""The examples that come with LiteLLM itself: each is read, and every value of it is accounted for."""

from pathlib import Path

import pytest
from litellm_world import NOW

from appliance.config.litellm.account import UNKNOWN, leaves
from appliance.config.litellm.imported import Read, counted, imported
from appliance.config.litellm.source import read_config

ROOT = Path(__file__).parents[4] / ".cache" / "conformance" / "litellm"
EXAMPLES = sorted(ROOT.glob("lib/python3*/site-packages/litellm/proxy/example_config_yaml/*.yaml"))
NO_CONFIGURATION = {"_health_check_test_config.yaml"}


@pytest.mark.skipif(not EXAMPLES, reason="LiteLLM is not installed beside; `make conformance` does that")
def test_its_own_examples_are_accounted_for(tmp_path):
    unknown, total = 0, 0
    for path in EXAMPLES:
        read = Read(read_config(path), (), None, tmp_path)
        found = imported(read, (), NOW)
        whole = sum(1 for _ in leaves(read.source.value))
        assert sum(counted(found.lines).values()) == whole, path.name
        total += whole
        unknown += sum(line.values for line in found.lines if line.words == UNKNOWN)
    assert unknown < total / 10
