"""Reading stops at what has a request blocked, where the operator asks for it; the record says what was not read."""

import json

import pytest
from tests_support import HOST
from worker_world import worker_at

from addons.settling import NotSettled, check
from appliance.config.schema import InspectConfig, PolicyConfig
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspector
from appliance.inspect.looking import Seen
from appliance.model.facts import Verdict
from appliance.model.names import Disposition, Stage

URL = f"https://{HOST}/v1/chat/completions"
KEY = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"[:36]
POLICY = """
rules:
  - id: keys
    match: {ai: true, labels: {kinds: [secret], min_score: 0.4}}
    then: {disposition: block}
  - id: people
    match: {ai: true, labels: {kinds: [pii]}}
    then: {disposition: redact}
"""
MAIL = "maria.keller@corp-mail.com"
TEXTS = ("hello there", f"my key is {KEY} and more", f"write to {MAIL}")


async def ask(tmp_path, provider, *, early, model="stand-in", texts=TEXTS, size=0):
    (tmp_path / "policy.yaml").write_text(POLICY)
    body = {"messages": [{"role": "user", "content": text} for text in texts]}
    if size:
        body["messages"].append({"role": "user", "content": "word " * size})
    inspect, policy = InspectConfig(early_exit=early), PolicyConfig(file=str(tmp_path / "policy.yaml"))
    async with (
        worker_at(tmp_path, provider, Stage.ENFORCE, policy=policy, inspect=inspect) as worker,
        worker.client() as client,
    ):
        answer = await client.post(URL, json=body | {"model": model})
    return answer.status_code, worker.events("open")[0], worker.events("detectors")[0]


@pytest.mark.parametrize("size", [0, 80_000], ids=["here", "in the analyser"])
async def test_reading_stops_and_the_record_names_what_was_left(provider, tmp_path, size):
    status, opened, costs = await ask(tmp_path, provider, early=True, size=size)
    facts, coverage = opened["facts"], opened["facts"]["coverage"]
    assert (status, opened["verdict"]["rule"]) == (403, "keys")
    assert "EMAIL_ADDRESS" not in {label["entity"] for label in facts["labels"]}
    assert coverage["text_unscanned"]["decided"] >= len(TEXTS[1]) + len(TEXTS[2])
    assert coverage["text_scanned"] >= len(TEXTS[0])
    assert "injection-rules" in coverage["skipped"]
    assert "injection" not in coverage["scanned_by"]
    assert "pii" not in coverage["scanned_by"], "views were left, too"
    assert {one["name"]: one["texts"] for one in costs["counts"]}["patterns"] >= 2, "wherever it was read"


async def test_by_default_everything_is_read(provider, tmp_path):
    status, opened, _ = await ask(tmp_path, provider, early=False)
    assert status == 403
    assert "EMAIL_ADDRESS" in {label["entity"] for label in opened["facts"]["labels"]}
    assert opened["facts"]["coverage"]["skipped"] == []
    assert "decided" not in opened["facts"]["coverage"]["text_unscanned"]


async def test_a_request_without_such_a_finding_is_read_to_its_end(provider, tmp_path):
    status, opened, _ = await ask(tmp_path, provider, early=True, texts=TEXTS[::2])
    assert status == 200
    assert "EMAIL_ADDRESS" in {label["entity"] for label in opened["facts"]["labels"]}
    assert opened["facts"]["coverage"]["skipped"] == []


async def test_the_models_name_is_written_down_so_it_is_read(provider, tmp_path):
    text = f"another key: {KEY}"  # not one that has been read to its end before: that is remembered
    status, opened, _ = await ask(tmp_path, provider, early=True, model=MAIL, texts=(text,))
    assert status == 403
    assert opened["facts"]["coverage"]["text_unscanned"]["decided"] == len(text)
    assert MAIL not in json.dumps(opened)


def test_what_was_not_read_to_its_end_never_goes_on():
    class Found:
        version, classes, max_chars = "1", ("pii", "secret"), 1000

        def look(self, _text, _source, enough):
            return Seen((), (), ("topics",) if enough else ())

    inspector = Inspector(Found())
    call = Call("POST", "/", "text/plain")
    verdict = Verdict(Disposition.ALLOW, Disposition.ALLOW, Stage.ENFORCE)
    check(inspector.request(call, None, b"text", None), verdict)
    left = inspector.request(call, None, b"text", None, lambda _: True)
    with pytest.raises(NotSettled):
        check(left, verdict)
    check(left, Verdict(Disposition.BLOCK, Disposition.BLOCK, Stage.ENFORCE))
