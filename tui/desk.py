"""What all screens share: the link to the store, how the appliance stands, clear names, and who wants to hear of it.

Owns: every question that the terminal asks the store. Rules: a question raises RemoteError or Unreachable and nothing
else; a listener that is called back must not wait.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from appliance.bus.control import Snapshot
from appliance.bus.errors import RemoteError
from appliance.model.feedback import Feedback
from appliance.model.finding import Finding, FindingKey
from appliance.store import finding_pages as pages
from appliance.store.budget_pages import BudgetDetail, BudgetRequest, BudgetsHead, BudgetsRequest, BudgetState
from appliance.store.exposure_pages import ExposedKey, ExposureHead, ExposureRequest
from appliance.store.feedback_pages import FeedbackRequest
from appliance.store.host_pages import HostDetail, HostKey, HostRecord, HostRequest, HostsHead, HostsRequest
from appliance.store.moving import Migration, MigrationRequest
from appliance.store.pages import DecisionsRequest, DecisionSummary, PageHead, Person, PersonsRequest
from appliance.store.people_pages import (
    HeldHead,
    HeldKeyState,
    HeldRequest,
    PeopleHead,
    PeopleRequest,
    PersonDetail,
    PersonRequest,
    PersonUse,
)
from appliance.store.wire import Decide, Decided
from tui.client_state import decision_lines
from tui.client_state.form import PREVIEW_S
from tui.client_state.moments import HOUR
from tui.client_state.names import Names
from tui.client_state.rows import Asked, Page
from tui.client_state.standing import Standing
from tui.connection import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from appliance.model.decision import Proposal
    from appliance.model.names import Verity
    from tui.client_state.decision_lines import Entry

type Heard = Callable[[str], None]


class Desk:
    """One analyst's view. `clock` gives epoch seconds."""

    def __init__(self, run_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.standing = Standing()
        self.names = Names()
        self.names_refused = False
        self.link = Link(run_dir, self._heard, self._learn, clock)
        self._listeners: list[Heard] = []

    def listen(self, heard: Heard) -> None:
        """Have `heard(topic)` called for each push, and for `up` and `away`."""
        self._listeners.append(heard)

    def forget(self, heard: Heard) -> None:
        """No more."""
        if heard in self._listeners:
            self._listeners.remove(heard)

    def _heard(self, topic: str) -> None:
        for heard in tuple(self._listeners):
            heard(topic)

    def _learn(self, told: pages.ApplianceState | Snapshot) -> None:
        if isinstance(told, Snapshot):
            self.standing.snapshot(told.version)
        else:
            self.standing.learn(told)

    # reading

    async def findings(self, request: pages.FindingsRequest, asked: Asked[FindingKey]) -> Page[FindingKey, Finding]:
        """A page of findings that fit the filter."""
        wanted = msgspec.structs.replace(request, limit=asked.limit, before=asked.before)
        head, body = await self.link.ask("findings", wanted, reply=pages.FindingsHead)
        return Page(_rows(body, Finding), asked.before, head.next, head.total)

    async def finding(self, finding: str) -> pages.FindingDetail:
        """Everything about one, with the clear names of whom it affects learnt on the way."""
        detail, _ = await self.link.ask("finding", pages.FindingRequest(finding=finding), reply=pages.FindingDetail)
        await self.learn_names([party.digest for party in (*detail.people, *detail.hosts)])
        await self.learn_names(each.client for each in detail.evidence)
        await self.learn_names(each.person for each in detail.signals)
        return detail

    async def decisions(self, asked: Asked[int]) -> Page[int, Entry]:
        """A page of the log; a record that cannot be read is left out."""
        wanted = DecisionsRequest(limit=asked.limit, before=asked.before)
        head, body = await self.link.ask("decisions", wanted, reply=PageHead)
        entries = []
        for summary in _rows(body, DecisionSummary):
            try:
                entries.append(decision_lines.entry(summary))
            except msgspec.MsgspecError:
                continue
        await self.learn_names(digest for each in entries for digest in decision_lines.digests(each.decision))
        return Page(entries, asked.before, head.next, len(entries))

    async def hosts(self, request: HostsRequest, asked: Asked[HostKey]) -> Page[HostKey, HostRecord]:
        """A page of hosts that fit, with the clear names of what it shows learnt on the way."""
        wanted = msgspec.structs.replace(request, limit=asked.limit, before=asked.before)
        head, body = await self.link.ask("hosts", wanted, reply=HostsHead)
        rows = _rows(body, HostRecord)
        await self.learn_names(each for host in rows for each in (host.address, *host.names[-1:]))
        return Page(rows, asked.before, head.next, head.total)

    async def host(self, address: str) -> HostDetail:
        """Everything about one."""
        detail, _ = await self.link.ask("host", HostRequest(address=address), reply=HostDetail)
        await self.learn_names(detail.host.digests)
        return detail

    async def exposure(self, request: ExposureRequest) -> tuple[list[ExposedKey], int]:
        """Keys that were seen, and how many fit, with the clear names of whom they show learnt on the way."""
        head, body = await self.link.ask("exposure", request, reply=ExposureHead)
        keys = _rows(body, ExposedKey)
        await self.learn_names(each for key in keys for each in key.principals[:2])
        return keys, head.total

    async def budgets(self) -> tuple[BudgetsHead, list[BudgetState]]:
        """Where budgets stand, the fullest first, with the clear names of whose counters those are."""
        head, body = await self.link.ask("budgets", BudgetsRequest(), reply=BudgetsHead)
        states = _rows(body, BudgetState)
        await self.learn_names(one.fullest.subject for one in states if one.per == "user" and one.fullest)
        return head, states

    async def budget(self, name: str) -> BudgetDetail:
        """Everything about one."""
        detail, _ = await self.link.ask("budget", BudgetRequest(budget=name), reply=BudgetDetail)
        own = detail.standings if detail.state.per == "user" else ()
        await self.learn_names([*(one.subject for one in own), *(one.what for one in detail.people)])
        return detail

    async def held_keys(self) -> tuple[HeldHead, list[HeldKeyState]]:
        """Keys that the appliance holds, and what should have been done about them."""
        head, body = await self.link.ask("held_keys", HeldRequest(), reply=HeldHead)
        return head, _rows(body, HeldKeyState)

    async def migration(self) -> list[Migration]:
        """What has become of decisions in force, with the clear names of who is still there."""
        _, body = await self.link.ask("migration", MigrationRequest(now=self.clock()), reply=PageHead)
        found = _rows(body, Migration)
        await self.learn_names(each.who for one in found for each in one.there)
        return found

    async def people(self, request: PeopleRequest) -> tuple[list[PersonUse], int]:
        """Who asked, and how many fit, with their clear names."""
        head, body = await self.link.ask("people", request, reply=PeopleHead)
        found = _rows(body, PersonUse)
        await self.learn_names(one.person for one in found)
        return found, head.total

    async def person(self, digest: str, since: float) -> PersonDetail:
        """Everything about one since then."""
        detail, _ = await self.link.ask("person", PersonRequest(person=digest, since=since), reply=PersonDetail)
        await self.learn_names([digest])
        return detail

    async def overview(self) -> pages.Overview:
        """The last hour."""
        told, _ = await self.link.ask(
            "overview", pages.OverviewRequest(since=self.clock() - HOUR), reply=pages.Overview
        )
        return told

    async def preview(self, proposal: Proposal) -> pages.Preview:
        """What a proposal would have done."""
        request = pages.PreviewRequest(proposal=proposal, since=self.clock() - PREVIEW_S)
        told, _ = await self.link.ask("preview", request, reply=pages.Preview)
        return told

    async def learn_names(self, digests: Iterable[str]) -> None:
        """Ask for clear names not known yet; who may not have them sees digests."""
        wanted = self.names.wanted(digest for digest in digests if digest)
        if not wanted or self.names_refused:
            return
        try:
            _, body = await self.link.ask("persons", PersonsRequest(digests=wanted), reply=PageHead)
        except RemoteError:
            self.names_refused = True
            return
        self.names.learn(wanted, _rows(body, Person))

    # changing

    async def decide(self, proposal: Proposal, looked_at: int) -> Decided:
        """Decide, having looked at policy version `looked_at`; the decision is then watched until it is applied."""
        request = Decide(proposal=proposal, expected_version=looked_at)
        decided, _ = await self.link.ask("decide", request, reply=Decided)
        self.standing.decided(decided.decision.number, decided.version)
        return decided

    async def refresh_standing(self) -> None:
        """Ask how the appliance stands now, e.g. after a decision met another policy than was looked at."""
        state, _ = await self.link.ask("appliance", pages.ApplianceRequest(), reply=pages.ApplianceState)
        self.standing.learn(state)

    async def judge(self, finding: str, entity: str, verdict: Verity) -> None:
        """Say that what was detected in a finding's exchanges is right or wrong."""
        request = FeedbackRequest(finding=finding, entity=entity, verdict=verdict)
        await self.link.ask("feedback", request, reply=Feedback)

    async def triage(self, finding: Finding) -> None:
        """Mark a finding as looked at."""
        request = pages.TriageRequest(finding=finding.id, expected=finding.state)
        await self.link.ask("triage", request, reply=Finding)


def _rows[T](body: bytes, record: type[T]) -> list[T]:
    """The rows of a body. RemoteError: it is not what was agreed."""
    try:
        return msgspec.json.decode(body, type=list[record])  # type: ignore[valid-type]
    except msgspec.MsgspecError as error:
        raise RemoteError("malformed", f"rows cannot be read: {error}") from None
