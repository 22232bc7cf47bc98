"""Whether the traffic to a service passes the appliance: governed, bypass or unknown.

Rules: pure, over the counts and times of one finding. A sighting past the appliance says `bypass`, with two ends to its
word. (1) A decision for everyone that moves traffic (coach, redirect, block) starts anew: only sightings after it
count, so that a service which was moved is no bypass for what it did before. (2) It says nothing any more when the
service was seen for `STALE_S` without another one: who has moved behind the appliance is governed. Both compare times
of events with each other and with the decision; the hour at which somebody looks plays no part.
"""

from typing import Final

from appliance.model.names import Governance

STALE_S: Final = 7 * 86_400.0


def governance(*, inside: int, bypass_last: float | None, last_seen: float, moved: float | None) -> Governance:
    """The word for these facts.

    `inside`: exchanges, refusals and sightings on the way to the appliance. `bypass_last`: newest sighting past it.
    `last_seen`: newest sign of any kind. `moved`: when the decision in force that moves traffic was taken.
    """
    if bypass_last is not None:
        after = moved is None or bypass_last > moved
        if after and bypass_last >= last_seen - STALE_S:
            return Governance.BYPASS
    return Governance.GOVERNED if inside else Governance.UNKNOWN
