"""`gnomon policy`: what a version of the rules means, against a store that is a table of answers."""

import json
from pathlib import Path

import msgspec
import pytest

from appliance import cli
from appliance.cli import policy_suggest, policy_versions
from appliance.config.policy_file import load_policy
from appliance.config.policy_versions import compare
from appliance.config.site_key import load_site_key
from appliance.model.detection import Label
from appliance.model.event import ExchangeOpened
from appliance.model.facts import Facts, Verdict
from appliance.model.names import DetectionKind, Disposition, Stage
from appliance.model.pseudonym import Pseudonyms
from appliance.policy.disk import write_snapshot
from appliance.policy.document import json_schema
from appliance.policy.snapshot import PolicySnapshot
from appliance.store.judged_pages import Judged, JudgedCount, Said
from appliance.store.pages import ExchangeRecord, PageHead

NOW = 1_763_700_000.0
RULES = "rules:\n- {id: mails, match: {ai: true, labels: {entities: [EMAIL_ADDRESS]}}, then: {disposition: redact}}\n"
STRICT = RULES + "- {id: alice, match: {services: [openai], users: [alice]}, then: {disposition: block}}\n"
TESTED = (
    STRICT
    + """tests:
- {name: alice, request: {host: api.openai.com, user: alice}, expect: {disposition: block, rule: alice}}
- {name: bob, request: {host: api.openai.com, user: bob}, expect: {disposition: %s, hidden: []}}
"""
)


class FakeStore:
    """Pages of two, so that a replay has to ask again."""

    def __init__(self, key):
        person = Pseudonyms(key).person
        self.facts = [self.made(person(name), n) for n, name in enumerate(("alice", "bob", "alice", "carol", "alice"))]
        self.asked = []
        self.said = [Said(n, "EMAIL_ADDRESS", "pii", "wrong", "openai", 0.5) for n in range(1, 7)]

    @staticmethod
    def made(principal, n):
        labels = (Label("EMAIL_ADDRESS", DetectionKind.PII, 1, 0.9),) if n == 3 else ()
        return Facts(
            principal=principal,
            client="a_1",
            service="openai",
            category="model_api",
            host="api.openai.com",
            port=443,
            method="POST",
            path="/v1/chat/completions",
            api="openai.chat",
            labels=labels,
        )

    def __call__(self, _path):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def call(self, verb, request, **_):
        self.asked.append(verb)
        if verb == "judged_count":
            return PageHead(1), msgspec.json.encode([JudgedCount(len(self.facts))])
        if verb == "said":
            return PageHead(len(self.said)), msgspec.json.encode(self.said)
        if verb == "exchange":
            verdict = Verdict(Disposition.ALLOW, Disposition.ALLOW, Stage.ENFORCE)
            event = ExchangeOpened(
                exchange="x", ts=NOW, worker="w0", facts=self.facts[0], verdict=verdict, body_digest="", sent_digest=""
            )
            body = msgspec.Raw(b'{"event":' + msgspec.json.encode(event) + b"}")
            rows = [ExchangeRecord(1, "open", "d", body)] if request.exchange == "x" else []
            return PageHead(len(rows)), msgspec.json.encode(rows)
        rows = [self.row(n) for n in range(request.after + 1, len(self.facts) + 1)][:2]
        following = rows[-1].n if len(rows) == 2 else None
        return PageHead(len(rows), following), msgspec.json.encode(rows)

    def row(self, n):
        facts = msgspec.Raw(msgspec.json.encode(self.facts[n - 1]))
        return Judged(n, NOW + n, f"x{n}", facts, "allow", "allow", None, 1, None if n == 1 else 500_000)


@pytest.fixture
def gnomon(tmp_path, capsys, monkeypatch):
    state = tmp_path / "state"
    state.mkdir()
    store = FakeStore(load_site_key(state))
    monkeypatch.setattr("appliance.bus.client.BlockingClient", store)
    (tmp_path / "policy.yaml").write_text(RULES)
    (tmp_path / "strict.yaml").write_text(STRICT)
    rules = load_policy(tmp_path / "policy.yaml")
    write_snapshot(state / "policy", PolicySnapshot(version=3, created=NOW, stage=Stage.ENFORCE, rules=rules))
    config = tmp_path / "gnomon.yaml"
    config.write_text(f"state_dir: {state}\npolicy: {{file: policy.yaml}}\n")

    def run(*words):
        with_config = () if words[1] == "schema" else ("--config", str(config))
        code = cli.main(["policy", *words[1:], *with_config])
        return code, capsys.readouterr().out

    run.store, run.folder, run.config = store, tmp_path, config
    return run


def test_a_replay_tells_users_requests_and_cost_of_what_would_change(gnomon):
    code, out = gnomon("policy", "replay", str(gnomon.folder / "strict.yaml"), "--since", "all")
    assert code == 0
    assert "3 of 5 exchanges would be treated otherwise, of 1 of 3 people; they cost $1.00 of $2.00." in out
    assert "allow -> block by alice: 3 exchanges, 1 people, $1.00 and 1 without a price" in out
    assert gnomon.store.asked == ["judged_count", "judged", "judged", "judged"]


def test_a_replay_against_the_record_counts_what_was_recorded_otherwise(gnomon):
    path = str(gnomon.folder / "policy.yaml")
    assert "0 of 5 exchanges" in gnomon("policy", "replay", path, "--since", "all")[1]
    code, out = gnomon("policy", "replay", path, "--since", "all", "--against-record", "--json")
    told = json.loads(out)
    assert (code, told["changed"], [one["after"] for one in told["changes"]]) == (0, 1, ["redact"])


def test_a_replay_needs_the_key_that_users_were_named_with(gnomon, capsys):
    (gnomon.folder / "state" / "site.key").unlink()
    assert gnomon("policy", "replay", str(gnomon.folder / "strict.yaml"))[0] == 2


def test_a_table_of_cases(gnomon):
    path = gnomon.folder / "tested.yaml"
    path.write_text(TESTED % "allow")
    assert gnomon("policy", "test", str(path))[0] == 0
    path.write_text(TESTED % "block")
    code, out = gnomon("policy", "test", str(path))
    assert code == 1
    assert f"{path}:6: bob: allow, not block\n" in out
    assert "No case is decided by mails." in out
    assert gnomon("policy", "test", str(gnomon.folder / "strict.yaml"))[0] == 2  # no cases


def test_the_embedded_policy_does_what_its_cases_say(gnomon):
    gnomon.config.write_text("")
    assert gnomon("policy", "test")[0] == 0


def test_a_difference_is_told_in_words(gnomon):
    strict = str(gnomon.folder / "strict.yaml")
    assert gnomon("policy", "diff", strict, strict) == (0, "The rules are the same.\n")
    code, out = gnomon("policy", "diff", str(gnomon.folder / "policy.yaml"), strict)
    assert (code, out) == (1, "added alice\n  block for users alice: services openai\n  affects: users alice\n")
    assert compare((), ()).text() == "The rules are the same."


def test_an_exchange_is_explained_under_the_policy_in_force_or_another(gnomon):
    assert "No rule of policy 3 matches" in gnomon("policy", "explain", "--exchange", "x")[1]
    out = gnomon("policy", "explain", "--exchange", "x", "--file", str(gnomon.folder / "strict.yaml"))[1]
    assert "Decided by the organisation rule alice" in out
    assert gnomon("policy", "explain", "--exchange", "nowhere")[0] == 2
    assert gnomon("policy", "explain")[0] == 2


def test_more_of_a_request_can_be_imagined(gnomon):
    path = gnomon.folder / "night.yaml"
    path.write_text(
        "rules:\n- id: night\n  match: {tools: [shell], virtual_keys: [k1], request_bytes: {min: 5},"
        ' time: {hours: ["22:00-06:00"]}}\n  then: {disposition: block}\n'
    )
    words = ("policy", "explain", "a.example", "--file", str(path), "--tool", "shell", "--key", "k1", "--bytes", "5")
    assert "Verdict: block." in gnomon(*words, "--at", "2027-01-15T23:00")[1]
    assert "Verdict: allow." in gnomon(*words, "--at", "2027-01-15T21:00")[1]
    assert gnomon(*words, "--at", "tonight")[0] == 2


def test_the_schema_is_printed(gnomon):
    assert json.loads(gnomon("policy", "schema")[1]) == json.loads(json.dumps(json_schema()))


def test_a_suggestion_is_a_diff_with_its_effect_and_nothing_is_written(gnomon):
    before = (gnomon.folder / "policy.yaml").read_text()
    gnomon.folder.joinpath("policy.yaml").write_text(before.replace("]}", "], min_score: 0.4}"))
    code, out = gnomon("policy", "suggest", "--since", "all")
    assert code == 0
    assert out.startswith("# rule mails: EMAIL_ADDRESS: 6 of 6 were wrong; from 0.51 on, 6 of these go")
    assert "\n# 0 of 5 exchanges would be treated otherwise" in out
    assert "min_score: 0.51}" in next(line for line in out.splitlines() if line.startswith("+-"))
    assert "0.4" in (gnomon.folder / "policy.yaml").read_text()
    gnomon.store.said = []
    assert gnomon("policy", "suggest")[0] == 1


def test_the_words_of_analysts_go_without_those_that_have_no_score(gnomon):
    gnomon.store.said = [Said(1, "A", "pii", "wrong"), Said(2, "A", "pii", "right", None, 0.5)]
    assert [word.verdict for word in policy_suggest._words(gnomon.store)] == ["right"]
    assert Path(policy_versions.__file__).exists()


def test_guards_are_told_for_the_site(gnomon):
    assert "inspect.icap.on_failure" in gnomon("policy", "guards")[1]
    assert {one["name"]: one["enforce"] for one in json.loads(gnomon("policy", "guards", "--json")[1])}["journal"] == (
        "closes"
    )
