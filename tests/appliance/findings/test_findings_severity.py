"""How urgent a finding is, and whether its traffic passes the appliance."""

import itertools

import pytest

from appliance.findings.reconcile import STALE_S, governance
from appliance.findings.severity import severity
from appliance.model.names import FindingKind, FindingState, Governance, Severity

NOW = 1_763_700_000.0
USED = FindingKind.SERVICE_IN_USE


@pytest.mark.parametrize(
    ("state", "by_governance"),
    [
        ("new", ("medium", "high", "low")),
        ("triaged", ("medium", "high", "low")),
        ("approved", ("info", "high", "info")),
        ("coached", ("info", "critical", "info")),
        ("redirected", ("info", "critical", "info")),
        ("blocked", ("info", "critical", "info")),
        ("dismissed", ("info", "info", "info")),
    ],
)
def test_a_service_in_use(state, by_governance):
    found = tuple(severity(USED, FindingState(state), how, 0.9) for how in Governance)
    assert found == by_governance


@pytest.mark.parametrize(
    ("kind", "state", "expected"),
    [
        (FindingKind.NAME_DISAGREEMENT, "new", Severity.HIGH),
        (FindingKind.NAME_DISAGREEMENT, "blocked", Severity.HIGH),
        (FindingKind.NAME_DISAGREEMENT, "dismissed", Severity.INFO),
        (FindingKind.COMPROMISED, "approved", Severity.CRITICAL),
        (FindingKind.COMPROMISED, "dismissed", Severity.INFO),
        (FindingKind.VULNERABLE, "new", Severity.HIGH),
        (FindingKind.OTHER_MODEL, "approved", Severity.HIGH),
        (FindingKind.CERTIFICATE_REJECTED, "approved", Severity.MEDIUM),
        (FindingKind.CERTIFICATE_REJECTED, "blocked", Severity.INFO),
        (FindingKind.CERTIFICATE_REJECTED, "dismissed", Severity.INFO),
    ],
)
def test_other_kinds(kind, state, expected):
    assert severity(kind, FindingState(state), Governance.GOVERNED, 1.0) is expected


def test_a_weak_sign_is_low_until_it_goes_round_a_decision():
    assert severity(USED, FindingState.NEW, Governance.BYPASS, 0.4) is Severity.LOW
    assert severity(USED, FindingState.NEW, Governance.UNKNOWN, 0.1) is Severity.LOW
    assert severity(USED, FindingState.BLOCKED, Governance.BYPASS, 0.4) is Severity.CRITICAL


def test_every_combination_has_a_severity():
    for kind, state, how in itertools.product(FindingKind, FindingState, Governance):
        assert severity(kind, state, how, 0.5) in Severity


@pytest.mark.parametrize(
    ("inside", "bypass_ago", "moved_ago", "expected"),
    [
        (0, None, None, Governance.UNKNOWN),
        (3, None, None, Governance.GOVERNED),
        (0, 10, None, Governance.BYPASS),
        (3, 10, None, Governance.BYPASS),
        (3, STALE_S + 1, None, Governance.GOVERNED),  # everybody has moved behind the appliance
        (0, STALE_S + 1, None, Governance.UNKNOWN),
        (3, 10, 5, Governance.GOVERNED),  # went past before the decision
        (0, 10, 5, Governance.UNKNOWN),
        (3, 5, 10, Governance.BYPASS),  # and after it
        (3, 10, 10, Governance.GOVERNED),
    ],
)
def test_governance(inside, bypass_ago, moved_ago, expected):
    found = governance(
        inside=inside,
        bypass_last=None if bypass_ago is None else NOW - bypass_ago,
        last_seen=NOW,
        moved=None if moved_ago is None else NOW - moved_ago,
    )
    assert found is expected
