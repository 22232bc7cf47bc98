"""`gnomon detectors` and `gnomon feedback`, against a store that is a table of answers."""

import json

import pytest

from appliance import cli
from appliance.bus.control import ChildStatus
from appliance.bus.errors import Unreachable
from appliance.cli import control
from appliance.cli.detectors import share_wrong
from appliance.model.detection import DetectorCount
from appliance.model.feedback import Feedback
from appliance.model.names import DetectionKind, Verity
from appliance.store.feedback_pages import DetectorsTold, DetectorTotal, EntityFeedback

NOW = 1_700_000_000.0


class FakeStore:
    def __init__(self):
        self.said, self.away = [], False
        self.told = DetectorsTold(
            (DetectorTotal("patterns", NOW, 10, 2, 1.0, 0, 1), DetectorTotal("topics", NOW + 60, 5, 0, 9.0, 0, 0)),
            (EntityFeedback("EMAIL_ADDRESS", "pii", 1, 3),),
        )

    def __call__(self, _path):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def call(self, verb, request, **_):
        if self.away:
            raise Unreachable("away")
        if verb == "detectors":
            return self.told, b""
        self.said.append(request)
        kept = {name: getattr(request, name) for name in ("exchange", "finding", "entity", "verdict")}
        return Feedback(number=7, ts=NOW, author="ann", role="analyst", kind=DetectionKind.PII, **kept), b""


@pytest.fixture
def gnomon(tmp_path, capsys, monkeypatch):
    store = FakeStore()
    monkeypatch.setattr("appliance.bus.client.BlockingClient", store)
    child = ChildStatus("w0", 1, "ready", 1.0, detectors=(DetectorCount("patterns", 1, 1, 0.5),))
    status = type("Status", (), {"children": (child, child)})
    monkeypatch.setattr(control, "status_of", lambda _config: status)
    config = tmp_path / "gnomon.yaml"
    config.write_text(f"state_dir: {tmp_path}/state\n")

    def run(*words):
        code = cli.main([*words, "--config", str(config)])
        return code, capsys.readouterr().out

    run.store = store
    return run


def test_totals_are_what_the_store_holds_and_what_workers_have_not_told_it(gnomon):
    code, out = gnomon("detectors", "--json")
    told = json.loads(out)
    assert (code, told["since"]) == (0, NOW)
    assert [(one["name"], one["texts"], one["found"], one["seconds"]) for one in told["detectors"]] == [
        ("topics", 5, 0, 9.0), ("patterns", 12, 4, 2.0),
    ]  # fmt: skip
    code, out = gnomon("detectors")
    assert "since 2023-11-14" in out
    assert "75% of 4" in out


def test_without_words_of_analysts_it_says_how_to_say_one(gnomon):
    gnomon.store.told = DetectorsTold((), ())
    assert "gnomon feedback ID ENTITY right|wrong" in gnomon("detectors")[1]


def test_where_nothing_runs(gnomon):
    gnomon.store.away = True
    assert gnomon("detectors") == (1, "not running\n")


@pytest.mark.parametrize(("where", "field"), [("f_0123456789abcdef", "finding"), ("0192abc", "exchange")])
def test_a_word_is_about_an_exchange_or_a_finding(gnomon, where, field):
    code, out = gnomon("feedback", where, "IBAN_CODE", "wrong")
    assert (code, out) == (0, f"feedback 7: IBAN_CODE in {where} is wrong, says ann\n")
    (asked,) = gnomon.store.said
    assert (getattr(asked, field), asked.verdict) == (where, Verity.WRONG)


def test_what_nobody_judged_has_no_share():
    assert share_wrong(EntityFeedback("A", "pii", 0, 0)) == "-"
