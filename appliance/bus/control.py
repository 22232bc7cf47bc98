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
MAX_TARGETS: Final = 512  # of all routes, told by a worker

type Count = Annotated[int, Meta(ge=0)]


class Hello(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `hello`: a worker introduces itself. Answered with `Snapshot`."""

    worker: str
    policy_version: int = 0


class Snapshot(msgspec.Struct, frozen=True):
    """The policy snapshot that is current. `version` 0: there is none yet."""

    version: int


class TargetHealth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker thinks of one target of a route. `target`: scheme://host[:port]; `provider`: as configured.

    `state`: closed (well), open, half_open; `faults`: in a row; `until`: epoch second when it is tried again, 0: it is
    well; `probed`: what the last probe found, None: none was sent; `key`: the credential that it needs is there.
    """

    route: Annotated[str, Meta(max_length=200)]
    service: Annotated[str, Meta(max_length=200)]
    target: Annotated[str, Meta(max_length=300)]
    provider: Annotated[str, Meta(max_length=200)] = ""
    state: Annotated[str, Meta(max_length=16)] = "closed"
    faults: Count = 0
    until: Count = 0
    probed: bool | None = None
    key: bool = True


class Health(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `health`: how a worker does. `active`: flows under way; `journal_fill`: 0-1 of its size limit.

    `detectors`: what they have cost and found that the worker has not journalled yet; `targets`: of its routes.
    """

    worker: str
    policy_version: int = 0
    active: int = 0
    journal_fill: float = 0.0
    detectors: tuple[DetectorCount, ...] = ()
    targets: Annotated[tuple[TargetHealth, ...], Meta(max_length=MAX_TARGETS)] = ()


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


class PeerStanding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another appliance. `role`: edge | sidecar, or central, towards which this one ships.

    `last_seen`: epoch seconds, 0 never; `behind`: bytes of its (towards central: this one's) journals that the central
    store has not taken, as told last; `problem`: one line for people.
    """

    name: Annotated[str, Meta(max_length=300)]
    role: Annotated[str, Meta(max_length=16)] = ""
    connected: bool = False
    last_seen: float = 0.0
    behind: Count = 0
    problem: Annotated[str, Meta(max_length=600)] = ""


class Peering(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `peering`: how the process that takes or ships records over the network does. `process`: its name."""

    process: str
    peers: Annotated[tuple[PeerStanding, ...], Meta(max_length=256)] = ()


class Decided(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """verb `decided`: of the shipper: what analysts at the central appliance have decided, all of it, in the body.

    The body is a JSON list of `appliance.model.decision.Decision`. Answered with the `Snapshot` that carries them.
    """

    process: str


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
    role: str = "appliance"
    peers: tuple[PeerStanding, ...] = ()


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
