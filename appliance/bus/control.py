"""The verbs of control.sock: what workers tell the supervisor and what a command may ask of it.

Owns: the records of each verb. Rules: served by the supervisor only, to its own user (0600); a worker's claim to a
name is checked against the process id that the kernel tells. Topic `snapshot` is pushed whenever another policy
snapshot became current; a worker answers with `applied` once it judges by it.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.model.detection import DetectorCount  # noqa: TC001 - the same
from appliance.model.names import Stage  # noqa: TC001 - msgspec reads it at run time

SOCKET: Final = "control.sock"
SNAPSHOT: Final = "snapshot"  # topic
MAX_MEANS: Final = 200  # characters of a sensor's means

type Count = Annotated[int, Meta(ge=0)]


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `hello`: a worker introduces itself. Answered with `Snapshot`."""

    worker: str
    policy_version: int = 0


class Snapshot(msgspec.Struct, frozen=True):
    """The policy snapshot that is current. `version` 0: there is none yet."""

    version: int


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `health`: how a worker does. `active`: flows under way; `journal_fill`: 0-1 of its size limit.

    `detectors`: what they have cost and found that the worker has not journalled yet.
    """

    worker: str
    policy_version: int = 0
    active: int = 0
    journal_fill: float = 0.0
    detectors: tuple[DetectorCount, ...] = ()


class Applied(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `applied`: from now on this worker judges by that snapshot."""

    worker: str
    policy_version: int


class Sensing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `sensing`: how a sensor captures. `means`: by what and in how many processes, for people; empty: a file.

    `lost_last_minute`: packets; `worst_at`: the epoch second of that minute that lost most, `worst_lost` of them;
    `lost_seconds`: (epoch second, packets lost in it), those of that minute, in order.
    """

    sensor: str
    means: Annotated[str, Meta(max_length=MAX_MEANS)] = ""
    lost_last_minute: Count = 0
    worst_at: Count = 0
    worst_lost: Count = 0
    lost_seconds: Annotated[tuple[tuple[Count, Count], ...], Meta(max_length=60)] = ()


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `published`: the store has written another snapshot; the supervisor looks at the disk itself."""


class StatusRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `status`. Answered with `Status`."""


class ChildStatus(msgspec.Struct, frozen=True):
    """One child. `seconds`: in this state; `applied`, `active`, `journal_fill` as it told last."""

    name: str
    pid: int
    state: str
    seconds: float
    applied: int | None = None
    active: int | None = None
    journal_fill: float | None = None
    detectors: tuple[DetectorCount, ...] = ()


class SensorStatus(msgspec.Struct, frozen=True):
    """One sensor. `source`: interface, file or folder; `state`: starting | capturing | draining | finished | failed.

    `problem`: one line for people, with what to do. What follows it is as in `Sensing`, as it told last.
    """

    name: str
    source: str
    state: str
    problem: str = ""
    means: str = ""
    lost_last_minute: int = 0
    worst_at: int = 0
    worst_lost: int = 0
    lost_seconds: tuple[tuple[int, int], ...] = ()


class Status(msgspec.Struct, frozen=True):
    """The appliance as its supervisor sees it. `phase`: starting | up | draining. `problems`: newest last."""

    phase: str
    pid: int
    seconds: float
    version: str
    stage: Stage
    policy_version: int
    applied: int
    workers: int
    proxy: str
    gateway: str
    state_dir: str
    restarts: int
    children: tuple[ChildStatus, ...] = ()
    problems: tuple[str, ...] = ()
    sensors: tuple[SensorStatus, ...] = ()


class Down(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `down`: drain and stop. `now`: end the children at once; their journals are recovered at the next start."""

    now: bool = False


class Reload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `reload`: read the configuration again and roll the workers. `upgrade`: become the program on disk too."""

    upgrade: bool = False


class Reloaded(msgspec.Struct, frozen=True):
    """What a reload has begun, in words."""

    message: str


class SetStage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `stage`. Answered with the `Snapshot` that carries it."""

    stage: Stage
