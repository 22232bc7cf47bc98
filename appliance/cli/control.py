"""`gnomon status | down | reload | stage`: a running appliance, asked over control.sock.

Rules: an upgrade takes control.sock away for a moment, so a call that breaks is made again for a few seconds while a
living process holds the run folder's lock; each of these calls may be made twice. With nobody there it fails at once.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table
from appliance.model.errors import OperatorError
from appliance.model.names import Stage
from appliance.sanitise import one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from appliance.bus.client import BlockingClient
    from appliance.bus.control import PeerStanding, SensorStatus, Status
    from appliance.config.schema import Config

_NEWEST = 5  # seconds with losses that are named
_STEP_S = 0.05
_AWAY_S = 3.0
_RELOAD_S = 60.0


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    parser = commands.add_parser("status", parents=[common], help="how the running appliance does (exit 1: not up)")
    json_option(parser)
    parser.set_defaults(run=status)
    parser = commands.add_parser("down", parents=[common], help="drain and stop the running appliance")
    parser.add_argument("--now", action="store_true", help="end exchanges under way instead of letting them finish")
    parser.set_defaults(run=down)
    parser = commands.add_parser("reload", parents=[common], help="take the configuration anew, refusing no connection")
    parser.add_argument("--upgrade", action="store_true", help="also become the program that is installed now")
    parser.set_defaults(run=reload)
    parser = commands.add_parser("stage", parents=[common], help="whether verdicts are recorded only, or act")
    parser.add_argument("stage", type=Stage, choices=tuple(Stage), help="observe: record verdicts; enforce: act")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to wait until every worker applies it")
    parser.set_defaults(run=stage)


def status(options: argparse.Namespace) -> int:
    """0: up; 1: not up."""
    from appliance.bus.errors import Unreachable

    try:
        found = _asked(_config(options), _status)
    except Unreachable:
        say_json({"phase": "down"}) if options.json else say("not running")
        return 1
    say_json(found) if options.json else say(_as_text(found))
    return 0 if found.phase == "up" else 1


def _as_text(found: Status) -> str:
    rows = [
        (
            child.name,
            child.pid,
            child.state,
            f"{child.seconds:.0f} s",
            child.applied,
            child.active,
            _share(child.journal_fill),
        )
        for child in found.children
    ]
    lines = [
        f"{_who(found)} is {found.phase}: pid {found.pid}, {found.seconds:.0f} s, {found.restarts} restarts",
        f"proxy {found.proxy}   gateway {found.gateway}   state {found.state_dir}",
        f"stage {found.stage}, policy {found.policy_version} applied on {found.applied}/{found.workers}",
        "",
        table(("CHILD", "PID", "STATE", "SINCE", "POLICY", "ACTIVE", "JOURNAL"), rows),
    ]
    lines += [one_line(_peer(one)) for one in found.peers]
    sensors = [f"sensor {one.name} on {one.source}: {one.state}{_captures(one)}" for one in found.sensors]
    return "\n".join(
        [*lines, *map(one_line, sensors), *(one_line(f"problem: {problem}") for problem in found.problems)]
    )


def _who(found: Status) -> str:
    return f"gnomon {found.version}" + ("" if found.role == "appliance" else f" ({found.role})")


def _peer(one: PeerStanding) -> str:
    """One line of another appliance."""
    state = "connected" if one.connected else "away"
    if one.role == "central":
        who, ending = f"central {one.name}", f": {one.problem}" if one.problem else ""
    else:
        who, ending = f"peer {one.name} ({one.role or 'not seen in this run'})", ""
    seen = f", last seen {datetime.fromtimestamp(one.last_seen, UTC):%Y-%m-%d %H:%M:%S} UTC" if one.last_seen else ""
    behind = f"{one.behind:,} bytes of records not shipped" if one.behind else "nothing behind"
    return f"{who}: {state}{seen}, {behind}{ending}"


def _captures(sensor: SensorStatus) -> str:
    """By what it captures, and what it has lost; empty: it has not told, or reads a file that lacks nothing."""
    means = f" by {sensor.means}" if sensor.means else ""
    if not sensor.lost_last_minute:
        return f"{means}, nothing lost in the last minute" if means else ""
    worst = f"{sensor.worst_lost:,} at {_clock(sensor.worst_at)} UTC"
    newest = ", ".join(f"{lost:,} at {_clock(second)}" for second, lost in sensor.lost_seconds[-_NEWEST:])
    seconds = f"; by seconds, the newest: {newest}" if newest else ""
    return f"{means}, {sensor.lost_last_minute:,} packets lost in the last minute (worst second: {worst}{seconds})"


def _clock(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%H:%M:%S}"


def _share(fill: float | None) -> str | None:
    return None if fill is None else f"{fill:.0%}"


def down(options: argparse.Namespace) -> int:
    """0 once nothing runs any more, also if nothing ran."""
    from appliance.bus.control import Down
    from appliance.bus.errors import Unreachable
    from appliance.bus.verbs import Done
    from appliance.supervisor.instance import RUN_LOCK, holder
    from appliance.supervisor.plan import DRAIN_GRACE_S

    config = _config(options)
    lock = Path(config.run_dir) / RUN_LOCK
    try:
        _asked(config, lambda client: client.call("down", Down(options.now), reply=Done))
    except Unreachable:
        if (pid := holder(lock)) is not None:
            raise OperatorError(f"gnomon (pid {pid}) runs but does not answer; end it with: kill {pid}") from None
        hint("not running")
        return 0
    patience = config.drain_s + 3 * DRAIN_GRACE_S
    deadline = time.monotonic() + patience
    while holder(lock) is not None:
        if time.monotonic() > deadline:
            raise OperatorError(f"still draining after {patience:.0f} s; `gnomon down --now` ends it")
        time.sleep(_STEP_S)
    return 0


def reload(options: argparse.Namespace) -> int:
    """0: begun; the configuration was good."""
    from appliance.bus.control import Reload, Reloaded

    request = Reload(options.upgrade)
    told, _ = _asked(_config(options), lambda client: client.call("reload", request, reply=Reloaded, within=_RELOAD_S))
    say(told.message)
    return 0


def stage(options: argparse.Namespace) -> int:
    """0: every worker applies it; 1: it holds, but not on every worker within the time."""
    from appliance.bus.control import SetStage, Snapshot

    deadline = time.monotonic() + options.seconds
    config = _config(options)
    told, _ = _asked(config, lambda client: client.call("stage", SetStage(options.stage), reply=Snapshot))
    while True:
        found = _asked(config, _status)
        if found.policy_version >= told.version and found.applied >= found.workers:
            break
        if time.monotonic() > deadline:
            break
        time.sleep(_STEP_S)
    say(f"stage {options.stage}: policy {told.version} applied on {found.applied}/{found.workers}")
    return 0 if found.applied >= found.workers else 1


def _config(options: argparse.Namespace) -> Config:
    from appliance.config.load import load

    return load(options.config)


def status_of(config: Config) -> Status:
    """How the appliance does. Unreachable: nobody runs."""
    return _asked(config, _status)


def _asked[T](config: Config, question: Callable[[BlockingClient], T]) -> T:
    """What the appliance answers. Unreachable: nobody runs, or nobody has answered for some seconds."""
    from appliance.bus.client import BlockingClient
    from appliance.bus.control import SOCKET
    from appliance.bus.errors import Unreachable
    from appliance.supervisor.instance import RUN_LOCK, lives

    run_dir = Path(config.run_dir)
    deadline = time.monotonic() + _AWAY_S
    while True:
        try:
            with BlockingClient(run_dir / SOCKET) as client:
                return question(client)
        except Unreachable:
            if time.monotonic() > deadline or not lives(run_dir / RUN_LOCK):
                raise
        time.sleep(_STEP_S)


def _status(client: BlockingClient) -> Status:
    from appliance.bus.control import Status, StatusRequest

    return client.call("status", StatusRequest(), reply=Status)[0]
