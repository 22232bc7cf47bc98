"""Why the appliance ends an exchange before its own end, and what its client and the record are told.

Rules: one word per cause, the same in the record's reason; a cause that is not listed is a fault.
"""

from dataclasses import dataclass

from appliance.model.names import Outcome

POLICY = "policy"
DRAIN = "drain"
RULE = "rule"
UNREADABLE = "unreadable"
FAULT = "fault"
BUDGET = "budget"
TORN = "torn"
IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Ending:
    """`status`, `code` and `message` are for a client that has not seen the head of an answer yet."""

    outcome: Outcome
    status: int
    code: str
    message: str


ENDINGS = {
    POLICY: Ending(
        Outcome.BLOCKED,
        403,
        "policy_block",
        "Your organisation has just blocked this service; the request was ended",
    ),
    DRAIN: Ending(Outcome.DRAINED, 503, "drain", "The gateway is restarting; try again"),
    RULE: Ending(
        Outcome.BLOCKED, 403, "policy_block", "The answer holds what your organisation's policy does not let through"
    ),
    UNREADABLE: Ending(
        Outcome.BLOCKED,
        502,
        "unreadable_answer",
        "The provider's answer cannot be inspected, and policy asks for that; it was not let through",
    ),
    BUDGET: Ending(Outcome.BLOCKED, 429, "quota", "A budget of your organisation is used up; the answer was ended"),
    IDENTITY: Ending(
        Outcome.BLOCKED,
        403,
        "identity_failed",
        "The credential by which the gateway knew you does not hold any more; the request was ended",
    ),
    TORN: Ending(
        Outcome.UPSTREAM_ABORT,
        502,
        "not_carried_over",
        "The other service's answer broke off, or could not be carried over to its end",
    ),
    FAULT: Ending(
        Outcome.FAILED_CLOSED,
        503,
        "gateway_fault",
        "The gateway could not inspect the answer; it was not let through",
    ),
}


def ending_of(cause: str) -> Ending:
    """What a cause means."""
    return ENDINGS.get(cause, ENDINGS[FAULT])
