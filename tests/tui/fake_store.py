"""A store in memory behind a real analyst.sock, for the terminal's tests and measurements.

`python fake_store.py RUN_DIR COUNT` serves until its stdin ends.
"""

import asyncio
import sys
import time
from pathlib import Path

import msgspec

from appliance.bus.control import SNAPSHOT, Snapshot
from appliance.bus.server import Reply, Server, Verb
from appliance.bus.verbs import Done
from appliance.model.decision import Decision
from appliance.model.errors import PeerError
from appliance.model.feedback import Feedback
from appliance.model.finding import Finding, FindingKey, finding_id
from appliance.model.names import (
    DetectionKind,
    FindingKind,
    FindingState,
    Governance,
    Severity,
    Stage,
    Surface,
    Verity,
)
from appliance.store import finding_pages as fp
from appliance.store import pages, wire
from appliance.store.feedback_pages import EntityFeedback, FeedbackRequest

SEVERITIES = tuple(Severity)
NOW = time.time()


def finding(at: int, **changes) -> Finding:
    subject = changes.pop("subject", f"service-{at}")
    given = {
        "id": finding_id(FindingKind.SERVICE_IN_USE, subject, Surface.API),
        "kind": FindingKind.SERVICE_IN_USE,
        "subject": subject,
        "name": f"Service {at}",
        "owner": "Someone",
        "category": "llm",
        "surface": Surface.API,
        "severity": SEVERITIES[at % 3 + 1],
        "state": FindingState.NEW,
        "governance": Governance.BYPASS if at % 2 else Governance.GOVERNED,
        "confidence": 0.9,
        "first_seen": NOW - 90_000,
        "last_seen": NOW - at * 10,
        "governed": at,
        "bypass": at % 7,
        "hints": 1,
        "people": at % 5,
        "hosts": 2,
    }
    return Finding(**{**given, **changes})


def key_of(each: Finding) -> tuple:
    return (-each.severity.rank, -each.last_seen, each.id)


def party(digest: str, kind: str) -> fp.Party:
    return fp.Party(digest, kind, NOW - 90_000, NOW - 60, 3, 1, 0)


class FakeStore:
    """The verbs of analyst.sock that the terminal uses. `state` is what the supervisor would tell."""

    def __init__(self, run_dir: Path, findings=()):
        self.findings = {each.id: each for each in findings}
        self.decisions: list[tuple[Decision, int]] = []
        self.undone: set[int] = set()
        self.people = {"p_ann": "ann", "a_ten": "10.0.0.10"}
        self.state = fp.ApplianceState(
            phase="up",
            stage="observe",
            version=7,
            proxy="127.0.0.1:8080",
            gateway="127.0.0.1:4000",
            workers=(fp.WorkerState("w1", ready=True, applied=7), fp.WorkerState("w2", ready=True, applied=7)),
            sensors=(fp.SensorState("s1", "eth1", "capturing"),),
            routes=("approved", "other"),
        )
        self.preview = fp.Preview(None, 52, 41, 6, 9, 13, 4, 2)
        self.refuse_routes: set[str] = set()
        self.calls: list[tuple[str, object]] = []
        self.detail_text = "api.service.test"
        self.judged = (0, 0)  # how often the first detection was called right, and wrong
        self.server = Server(
            run_dir / "analyst.sock", self.verbs(), topics=frozenset({fp.FINDINGS, fp.APPLIANCE, SNAPSHOT})
        )

    def verbs(self):
        kinds = {
            "findings": (fp.FindingsRequest, self._findings),
            "finding": (fp.FindingRequest, self._finding),
            "triage": (fp.TriageRequest, self._triage),
            "feedback": (FeedbackRequest, self._feedback),
            "preview": (fp.PreviewRequest, self._preview),
            "overview": (fp.OverviewRequest, self._overview),
            "appliance": (fp.ApplianceRequest, lambda _: Reply(self.state)),
            "decisions": (pages.DecisionsRequest, self._decisions),
            "persons": (pages.PersonsRequest, self._persons),
            "decide": (wire.Decide, self._decide),
        }
        return {name: Verb(record, self._answering(name, answer)) for name, (record, answer) in kinds.items()}

    def _answering(self, name, answer):
        async def handler(request, _body, _peer):
            self.calls.append((name, request))
            return answer(request)

        return handler

    async def __aenter__(self):
        await self.server.start()
        return self

    async def __aexit__(self, *_):
        await self.server.close()

    # what happens at the store

    def put(self, *found: Finding) -> None:
        self.findings |= {each.id: each for each in found}
        self.server.publish(fp.FINDINGS, Done())

    def tell(self, **changes) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)
        self.server.publish(fp.APPLIANCE, self.state)

    def apply_everywhere(self) -> None:
        workers = tuple(msgspec.structs.replace(each, applied=self.state.version) for each in self.state.workers)
        self.tell(workers=workers)

    def asked(self, verb: str) -> list:
        return [request for name, request in self.calls if name == verb]

    # verbs

    def _fits(self, each: Finding, request: fp.FindingsRequest) -> bool:
        text = f"{each.name} {each.subject} {each.owner} {each.category}".lower()
        return (
            (not request.states or each.state in request.states)
            and (request.governance is None or each.governance is request.governance)
            and (request.severity is None or each.severity.rank >= request.severity.rank)
            and (request.text is None or request.text.lower() in text)
        )

    def _findings(self, request):
        fitting = sorted((each for each in self.findings.values() if self._fits(each, request)), key=key_of)
        total = len(fitting)
        if request.before is not None:
            behind = (-request.before.rank, -request.before.last_seen, request.before.id)
            fitting = [each for each in fitting if key_of(each) > behind]
        page = fitting[: request.limit]
        last = page[-1] if len(fitting) > len(page) else None
        following = FindingKey(last.severity.rank, last.last_seen, last.id) if last else None
        return Reply(fp.FindingsHead(len(page), total, following), msgspec.json.encode(page))

    def _finding(self, request):
        if request.finding not in self.findings:
            raise PeerError("there is no such finding", 404)
        text = self.detail_text
        return Reply(
            fp.FindingDetail(
                self.findings[request.finding],
                (party("p_ann", "person"), party("p_bob", "person")),
                (party("a_ten", "host"),),
                (fp.Evidence(1, NOW - 60, "eth1", "tls", "a_ten", text),),
                (fp.StateChange(NOW - 50, "ann", FindingState.NEW, FindingState.TRIAGED, None, text),),
                tuple(range(48)),
                (EntityFeedback("EMAIL_ADDRESS", "pii", *self.judged, 12), EntityFeedback("IBAN_CODE", "pii", 0, 0, 3)),
            )
        )

    def _feedback(self, request):
        right, wrong = self.judged
        self.judged = (right, wrong + 1) if request.verdict is Verity.WRONG else (right + 1, wrong)
        kept = {"finding": request.finding, "entity": request.entity, "verdict": request.verdict}
        return Reply(Feedback(number=1, ts=NOW, author="ann", role="analyst", kind=DetectionKind.PII, **kept))

    def _triage(self, request):
        each = self.findings[request.finding]
        if each.state is not request.expected:
            raise PeerError("the finding has changed", 409)
        self.put(msgspec.structs.replace(each, state=FindingState.TRIAGED))
        return Reply(self.findings[each.id])

    def _preview(self, request):
        refused = request.proposal.route in self.refuse_routes
        return Reply(msgspec.structs.replace(self.preview, refusal="another dialect") if refused else self.preview)

    def _overview(self, _request):
        by_state = {state.value: 0 for state in FindingState} | {"new": len(self.findings)}
        top = (fp.TopService("openai", "OpenAI", 40, 13, 6),)
        severity = {each.value: 1 for each in Severity}
        return Reply(fp.Overview(by_state, severity, 52, 1, 2, 30, 13, 6, 9, top, 1))

    def _persons(self, request):
        found = [pages.Person(each, self.people[each], 0.0, 0.0) for each in request.digests if each in self.people]
        return Reply(pages.PageHead(len(found)), msgspec.json.encode(found))

    def _decisions(self, request):
        rows = [
            pages.DecisionSummary(
                each.number, msgspec.Raw(msgspec.json.encode(each)), snapshot, each.number in self.undone
            )
            for each, snapshot in reversed(self.decisions)
            if request.before is None or each.number < request.before
        ][: request.limit]
        following = rows[-1].number if len(rows) == request.limit else None
        return Reply(pages.PageHead(len(rows), following), msgspec.json.encode(rows))

    def _decide(self, request):
        if request.expected_version != self.state.version:
            raise PeerError(f"the policy is at version {self.state.version}, you looked at another; look again", 409)
        said = {name: getattr(request.proposal, name) for name in request.proposal.__struct_fields__}
        decision = Decision(number=len(self.decisions) + 1, ts=NOW, author="ann", role="analyst", **said)
        version = self.state.version + 1
        self.decisions.append((decision, version))
        if decision.undoes:
            self.undone.add(decision.undoes)
        self.state = msgspec.structs.replace(self.state, version=version)
        self.server.publish(SNAPSHOT, Snapshot(version))
        return Reply(wire.Decided(decision, version))


async def serve(run_dir: Path, count: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with FakeStore(run_dir, [finding(at) for at in range(count)]) as store:
        store.state = msgspec.structs.replace(store.state, stage=Stage.OBSERVE)

        def told() -> None:
            words = sys.stdin.readline().split()
            if not words:
                loop.remove_reader(0)
                stop.set()
            elif words[0] == "put":
                store.put(
                    finding(0, subject=words[1], name=words[1], severity=Severity.CRITICAL, last_seen=time.time())
                )

        loop.add_reader(0, told)
        print("ready", flush=True)  # noqa: T201
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
