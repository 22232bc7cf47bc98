"""Held keys under a running appliance: changed in one command without a restart, and told on the day of an incident."""

import json
import subprocess
import sys

import pytest
from system.operations_world import body, eventually, proxied, site_at, through_gateway
from tests_support import ROOT

pytestmark = pytest.mark.system
PATH = "/v1/chat/completions"
FIRST, SECOND, OWN = "sk-the-first-of-the-company", "sk-the-second-of-the-company", "sk-proj-of-a-person"
SETTINGS = """gateway:
  routes:
    openai: {service: openai, target: 'https://api.openai.com', credential: 'held:team'}
accounts: {corporate: {openai_organization: [org-ours]}}
"""


def keys(appliance, *words, stdin=""):
    command = [sys.executable, "-m", "appliance.cli", "keys", words[0], "--config", str(appliance.config), *words[1:]]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd=ROOT, check=False)
    assert not any(key in done.stdout + done.stderr for key in (FIRST, SECOND, OWN))
    return done


def test_from_the_first_key_to_the_day_of_the_incident(provider, tmp_path):
    with site_at(tmp_path, provider, extra=SETTINGS) as appliance:
        assert keys(appliance, "add", "team", stdin=FIRST).returncode == 0
        with through_gateway(appliance) as client:
            before = len(provider.arrivals())
            eventually(lambda: client.post(f"/openai{PATH}", json=body()).status_code == 200)
            assert keys(appliance, "rotate-all", stdin=f"team {SECOND}\n").returncode == 0

            def sent():
                assert client.post(f"/openai{PATH}", json=body()).status_code == 200
                return provider.arrivals()[-1]["authorization"]

            eventually(lambda: sent() == f"Bearer {SECOND}")
            assert provider.arrivals()[before]["authorization"] == f"Bearer {FIRST}"
        with proxied(appliance) as client:
            headers = {
                "authorization": f"Bearer {OWN}",
                "openai-organization": "org-mine",
                "user-agent": "litellm/1.82.8",
            }
            assert client.post(f"https://api.openai.com{PATH}", json=body(), headers=headers).status_code == 200

        def exposed():
            return json.loads(keys(appliance, "exposure", "--since", "1h", "--json").stdout)["keys"]

        eventually(lambda: len(exposed()) == 3)
        found = exposed()
        assert sorted((key["held"] or "", key["accounts"], key["shape"]) for key in found) == [
            ("", ["personal"], "openai_project"),
            ("team", ["corporate"], "openai_user"),
            ("team", ["corporate"], "openai_user"),
        ]
        (own,) = json.loads(keys(appliance, "exposure", "--client", "litellm", "--json").stdout)["keys"]
        assert own["programs"] == ["litellm/1.82.8"]
        assert own["revoke"] == {"openai": "https://platform.openai.com/api-keys"}
        state = json.loads(keys(appliance, "list", "--json").stdout)
        assert [each["state"] for each in state[0]["record"]["generations"]] == ["overlap", "active"]
        written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "arrivals.jsonl"]
        leaks = [path.name for path in written for key in (FIRST, SECOND, OWN) if key.encode() in path.read_bytes()]
        assert leaks == []
