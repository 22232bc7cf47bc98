"""How urgent a finding is.

Rules: pure; a table over kind, state and governance. A decision in force that is gone round is critical whatever the
catalogue's confidence; a weak sign of an undecided service is low. Approved services past the appliance stay high:
approval lifts a rule, it does not excuse from being recorded.
"""

from collections.abc import Mapping
from typing import Final

from appliance.model.names import FindingKind, FindingState, Governance, Severity

WEAK: Final = 0.5  # confidence below which a sign is weak

_UNDECIDED: Final[Mapping[Governance, Severity]] = {
    Governance.BYPASS: Severity.HIGH,
    Governance.GOVERNED: Severity.MEDIUM,
    Governance.UNKNOWN: Severity.LOW,
}
# What an advisory says, or what deceives, is as grave whatever was decided, until it is dismissed.
_GRAVE: Final[Mapping[FindingKind, Severity]] = {
    FindingKind.NAME_DISAGREEMENT: Severity.HIGH,
    FindingKind.OTHER_MODEL: Severity.HIGH,
    FindingKind.EXTRACTION: Severity.HIGH,
    FindingKind.FLOODING: Severity.MEDIUM,
    FindingKind.VULNERABLE: Severity.HIGH,
    FindingKind.COMPROMISED: Severity.CRITICAL,
}
_MOVED: Final = frozenset({FindingState.COACHED, FindingState.REDIRECTED, FindingState.BLOCKED})


def severity(kind: FindingKind, state: FindingState, governance: Governance, confidence: float) -> Severity:
    """The severity of one finding. `confidence`: 0-1, that the traffic is AI use."""
    if state is FindingState.DISMISSED:
        return Severity.INFO
    if kind in _GRAVE:
        return _GRAVE[kind]
    if kind is FindingKind.CERTIFICATE_REJECTED:
        return Severity.INFO if state is FindingState.BLOCKED else Severity.MEDIUM
    if state in _MOVED:
        return Severity.CRITICAL if governance is Governance.BYPASS else Severity.INFO
    if state is FindingState.APPROVED:
        return Severity.HIGH if governance is Governance.BYPASS else Severity.INFO
    found = _UNDECIDED[governance]
    return min(found, Severity.LOW, key=lambda word: word.rank) if confidence < WEAK else found
