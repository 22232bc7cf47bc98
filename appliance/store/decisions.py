"""Analysts' decisions: stamped, appended, and turned into the next policy snapshot.

Owns: table decisions and table snapshots; who may decide. Rules: author and role come from the socket's peer
credentials; a decision is refused unless the analyst saw the present snapshot; a decision is never changed, undoing is
a new one that names the old. The snapshot is written to disk inside the transaction, before COMMIT: if it cannot
be written, nothing was decided; if the process dies in between, the decision is already in force, carried whole by the
snapshot, and `reconcile` records it at the next start. So no decision is ever in force without its record.
"""

import contextlib
import grp
import pwd
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from appliance.model.decision import Decision, Proposal, Scope
from appliance.model.errors import OperatorError, PeerError
from appliance.model.names import DecisionKind
from appliance.policy.disk import read_current, read_snapshot, snapshot_path, write_snapshot
from appliance.policy.snapshot import PolicySnapshot, encode
from appliance.store.connection import Connection, transaction
from appliance.store.wire import Decide, Decided

ADMIN: Final = "admin"
ANALYST: Final = "analyst"
MAX_TEXT: Final = 2_000
MAX_SCOPE: Final = 1_000
MAX_GROUP: Final = 256
LATEST: Final = 4_102_444_800.0  # 2100-01-01: what is later is no time but a mistake, and no calendar shows it
_DIGESTS: Final = {"p_": re.compile(r"p_[0-9a-z]{1,64}\Z"), "a_": re.compile(r"a_[0-9a-z]{1,64}\Z")}


class Caller(Protocol):
    """Peer credentials (appliance.bus.peer.Peer)."""

    @property
    def uid(self) -> int:
        """The caller's user id."""

    @property
    def gid(self) -> int:
        """The caller's group id."""

    @property
    def user(self) -> str:
        """The caller's user name."""


def role_of(caller: Caller, owner_uid: int, analyst_group: str | None) -> str:
    """`admin` for root and the appliance's own user, `analyst` for members of the group; PeerError (403) for others."""
    if caller.uid in (0, owner_uid):
        return ADMIN
    if analyst_group is not None and _member(caller, analyst_group):
        return ANALYST
    raise PeerError(f"user {caller.user} is no analyst; ask for membership of the group in store.analyst_group", 403)


def _member(caller: Caller, name: str) -> bool:
    """Membership as the system's user database tells it now, or as the caller's own group."""
    try:
        group = grp.getgrnam(name)
        primary = pwd.getpwuid(caller.uid).pw_gid
    except KeyError:
        return False
    return group.gr_gid in (caller.gid, primary) or caller.user in group.gr_mem


class Followers(Protocol):
    """What changes with a decision, in its own transaction (appliance.store.findings)."""

    def decided(self, decision: Decision, everything: Sequence[Decision]) -> None:
        """`decision` is being recorded; `everything` holds all of them, this one too."""

    def told(self) -> None:
        """It is on disk."""

    def reload(self) -> None:
        """It was rolled back."""


class Decisions:
    """Decides. `on_snapshot(n)` is called, on the writing thread, after snapshot n is on disk and recorded.

    `why_not(proposal)` tells why a sound proposal cannot work here (no such service or route); None: it can.
    """

    def __init__(
        self,
        connection: Connection,
        folder: Path,
        clock: Callable[[], float],
        on_snapshot: Callable[[int], None],
        *,
        followers: Followers | None = None,
        why_not: Callable[[Connection, Proposal], str | None] = lambda _connection, _proposal: None,
    ) -> None:
        self._connection = connection
        self._folder = folder
        self._clock = clock
        self._on_snapshot = on_snapshot
        self._followers = followers
        self._why_not = why_not

    def reconcile(self) -> int:
        """Record decisions and snapshots that lie in force on disk and are not in the tables; how many decisions."""
        snapshot = read_current(self._folder)
        if snapshot is None:
            return 0
        known = self._highest()
        missing = [decision for decision in snapshot.decisions if decision.number > known]
        with transaction(self._connection):
            for decision in missing:
                self._record(decision, snapshot.version)
            self._catch_up(snapshot)
        return len(missing)

    def decide(self, request: Decide, author: str, role: str) -> Decided:
        """Append a decision and put the snapshot with it in force.

        OperatorError: no snapshot to start from, or it cannot be written. PeerError: 409 the policy has changed since
        the analyst looked, 422 the proposal makes no sense.
        """
        base = read_current(self._folder)
        if base is None:
            raise OperatorError(f"{self._folder}: no policy snapshot yet; start the appliance once (gnomon up)")
        if request.expected_version != base.version:
            raise PeerError(
                f"the policy is at version {base.version}, you looked at {request.expected_version}; look again", 409
            )
        now = self._clock()
        self._check(self._connection, request.proposal, now)
        decision = _stamp(request.proposal, self._highest() + 1, now, author, role)
        snapshot = msgspec.structs.replace(
            base, version=base.version + 1, created=now, decisions=(*self._all(), decision)
        )
        try:
            with transaction(self._connection):
                self._put_in_force(decision, base, snapshot)
        except BaseException:
            if self._followers is not None:
                with contextlib.suppress(Exception):  # a second failure must not hide the first
                    self._followers.reload()
            raise
        self._on_snapshot(snapshot.version)
        if self._followers is not None:
            self._followers.told()
        return Decided(decision, snapshot.version)

    def refusal(self, connection: Connection, proposal: Proposal) -> str | None:
        """Why `decide` would refuse the proposal now; None: it would not. `connection`: the caller's own."""
        try:
            self._check(connection, proposal, self._clock())
        except PeerError as error:
            return str(error).removeprefix("decide: ")
        return None

    def _put_in_force(self, decision: Decision, base: PolicySnapshot, snapshot: PolicySnapshot) -> None:
        self._record(decision, snapshot.version)
        self._catch_up(base)
        self._keep(snapshot)
        if self._followers is not None:
            self._followers.decided(decision, snapshot.decisions)
        write_snapshot(self._folder, snapshot)

    def _check(self, connection: Connection, proposal: Proposal, now: float) -> None:
        scope = proposal.scope
        bounded = (proposal.service, proposal.reason, proposal.route or "")
        if not proposal.service or max(map(len, bounded)) > MAX_TEXT:
            raise PeerError(f"decide: name a service; texts are at most {MAX_TEXT} characters", 422)
        if len(scope.principals) + len(scope.groups) + len(scope.clients) > MAX_SCOPE:
            raise PeerError(f"decide: a scope names at most {MAX_SCOPE} principals, groups and clients", 422)
        if proposal.decision is DecisionKind.REDIRECT and not proposal.route:
            raise PeerError("decide: a redirect needs a route", 422)
        _check_scope(scope)
        if proposal.expires is not None and not now < proposal.expires <= LATEST:
            raise PeerError("decide: it would expire before it begins, or after the year 2099", 422)
        if proposal.undoes is not None:
            _check_undo(connection, proposal.undoes)
        if (why := self._why_not(connection, proposal)) is not None:
            raise PeerError(f"decide: {why}", 422)

    def _highest(self) -> int:
        found = self._connection.execute("SELECT coalesce(max(number), 0) FROM decisions").fetchall()[0][0]
        return msgspec.convert(found, int)

    def _all(self) -> tuple[Decision, ...]:
        rows = self._connection.execute("SELECT body FROM decisions ORDER BY number").fetchall()
        return tuple(msgspec.json.decode(str(body), type=Decision) for (body,) in rows)

    def _record(self, decision: Decision, snapshot: int) -> None:
        self._connection.execute(
            "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                decision.number, decision.ts, decision.author, decision.role, decision.decision.value, decision.service,
                decision.surface.value if decision.surface else None, decision.route, decision.reason,
                decision.expires, decision.undoes, msgspec.json.encode(decision).decode(), snapshot,
            ],
        )  # fmt: skip

    def _catch_up(self, current: PolicySnapshot) -> None:
        """Keep the snapshots up to `current` that others wrote (a first start, a change of stage)."""
        found = self._connection.execute("SELECT coalesce(max(version), 0) FROM snapshots").fetchall()[0][0]
        for version in range(msgspec.convert(found, int) + 1, current.version):
            if snapshot_path(self._folder, version).exists():
                self._keep(read_snapshot(self._folder, version))
        if msgspec.convert(found, int) < current.version:
            self._keep(current)

    def _keep(self, snapshot: PolicySnapshot) -> None:
        self._connection.execute(
            "INSERT INTO snapshots VALUES (?, ?, ?)", [snapshot.version, snapshot.created, encode(snapshot)]
        )


def _stamp(proposal: Proposal, number: int, now: float, author: str, role: str) -> Decision:
    said = {name: getattr(proposal, name) for name in proposal.__struct_fields__}
    return Decision(number=number, ts=now, author=author, role=role, **said)


def _check_scope(scope: Scope) -> None:
    """Digests and names as facts have them: with anything else it would bind nobody, in silence."""
    for prefix, digests in (("p_", scope.principals), ("a_", scope.clients)):
        if not all(map(_DIGESTS[prefix].match, digests)):
            raise PeerError(f"decide: people and addresses are named by their digests ({prefix}...)", 422)
    if not all(group.strip() and len(group) <= MAX_GROUP for group in scope.groups):
        raise PeerError(f"decide: a group has a name of at most {MAX_GROUP} characters", 422)


def _check_undo(connection: Connection, number: int) -> None:
    found = connection.execute("SELECT undone FROM v_decisions WHERE number = ?", [number]).fetchall()
    if not found:
        raise PeerError(f"decide: there is no decision {number} to undo", 422)
    if found[0][0]:
        raise PeerError(f"decide: decision {number} is already undone", 422)
