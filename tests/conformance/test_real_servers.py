"""A real LiteLLM proxy and a real MCP server, from their own packages, are recognised by listening alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests_support import ROOT

from appliance.config.catalogue import load_catalogue
from appliance.model.names import FindingKind, Leg, ObservationKind
from appliance.model.pseudonym import Pseudonyms
from discovery import files
from discovery.aggregate import Aggregate
from discovery.box import Box
from discovery.classify import Classifier
from discovery.engine import Engine
from discovery.sensor import Sensor

PYTHON = ROOT / ".cache/conformance/servers/bin/python"
DRIVER = Path(__file__).with_name("servers_driver.py")
pytestmark = [pytest.mark.conformance, pytest.mark.root, pytest.mark.timeout(180)]


def listened(kind: str, folder: Path) -> list:
    """What a sensor records of a server and its client that it knows nothing of."""
    if os.geteuid() or not shutil.which("unshare"):
        pytest.skip("needs root: a namespace of its own, and packets")
    if not PYTHON.exists():
        pytest.skip("tests/conformance/servers is not installed; `make conformance` does it")
    capture = folder / f"{kind}.pcap"
    command = ["unshare", "--net", sys.executable, DRIVER, kind, PYTHON, capture]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stderr[-3000:]
    return list(recorded(capture))


def recorded(capture: Path):
    engine = Engine()
    sensor = Sensor(
        *("s0", capture.name, Classifier(load_catalogue()).sight, Pseudonyms(b"k" * 32)),
        *(Box({}, frozenset()), Aggregate(0.0)),
        join_s=2.0,
    )
    for batch in files.batches(str(capture)):
        for ts, link, frame in batch:
            for seen in engine.feed(ts, link, frame):
                yield from sensor.take(seen)
    yield from sensor.flush()


def test_a_litellm_proxy_is_recognised_with_its_release(tmp_path):
    events = [one.event for one in listened("litellm", tmp_path)]
    ours = [event for event in events if event.service == "litellm_proxy"]
    assert ours
    assert {event.leg for event in ours} == {Leg.DIRECT}
    assert max(event.confidence for event in ours) >= 0.95
    said = {text for event in ours for text in event.evidence}
    release = next(text for text in said if text.startswith("software litellm "))
    assert release.split()[-1][0].isdigit()
    assert "served openai/gpt-4o-mini" in said
    assert "asked claude-opus-4" in said
    assert FindingKind.OTHER_MODEL in {kind for event in ours for kind in event.kinds}
    assert "answers without authentication" not in said  # it has a key
    assert not [text for text in said if "xyzzy" in text or "sk-conf" in text]


@pytest.mark.parametrize("kind", ["mcp", "mcp_sse"])
def test_an_mcp_server_is_recognised_with_its_tools(kind, tmp_path):
    events = [one.event for one in listened(kind, tmp_path)]
    ours = [event for event in events if event.service == "mcp_server"]
    assert ours
    assert {event.service for event in events if event.seen is not ObservationKind.FLOW} == {"mcp_server"}
    said = {text for event in ours for text in event.evidence}
    assert {"tools look_up", "software accounts 2.1.0", "answers without authentication"} <= said
    assert not [text for text in said if "xyzzy" in text]
