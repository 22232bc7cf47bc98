"""A policy file with an error is refused whole, told by line, rule and nearest word, and the running version stays."""

import time

import pytest
from system.operations_world import URL, applied, body, proxied, recorded, site_at, status

pytestmark = pytest.mark.system
RULES = """rules:
  - id: night-shift
    match: {services: [local]}
    then: {disposition: allow, limit: {request_bytes: 100000}}
"""
FAULTS = {
    "disposition: allow": ("disposition: alow", b"policy.yaml:4: rules.0.then.disposition: not one of allow"),
    "services:": ("servises:", b"policy.yaml:3: rules.0.match.servises: unknown key; did you mean 'services'?"),
    "limit:": ("limti:", b"policy.yaml:4: rules.0.then.limti: unknown key; did you mean 'limit'?"),
    "allow,": ("redirect,", b"rule night-shift: redirect needs a route"),
    "100000}": ("-1}", b"policy.yaml:4: rules.0.then.limit.request_bytes: must lie between"),
    "rules:": ("rules: [", b"policy.yaml:"),
}


def test_every_fault_is_told_and_the_running_version_goes_on(tmp_path, provider):
    policy = tmp_path / "policy.yaml"
    policy.write_text(RULES)
    with site_at(tmp_path / "site", provider, extra=f"policy: {{file: {policy}}}\n") as site:
        version, since = status(site).policy_version, time.time()
        for good, (bad, words) in FAULTS.items():
            policy.write_text(RULES.replace(good, bad, 1))
            done = site.run("reload", check=False)
            assert done.returncode == 2
            assert words in done.stderr, done.stderr
            assert b"Traceback" not in done.stderr
        assert status(site).policy_version == version
        with proxied(site) as client:
            assert client.post(URL, json=body()).status_code == 200
        opened, _ = recorded(site, 1, since)
        assert opened["facts"]["policy_version"] == version
        policy.write_text(RULES.replace("100000", "10"))
        site.run("reload")
        applied(site, version + 1)
