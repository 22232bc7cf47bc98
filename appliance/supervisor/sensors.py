"""Which sensors should live: one for each interface, capture file and folder that the configuration names.

Owns: their names, their plans and what a person is told of them. Rules: pure, like plans; a sensor never keeps the
appliance from starting and never stops it; one that says at its first start what the operator must do is left alone
until the configuration changes, one that has captured before is tried again and again; a file that was read to its end
is finished. A name belongs to one source at a time, because a journal folder and a log line belong to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.bus.control import Sensing, SensorStatus
from appliance.supervisor.plan import Plan, State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.config.schema import Config

DRAIN_S: Final = 15.0
TRIES: Final = 3  # bad ends without a good one between: then a person is told, and a file is given up
_USAGE: Final = 2
_UNTOLD: Final = Sensing("")


@dataclass(frozen=True)
class Source:
    """What one sensor watches."""

    kind: str  # interface | pcap | folder
    name: str


@dataclass
class _Sensor:
    """One sensor. `served`: it has captured in this life of its configuration."""

    source: Source
    plan: Plan
    state: str = "starting"
    problem: str = ""
    served: bool = False
    tries: int = 0
    told: tuple[str, ...] = ()  # what a person was told since it captured last
    told_last: Sensing = _UNTOLD  # how it captures


class Sensors:
    """All sensors of one supervisor."""

    def __init__(self, config: Config) -> None:
        self._sensors: dict[str, _Sensor] = {}
        self._leaving: dict[str, _Sensor] = {}
        self.restarts = 0
        self.follow(config, config)

    def follow(self, fresh: Config, old: Config, *, anew: bool = False) -> None:
        """Another configuration: sources come and go; those that stay begin anew where what they go by has changed.

        `anew`: something else that all of them go by has changed.
        """
        wanted = _sources(fresh)
        for name, sensor in list(self._sensors.items()):
            if sensor.source not in wanted:
                sensor.plan.stop()
                self._leaving[name] = self._sensors.pop(name)
            else:
                self._renew(sensor, anew=anew or _eyes(fresh) != _eyes(old))
        known = {sensor.source for sensor in self._sensors.values()}
        for source in wanted:
            if source not in known:
                name = self._free_name()
                plan = Plan(name, 1, overlap=False, drain_s=DRAIN_S, start_s=60.0)
                self._sensors[name] = _Sensor(source, plan)
                known.add(source)

    def _renew(self, sensor: _Sensor, *, anew: bool) -> None:
        if sensor.state == "failed":  # the operator has asked for a change: it may be the one that was needed
            sensor.state, sensor.problem, sensor.served, sensor.tries = "starting", "", False, 0
            sensor.plan.count = 1
        elif anew and sensor.state != "finished":
            sensor.plan.roll()

    def _free_name(self) -> str:
        number = 0
        while (name := f"sensor{number}") in self._sensors or name in self._leaving:
            number += 1
        return name

    @property
    def plans(self) -> list[Plan]:
        """Of all that live or should."""
        return [sensor.plan for sensor in self._all()]

    def _all(self) -> Iterator[_Sensor]:
        yield from self._sensors.values()
        yield from self._leaving.values()

    def _find(self, name: str) -> _Sensor | None:
        return self._sensors.get(name) or self._leaving.get(name)

    def plan_of(self, name: str) -> Plan | None:
        """The plan of a sensor; None: no sensor has that name."""
        found = self._find(name)
        return found.plan if found else None

    def source_of(self, name: str) -> Source:
        """What a sensor watches. KeyError: no sensor has that name."""
        if (found := self._find(name)) is None:
            raise KeyError(name)
        return found.source

    def adopt(self, name: str, now: float) -> bool:
        """A sensor that an earlier image of this process started; False: nobody needs it, and it is to drain."""
        if (found := self._sensors.get(name)) is not None:
            found.plan.adopt([name], now)
            return True
        plan = Plan(name, 0, overlap=False, drain_s=DRAIN_S)
        plan.adopt([name], now)
        plan.stop()
        self._leaving[name] = _Sensor(Source("interface", ""), plan)
        return False

    @property
    def settled(self) -> bool:
        """Each one captures, has finished, or has said why not."""
        return all(sensor.state != "starting" for sensor in self._sensors.values())

    @property
    def ended(self) -> bool:
        """None lives."""
        return not any(sensor.plan.lives for sensor in self._all())

    def ready(self, name: str) -> tuple[str, ...]:
        """It captures; what a person was told of it before, and is over."""
        if (found := self._find(name)) is None:
            return ()
        found.state, found.problem, found.served = "capturing", "", True
        found.tries = found.tries if found.source.kind == "pcap" else 0
        over, found.told = found.told, ()
        return over

    def sensing(self, told: Sensing) -> bool:
        """How one captures, as it says; True: that has changed."""
        found = self._find(told.sensor)
        if found is None or found.told_last == told:
            return False
        found.told_last = told
        return True

    def exited(self, name: str, status: int, words: str, *, asked: bool) -> str:
        """It is dead; what a person must know of that, empty for nothing. The plan has been told already."""
        if name in self._leaving:
            if not self._leaving[name].plan.lives:
                del self._leaving[name]
            return ""
        sensor = self._sensors[name]
        sensor.told_last = _UNTOLD  # it captures no more
        if asked:
            sensor.state = "starting" if sensor.plan.count and not sensor.plan.stopping else sensor.state
            return ""
        if status == 0 and sensor.source.kind == "pcap":
            return self._rest(sensor, "finished", "")
        self.restarts += 1
        sensor.tries += 1
        usage, again = status == _USAGE, sensor.tries >= TRIES
        told = "; ".join(words.splitlines() if usage else words.splitlines()[-1:]) or f"{name} ended unexpectedly"
        if (usage and not sensor.served) or (again and sensor.source.kind == "pcap"):
            return self._rest(sensor, "failed", told)
        sensor.state, sensor.problem = ("failed", told) if usage or again else ("starting", "")
        return self._tell(sensor)

    def _rest(self, sensor: _Sensor, state: str, problem: str) -> str:
        sensor.plan.count, sensor.state, sensor.problem = 0, state, problem
        return self._tell(sensor)

    def _tell(self, sensor: _Sensor) -> str:
        if not sensor.problem:
            return ""
        told = f"sensor: {sensor.problem}"
        sensor.told = (*sensor.told, told) if told not in sensor.told else sensor.told
        return told

    def stop(self) -> None:
        """Drain all."""
        for sensor in self._all():
            sensor.plan.stop()

    def hurry(self) -> None:
        """Give nobody more time to drain."""
        for sensor in self._all():
            sensor.plan.hurry()

    def roll(self) -> None:
        """Replace every sensor that captures by a new one."""
        for sensor in self._sensors.values():
            if sensor.state != "finished":
                sensor.plan.roll()

    def states(self) -> tuple[SensorStatus, ...]:
        """As `gnomon status` and analysts see them, by name."""
        return tuple(
            _status(name, sensor) for name, sensor in sorted(self._sensors.items(), key=lambda item: int(item[0][6:]))
        )


def _status(name: str, sensor: _Sensor) -> SensorStatus:
    told = sensor.told_last
    return SensorStatus(
        name,
        sensor.source.name,
        _shown(sensor),
        sensor.problem,
        told.means,
        told.lost_last_minute,
        told.worst_at,
        told.worst_lost,
        told.lost_seconds,
    )


def _shown(sensor: _Sensor) -> str:
    draining = any(life.state is State.DRAINING for life in sensor.plan.lives.values())
    return "draining" if draining else sensor.state


def _sources(config: Config) -> list[Source]:
    found = [Source("interface", name) for name in config.sensor.interfaces]
    found += [Source("pcap", path) for path in config.sensor.captures]
    found += [Source("folder", path) for path in (config.sensor.folder,) if path]
    return list(dict.fromkeys(found))


def _eyes(config: Config) -> tuple[object, ...]:
    """What a sensor goes by."""
    sensor = config.sensor
    mine = (sensor.user, sensor.processes, sensor.suppression_s, sensor.folder_settled_s, sensor.cadence)
    return (*mine, sensor.advisories, sensor.fingerprints, config.catalogue, config.listen, config.journal)
