"""What a live sensor learns of the appliance and the machine beside it: own connections, addresses, met programs.

Rules: what cannot be had is told once and lacks: no sensor stops for it. Addresses and programs are renewed every
`RENEWED_S`; own connections are looked up as they are seen.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from appliance.bus import ownflows, programs
from appliance.bus import rejected as rejections
from appliance.bus.ownflows import OwnFlows
from appliance.bus.programs import Programs
from appliance.bus.rejected import Rejected
from appliance.model.errors import OperatorError
from discovery import box
from discovery.learned import Learned

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from discovery.fingerprints import Known
    from discovery.reconcile import Known as Rejecting
    from discovery.sensor import Knows, Sensor

_log = logging.getLogger("gnomon.sensor")
RENEWED_S: Final = 30.0


def own_flows(run_dir: Path) -> Knows:
    """What tells the appliance's own connections; without the table, nothing is known to be its own."""
    try:
        return OwnFlows(run_dir / ownflows.NAME).knows
    except (OSError, OperatorError) as error:
        _log.warning("the appliance's own connections cannot be told from clients': %s", error)
        return lambda _near, _far, _ts: False


def rejected(run_dir: Path) -> Rejecting:
    """What tells which clients have rejected the appliance's certificate; without the table, the wire alone does."""
    try:
        return Rejected(run_dir / rejections.NAME).knows
    except (OSError, OperatorError) as error:
        _log.warning("rejections of the appliance's certificate that only workers see are not known: %s", error)
        return lambda _client, _service, _ts: False


def met(run_dir: Path, known: Known) -> Callable[[], Learned]:
    """What the workers have met by now; without the table, what the site itself knows."""
    try:
        table = Programs(run_dir / programs.NAME)
    except (OSError, OperatorError) as error:
        _log.warning("what the gateway learns of programs cannot be read: %s", error)
        return lambda: Learned(known=known)
    return lambda: Learned(table.all(time.time()), known)


def refresher(run_dir: Path, known: Known, clock: Callable[[], float] = time.monotonic) -> Callable[[Sensor], None]:
    """Renews what the sensor knows of addresses and of programs, at its first call and now and then."""
    due, learned = 0.0, met(run_dir, known)

    def refresh(sensor: Sensor) -> None:
        nonlocal due
        if (now := clock()) >= due:
            due = now + RENEWED_S
            sensor.box = sensor.box.renewed(box.own_addresses())
            sensor.learned = learned()

    return refresh
