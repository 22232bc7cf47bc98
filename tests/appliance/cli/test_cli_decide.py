"""`gnomon decide`, `undo`, `decisions`, `findings` against a store that is a table of answers."""

import json
import sys
from types import SimpleNamespace

import msgspec
import pytest

from appliance import cli
from appliance.cli import analyst
from appliance.model.decision import Decision, Scope
from appliance.model.errors import OperatorError
from appliance.model.finding import Finding, finding_id
from appliance.model.names import DecisionKind, FindingKind, FindingState, Governance, Severity, Surface
from appliance.store.finding_pages import (
    ApplianceState,
    FindingDetail,
    FindingsHead,
    Party,
    Preview,
    WorkerState,
)
from appliance.store.pages import DecisionSummary, PageHead, Person
from appliance.store.wire import Decided

NOW = 1_700_000_000.0
MARIA, PAUL, HOST = "p_" + "1" * 16, "p_" + "2" * 16, "a_" + "3" * 16
HOSTILE = "\x1b[31m[bold]\u202eevil"
FINDING = Finding(
    id=finding_id(FindingKind.SERVICE_IN_USE, "openai", Surface.API), kind=FindingKind.SERVICE_IN_USE, subject="openai",
    name=HOSTILE, owner="x", category="model_api", surface=Surface.API, severity=Severity.HIGH, state=FindingState.NEW,
    governance=Governance.BYPASS, confidence=1.0, first_seen=NOW, last_seen=NOW, governed=1, bypass=2, hints=3,
    people=2, hosts=1,
)  # fmt: skip
OLD = Decision(
    number=4, ts=NOW, author="ann", role="analyst", decision=DecisionKind.BLOCK, service="openai",
    surface=Surface.API, scope=Scope(principals=(MARIA,)), reason=HOSTILE,
)  # fmt: skip


class FakeStore:
    """Answers as the store would; remembers what was decided."""

    def __init__(self) -> None:
        self.names = {MARIA: "maria", PAUL: "paul", HOST: "10.1.2.3"}
        self.refusal, self.undone = None, False
        self.applied = [7, 7]
        self.taken = []

    def __call__(self, _path):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def call(self, verb, request, reply, **_):
        answer = getattr(self, f"_{verb}")(request)
        head, rows = answer if isinstance(answer, tuple) else (answer, [])
        assert isinstance(head, reply)
        return head, msgspec.json.encode(rows)

    def _appliance(self, _):
        workers = tuple(WorkerState(f"w{place}", True, applied) for place, applied in enumerate(self.applied))
        return ApplianceState(phase="up", stage="observe", version=6, workers=workers)

    def _preview(self, request):
        self.previewed = request
        return Preview(self.refusal, 5, 4, 2, 1, 3, 1, 0, {"allow": 5})

    def _decide(self, request):
        self.taken.append(request)
        given = {name: getattr(request.proposal, name) for name in request.proposal.__struct_fields__}
        return Decided(Decision(number=9, ts=NOW, author="ann", role="admin", **given), 7)

    def _decisions(self, request):
        shown = request.before is None or request.before > OLD.number
        rows = [DecisionSummary(OLD.number, msgspec.Raw(msgspec.json.encode(OLD)), 5, self.undone)] if shown else []
        return PageHead(len(rows)), rows

    def _findings(self, request):
        return FindingsHead(1, 1), [FINDING][: request.limit]

    def _finding(self, _):
        people = tuple(Party(digest, "person", NOW, NOW, 1, 0, 0) for digest in (MARIA, PAUL))
        return FindingDetail(FINDING, people, (Party(HOST, "host", NOW, NOW, 0, 1, 0),), (), (), ())

    def _persons(self, request):
        rows = [Person(digest, self.names[digest], NOW, NOW) for digest in request.digests if digest in self.names]
        return PageHead(len(rows)), rows


@pytest.fixture
def store(monkeypatch):
    fake = FakeStore()
    monkeypatch.setattr("appliance.bus.client.BlockingClient", fake)
    return fake


@pytest.fixture
def gnomon(store, tmp_path, capsys, monkeypatch):
    config = tmp_path / "gnomon.yaml"
    config.write_text(f"state_dir: {tmp_path}/state\n")

    def run(*words, answer=None):
        terminal = SimpleNamespace(isatty=lambda: answer is not None, readline=lambda: answer)
        monkeypatch.setattr(sys, "stdin", terminal)
        code = cli.main([*words, "--config", str(config)])
        told = capsys.readouterr()
        for sign in ("\x1b", "\u202e"):
            assert sign not in told.out + told.err
        return code, told.out, told.err

    return run


def test_previewed_taken_and_applied(gnomon, store):
    code, out, _ = gnomon("decide", "block", "openai", "--surface", "api", "--reason", "no", "--yes")
    assert code == 0
    assert "would change  4 of 5 exchanges (7d)" in out
    assert "sightings past the appliance: 3, by hosts: 1" in out
    assert "stage observe: it would be recorded only" in out
    assert out.endswith("decision 9: policy 7 applied on 2/2 workers\n")
    (taken,) = store.taken
    assert taken.expected_version == 6
    assert taken.proposal == store.previewed.proposal
    assert (taken.proposal.surface, taken.proposal.scope, taken.proposal.reason) == (Surface.API, Scope(), "no")


def test_a_finding_stands_for_its_service_and_surface(gnomon, store):
    assert gnomon("decide", "approve", FINDING.id, "--yes")[0] == 0
    assert (store.taken[0].proposal.service, store.taken[0].proposal.surface) == ("openai", Surface.API)


def test_preview_takes_nothing(gnomon, store):
    code, out, _ = gnomon("decide", "block", "openai", "--preview", "--json")
    assert (code, json.loads(out)["changed"], store.taken) == (0, 4, [])


def test_what_the_store_would_refuse_is_not_sent(gnomon, store):
    store.refusal = HOSTILE
    code, _, err = gnomon("decide", "block", "openai", "--yes")
    assert (code, store.taken) == (2, [])
    assert "evil" in err


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("yes\n", 0), ("\n", 1), ("n\n", 1), ("", 1)])
def test_on_a_terminal_a_person_is_asked(gnomon, store, answer, code):
    assert gnomon("decide", "block", "openai", answer=answer)[0] == code
    assert len(store.taken) == (code == 0)


def test_elsewhere_yes_must_be_said(gnomon, store):
    assert gnomon("decide", "block", "openai")[0] == 2
    assert store.taken == []


@pytest.mark.parametrize(("applied", "told"), [([7, 6], "1/2"), ([6, 6], "0/2"), ([], "0/0")])
def test_not_everywhere_in_time_is_exit_1(gnomon, store, applied, told):
    store.applied = applied
    code, out, _ = gnomon("decide", "block", "openai", "--yes", "--seconds", "0")
    assert (code, told in out) == (1, True)


def test_names_become_digests(gnomon, store):
    people = ("--user", "maria", "--user", PAUL, "--group", "design", "--client", "10.1.2.3")
    assert gnomon("decide", "block", "openai", *people, "--yes")[0] == 0
    assert store.taken[0].proposal.scope == Scope(principals=(MARIA, PAUL), groups=("design",), clients=(HOST,))


@pytest.mark.parametrize(
    ("names", "words"),
    [({}, "nobody of that name"), ({MARIA: "maria", PAUL: "maria"}, f"stands for several ({MARIA}, {PAUL})")],
)
def test_a_name_must_mean_one_person(gnomon, store, names, words):
    store.names = names
    code, _, err = gnomon("decide", "block", "openai", "--user", "maria", "--yes")
    assert (code, words in err, store.taken) == (2, True, [])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("block", "opnai"), "openai"),
        (("redirect", "openai"), "--route"),
        (("block", "openai", "--route", "openai"), "--route"),
        (("block", "openai", "--expires", "soon"), "no time"),
        (("block", HOSTILE), "no service"),
    ],
)
def test_wrong_words(gnomon, store, words, told):
    code, _, err = gnomon("decide", *words, "--yes")
    assert (code, told in err, store.taken) == (2, True, [])


def test_undo_names_the_old_one(gnomon, store):
    code, out, _ = gnomon("undo", "4", "--yes")
    assert code == 0
    assert f"takes back decision 4: block openai (api) for {MARIA}" in out
    proposal = store.taken[0].proposal
    assert (proposal.decision, proposal.undoes, proposal.service) == (DecisionKind.DISMISS, 4, "openai")
    store.undone = True
    assert gnomon("undo", "4", "--yes")[0] == 2
    assert gnomon("undo", "3", "--yes")[0] == 2


def test_hostile_text_is_inert_wherever_it_is_shown(gnomon):
    for words in (("findings",), ("finding", FINDING.id), ("decisions",)):
        code, out, _ = gnomon(*words)
        assert code == 0
        assert "openai" in out
    assert "maria" in gnomon("finding", FINDING.id)[1]
    assert json.loads(gnomon("findings", "--json", "--severity", "low", "--state", "new")[1])[0]["id"] == FINDING.id
    assert json.loads(gnomon("decisions", "--json")[1])[0]["decision"]["number"] == 4


@pytest.mark.parametrize(
    ("text", "moment"),
    [("7d", NOW + 7 * 86_400), ("90m", NOW + 5400), ("2w", NOW + 14 * 86_400), ("2030-01-01", 1_893_456_000.0),
     ("2030-01-01T01:00+01:00", 1_893_456_000.0)],
)  # fmt: skip
def test_moments_to_come(text, moment):
    assert analyst.ahead(text, NOW, "--expires") == moment


@pytest.mark.parametrize("text", ["", "7", "d", "-7d", "2001-01-01", "9999999d", "never"])
def test_no_moment_to_come(text):
    with pytest.raises(OperatorError, match="--expires"):
        analyst.ahead(text, NOW, "--expires")


@pytest.mark.parametrize("ts", [1e308, float("inf"), float("nan"), -1e300])
def test_a_moment_that_no_calendar_has_is_shown_all_the_same(ts):
    assert analyst.when(ts) == "?"
