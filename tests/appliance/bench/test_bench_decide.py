"""The bench of decisions: small, and all of its parts told."""

from appliance.bench import decide


def test_it_tells_the_whole_and_its_parts(monkeypatch):
    monkeypatch.setattr(decide, "RULES", 50)
    monkeypatch.setattr(decide, "IDENTITIES", 40)
    monkeypatch.setattr(decide, "REQUESTS_PER_S", 60)
    told = decide.run(1)
    assert {"us_p50", "us_p99", "identity_us_p50", "policy_us_p50", "budget_us_p50", "settle_us_p50"} <= told.keys()
    assert told["rules"] == 50
    assert all(value > 0 for value in told.values())
