"""The policy snapshot at start-up, and the change of stage.

Rules: the stage never becomes laxer by a restart: the configuration's or the flag's `enforce` acts, while the default
`observe` leaves a stage that was raised by command as it is; only `--stage observe` and `gnomon stage observe` lower
it. A number that the store takes at the same moment is left to it, and the next one is used.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.model.errors import OperatorError
from appliance.model.names import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.config.schema import Config
    from appliance.model.decision import Decision
    from appliance.policy.rules import Rule
    from appliance.policy.snapshot import PolicySnapshot

    type _Terms = tuple[Stage, tuple[Rule, ...], str, str]
    type _Wanted = Callable[[PolicySnapshot | None], _Terms]

_TRIES: Final = 5


def folder_of(config: Config) -> Path:
    """Where the snapshots lie."""
    return Path(config.state_dir) / "policy"


def current_version(config: Config) -> int:
    """The number of the current snapshot by its name on disk, 0 when there is none. Cheap: one readlink."""
    from appliance.policy import disk

    return disk.current_version(folder_of(config))


def catalogue_version(config: Config) -> str:
    """The version of the catalogue that the current snapshot goes by; empty: there is none."""
    from appliance.policy.disk import read_current

    now = read_current(folder_of(config))
    return now.catalogue_version if now else ""


def ensure(config: Config, asked: Stage | None) -> PolicySnapshot:
    """The snapshot for a start or reload: the current one, or a new one if rules, catalogue or stage have changed.

    `asked`: the stage that was asked for in so many words, which acts whatever held before.
    """
    from appliance.config.catalogue import load_catalogue
    from appliance.config.command import check_routes
    from appliance.config.policy_file import load_policy

    rules = load_policy(Path(config.policy.file) if config.policy.file else None)
    found = load_catalogue(Path(config.catalogue.override) if config.catalogue.override else None)
    check_routes(config, found)
    catalogue = found.version

    def wanted(now: PolicySnapshot | None) -> _Terms:
        held = now.stage if now else Stage.OBSERVE
        raised = Stage.ENFORCE if Stage.ENFORCE in (config.stage, held) else Stage.OBSERVE
        return (asked or raised, rules, catalogue, config.site.timezone)

    return _write_next(config, wanted)


def change_stage(config: Config, stage: Stage) -> PolicySnapshot:
    """A snapshot with the same rules and decisions under another stage, or the current one if it holds already."""

    def wanted(now: PolicySnapshot | None) -> _Terms:
        if now is None:
            raise OperatorError(f"{folder_of(config)}: there is no policy snapshot yet; start the appliance first")
        return (stage, now.rules, now.catalogue_version, now.timezone)

    return _write_next(config, wanted)


def take_decisions(config: Config, decisions: tuple[Decision, ...]) -> PolicySnapshot:
    """A snapshot with these decisions in the place of those before, where decisions are made elsewhere."""

    def wanted(now: PolicySnapshot | None) -> _Terms:
        if now is None:
            raise OperatorError(f"{folder_of(config)}: there is no policy snapshot yet; start the appliance first")
        return (now.stage, now.rules, now.catalogue_version, now.timezone)

    return _write_next(config, wanted, decisions)


def _write_next(config: Config, wanted: _Wanted, decisions: tuple[Decision, ...] | None = None) -> PolicySnapshot:
    from appliance.policy.disk import read_current, snapshot_path, write_snapshot
    from appliance.policy.snapshot import PolicySnapshot

    folder = folder_of(config)
    for _ in range(_TRIES):
        now = read_current(folder)
        stage, rules, catalogue, timezone = terms = wanted(now)
        held = now.decisions if now else ()
        decided = held if decisions is None else decisions
        if now is not None and (now.stage, now.rules, now.catalogue_version, now.timezone) == terms and held == decided:
            return now
        fresh = PolicySnapshot(
            version=now.version + 1 if now else 1,
            created=time.time(),
            stage=stage,
            rules=rules,
            decisions=decided,
            catalogue_version=catalogue,
            timezone=timezone,
        )
        if snapshot_path(folder, fresh.version).exists() and current_version(config) != fresh.version - 1:
            continue  # the store was quicker
        write_snapshot(folder, fresh)
        return fresh
    raise OperatorError(f"{folder}: other snapshots are written at the same time; try again")
