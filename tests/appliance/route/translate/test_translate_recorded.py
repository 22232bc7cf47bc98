"""Answers as services really write them (the fixtures of the dialects), carried over to every other dialect."""

import json
from pathlib import Path

import pytest
from translate_world import APIS

from appliance.route.translate import Asked, Stamp, plan
from appliance.route.translate.carriers import DIALECTS
from appliance.route.translate.conversation import Conversation, ToolUse
from appliance.route.translate.losses import Losses, Refused
from appliance.route.translate.said import gathered
from appliance.route.translate.streaming import Stream

FOLDER = Path(__file__).parents[2] / "inspect" / "dialects" / "fixtures"
STAMP = Stamp("ex1", 1_700_000_000, "model-a")
ASKED = Asked("", b"", Conversation("m", ()))


def recorded() -> list[tuple[str, str, dict]]:
    found = [
        (api, path.stem, json.loads(path.read_text())) for api in APIS for path in sorted((FOLDER / api).iterdir())
    ]
    return [(api, name, told) for api, name, told in found if "answer" in told and name != "stream-websocket"]


def answer_of(told: dict) -> bytes:
    return (told["answer"] if isinstance(told["answer"], str) else json.dumps(told["answer"])).encode()


def is_stream(told: dict) -> bool:
    kind = told.get("answer_type", "")
    return told.get("status", 200) == 200 and ("stream" in kind or "ndjson" in kind or answer_of(told).startswith(b"["))


@pytest.mark.parametrize(("api", "name", "told"), recorded(), ids=lambda each: each if isinstance(each, str) else "")
def test_what_services_really_say_can_be_read_by_every_caller(api, name, told):
    data = answer_of(told)
    for source in APIS:
        if source == api:
            continue
        made = plan(source, api, {})
        if not is_stream(told):
            answered = made.answer(told.get("status", 200), data, STAMP)
            assert isinstance(json.loads(answered.body), dict)
            assert (answered.status >= 400) == (name.startswith(("error", "abort")) and "blocked" not in name) or (
                name in {"plain-batch", "plain-count", "plain-foreign"}
            )
            continue
        stream = made.stream(ASKED, STAMP, told["answer_type"])
        assert isinstance(stream, Stream)
        out = stream.feed(data) + stream.close()
        one = made.stream(ASKED, STAMP, told["answer_type"])
        assert b"".join([*(one.feed(data[at : at + 1]) for at in range(len(data))), one.close()]) == out
        assert stream.over
        broken = name.startswith(("abort", "error")) or name in {"stream-audio", "stream-assist", "tools-stream"}
        assert (b'"error":{' in out or b'"error":"' in out) == broken, out[-600:]


@pytest.mark.parametrize("source", APIS[2:])
@pytest.mark.parametrize("name", ["tools", "tools-one-index", "tools-mistral"])
def test_calls_of_openais_servers_stay_apart(source, name):
    """Some give all calls one index, some leave it out."""
    told = json.loads((FOLDER / "openai.chat" / f"{name}.json").read_text())
    made = plan(source, "openai.chat", {}).stream(ASKED, STAMP, told["answer_type"])
    out = made.feed(answer_of(told)) + made.close()
    reader = DIALECTS[source].reader(Losses())
    lines = (
        out.split(b"\n") if source == "ollama.chat" else [line[6:] for line in out.split(b"\n") if line[:5] == b"data:"]
    )
    answer = gathered([event for line in lines if line for event in reader.read(line)])
    calls = [part for part in answer.parts if isinstance(part, ToolUse)]
    assert len(calls) == 2
    assert all(isinstance(json.loads(call.arguments), dict) for call in calls)


def test_a_call_of_gemini_in_pieces_is_an_error_and_no_call_without_arguments():
    told = json.loads((FOLDER / "gemini.generate" / "tools-stream.json").read_text())
    made = plan("openai.chat", "gemini.generate", {}).stream(ASKED, STAMP)
    assert b"call in pieces" in made.feed(answer_of(told))
    with pytest.raises(Refused):
        DIALECTS["gemini.generate"].read_answer(b'{"candidates":[]}', Losses())
