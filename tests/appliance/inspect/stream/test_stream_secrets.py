"""A secret of 16 to 4,096 characters in a chat answer, split anywhere, never leaves: real dialect, real detectors."""

import json
import os
import random
import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from stream_fakes import events_of, pieces

from appliance.inspect.detect import Detectors
from appliance.inspect.dialects import Call
from appliance.inspect.dialects.registry import DIALECTS
from appliance.inspect.overlap import cover
from appliance.inspect.redact import redact_text
from appliance.inspect.stream.editor import ENDED_BY_RULE, StreamEditor
from appliance.inspect.stream.events import Framing
from appliance.inspect.stream.watching import Watching
from appliance.model.detection import Selector

CALL = Call("POST", "/v1/chat/completions", "application/json")
HIDES = (Selector(kinds=("secret",)), Selector(entities=("EMAIL_ADDRESS", "CREDIT_CARD"), min_score=0.4))
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
PROSE = "So far, so good: the answer — of ten words 😀 or so — goes on; nothing to be hidden in it. "


@pytest.fixture(scope="module")
def detectors():
    return Detectors.load(Path(tempfile.gettempdir()) / f"gnomon-test-tables-{os.geteuid()}")


@pytest.fixture(scope="module")
def watching(detectors):
    return Watching(detectors)


@pytest.fixture(scope="module")
def chat():
    return next(dialect for dialect in DIALECTS if dialect.api == "openai.chat")


def secrets(rng):
    def letters(count):
        return "".join(rng.choices(LETTERS, k=count))

    lines = "\n".join(letters(64) for _ in range(61))
    return [
        f"sk-proj-{letters(74)}",
        f"{letters(8).lower()}@example.com",
        f"eyJ{letters(1600)}.eyJ{letters(2400)}.{letters(80)}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----",
    ]


def deltas(text, cuts):
    edges = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


def event(delta, finish=None):
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    told = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-x", "choices": choices}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def told(data, path):
    """What a client puts together of a stream."""
    text = ""
    for one in events_of(Framing.SSE, data):
        if one.payload != b"[DONE]":
            value = json.loads(one.payload)["choices"][0]["delta"]
            for key in path:
                value = value[key] if isinstance(key, int) or key in value else ""
                if value == "":
                    break
            text += value
    return text


FIELDS = {
    "content": (("content",), lambda text: {"content": text}),
    "reasoning": (("reasoning_content",), lambda text: {"reasoning_content": text}),
    "arguments": (
        ("tool_calls", 0, "function", "arguments"),
        lambda text: {"tool_calls": [{"index": 0, "function": {"arguments": text}}]},
    ),
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("which", range(4))
def test_split_anywhere(watching, detectors, chat, field, which):
    rng = random.Random(f"{field}{which}")  # noqa: S311 - seeded on purpose
    secret = secrets(rng)[which]
    plain = PROSE + secret + " " + PROSE
    path, delta = FIELDS[field]
    text = json.dumps({"a": plain}) if field == "arguments" else plain
    found = cover(one for one in detectors.scan(plain) if any(selector.takes(one) for selector in HIDES))
    assert len(found) == 1
    wanted = redact_text(plain, found)
    most = rng.choice([2, 30, 400])
    data = b"".join(
        [*(event(delta(one)) for one in deltas(text, [rng.randrange(9999) for _ in range(most)])), event({}, "stop")]
    )
    data += b"data: [DONE]\n\n"
    editor = StreamEditor(chat.events(CALL, "text/event-stream"), watching, hides=HIDES, ends=())
    out = b""
    for part in pieces(data, [rng.randrange(len(data)) for _ in range(rng.choice([0, 5, 300]))]):
        got = editor.feed(part)
        assert b"" not in got
        out += b"".join(got)
        # However far it is, nothing of the secret has left: what has is a beginning of the text without it.
        early = told(out, path)
        assert early == "" or json.dumps({"a": wanted}).startswith(early) or wanted.startswith(early)
    out += b"".join(editor.close())
    whole = told(out, path)
    assert (json.loads(whole)["a"] if field == "arguments" else whole) == wanted
    report = editor.report()
    assert report.redactions == 1
    assert report.coverage.balanced
    assert report.told.finish == ("stop",)
    assert out.endswith(event({}, "stop") + b"data: [DONE]\n\n")


def test_prose_leaves_untouched_and_soon(watching, chat):
    data = [event({"content": PROSE[at : at + 4]}) for _ in range(20) for at in range(0, len(PROSE), 4)]
    editor = StreamEditor(chat.events(CALL, "text/event-stream"), watching, hides=HIDES, ends=())
    out = [one for part in data for one in editor.feed(part)] + editor.close()
    assert b"".join(out) == b"".join(data)
    assert editor.report().held_median < 16


def test_a_rule_ends_the_answer_before_the_secret(watching, chat):
    secret = secrets(random.Random(1))[0]  # noqa: S311 - seeded on purpose
    editor = StreamEditor(chat.events(CALL, "text/event-stream"), watching, hides=(), ends=HIDES)
    out = []
    for one in ["It is ", secret[:9], secret[9:30], secret[30:], " ", "and more"]:
        if editor.wants_cut is None:
            out += editor.feed(event({"content": one}))
    assert editor.wants_cut == ENDED_BY_RULE
    assert out == [event({"content": "It is "})]
    assert b"sk-" not in b"".join(editor.cut("policy"))
