"""An edited stream is the same however it was cut, holds nothing that was to be hidden, and is untouched otherwise."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_fakes import (
    ENDS,
    HIDES,
    STREAMED,
    FakeReader,
    FakeWatcher,
    chunk,
    events_of,
    framed,
    header,
    hidden,
    pieces,
    texts_of,
)

from appliance.inspect.stream.aws import packed
from appliance.inspect.stream.channels import BEGUN_AGAIN
from appliance.inspect.stream.editor import (
    ENDED_BY_RULE,
    REST_AFTER,
    REST_AT_MOST,
    TOO_MANY_CHANNELS,
    TOO_MUCH_HELD,
    StreamEditor,
)
from appliance.inspect.stream.events import Framing
from appliance.inspect.stream.frames import BROKEN, TOO_LARGE
from appliance.inspect.stream.queue import SPLIT_FROM
from appliance.model.names import DetectionKind

WORDS = st.sampled_from(
    [
        "secret-1;",
        "secret-",
        "se",
        "cret-12",
        "3;",
        "s",
        "a rather long piece of text, longer than two dozen ",
        "é",
        "😀",
        *("\ud83d", "\ude00", '"', "\\", "\n", "SECRET", "-", "; "),
    ]
)
CHUNKS = st.builds(
    chunk,
    st.one_of(st.none(), st.lists(WORDS, max_size=4).map("".join)),
    choice=st.sampled_from([0, 1]),
    field=st.sampled_from(["content", "reasoning"]),
    finish=st.sampled_from([None, None, None, "stop"]),
    ascii_only=st.booleans(),
    more=st.sampled_from(
        [None, None, {"n": 1}, {"text": "the secret-77; again"}, {"logprobs": ["sec", "ret-1;"]}, {"blob": "AAAA"}]
    ),
)
ODD = st.sampled_from(
    [b"[DONE]", b"secret-5;", b'{"broken": "secret-6;', b'"secret-7;"', b"{}", b"\xff secret-8; \xfe"]
)
EVENTS = st.lists(st.one_of(CHUNKS, CHUNKS, CHUNKS, ODD), max_size=10)
CUTS = st.lists(st.integers(0, 5000), max_size=12)


def editor_of(framing=Framing.SSE, *, hides=HIDES, ends=(), **more):
    return StreamEditor(FakeReader(framing), FakeWatcher(), hides=hides, ends=ends, **more)


def edited(editor, parts):
    out = [one for part in parts for one in editor.feed(part)]
    if editor.wants_cut:
        out += editor.cut(editor.wants_cut)
    else:
        out += editor.close()
    assert b"" not in out
    assert editor.close() == [] == editor.cut("late")
    return b"".join(out)


def stream(framing, events):
    """SSE and lines cannot hold any bytes."""
    return framed(framing, [one for one in events if framing is not Framing.JSON_ARRAY or one[:1] in b'{"'])


@pytest.mark.parametrize("framing", STREAMED)
@given(events=EVENTS, cuts=CUTS)
def test_cut_anywhere_the_same_comes_out_and_nothing_hidden_is_in_it(framing, events, cuts):
    data = stream(framing, events)
    whole, cut = editor_of(framing), editor_of(framing)
    out = edited(whole, [data])
    assert edited(cut, pieces(data, cuts)) == out
    assert whole.report() == cut.report()
    assert whole.report().coverage.balanced
    assert whole.report().sent == len(out)
    expected = {channel: hidden(text) for channel, text in texts_of(framing, data).items() if channel}
    grown = {channel: text for channel, text in texts_of(framing, out).items() if channel}
    assert whole.wants_cut or grown == expected
    for text in grown.values():
        assert text == hidden(text)
    assert not [text for text in texts_of(framing, out)[None] if text != hidden(text)]


@given(events=EVENTS, at=st.integers(0, 10))
def test_what_has_left_at_any_time_is_a_beginning_of_what_leaves_in_all(events, at):
    events = [event for event in events if b"finish_reason" not in event and b"reasoning" not in event]
    final = {
        channel: hidden(text) for channel, text in texts_of(Framing.SSE, framed(Framing.SSE, events)).items() if channel
    }
    editor = editor_of()
    early = b"".join(editor.feed(framed(Framing.SSE, events[:at])))
    for channel, text in texts_of(Framing.SSE, early).items():
        if channel:
            assert final[channel].startswith(text)


@pytest.mark.parametrize("framing", STREAMED)
@given(texts=st.lists(st.text(max_size=60).filter(lambda text: "secret" not in text), max_size=6), cuts=CUTS)
def test_untouched_where_nothing_is_found_unless_a_long_text_left_in_two(framing, texts, cuts):
    data = framed(framing, [chunk(text, more={"n": 1}, ascii_only=n % 2 == 0) for n, text in enumerate(texts)])
    assert edited(editor_of(framing), pieces(data, cuts)) == data


@given(data=st.binary(max_size=200), cuts=CUTS, framing=st.sampled_from(list(Framing)))
@settings(max_examples=300)
def test_any_bytes_pass_at_once_where_nothing_is_asked_for(data, cuts, framing):
    editor = editor_of(framing, hides=(), max_event=64)
    for part in pieces(data, cuts):
        assert editor.feed(part) == [part]
    assert editor.close() == []
    assert editor.report().coverage.balanced
    assert editor.report().sent == len(data)


@given(
    data=st.lists(
        st.sampled_from([b"data: ", b"\n", b"\r", b'{"choices":[{"delta":{"content":"se"}}]}', b"secret-1;", b":"]),
        max_size=20,
    ).map(b"".join),
    cuts=CUTS,
)
@settings(max_examples=300)
def test_hostile_lines_leak_nothing(data, cuts):
    editor, other = editor_of(max_event=200), editor_of(max_event=200)
    out = edited(editor, pieces(data, cuts))
    assert out == edited(other, [data])
    assert b"secret-1;" not in out


def test_a_placeholder_stands_where_the_secret_began_and_the_rest_is_empty():
    texts = ["see sec", "ret-1", "", "2", "3; ok ", "s"]
    out = edited(editor_of(), [framed(Framing.SSE, [chunk(text) for text in texts])])
    assert out == framed(Framing.SSE, [chunk(text) for text in ["see <TOKEN>", "", "", "", " ok ", "s"]])


def test_what_stands_around_an_edit_stays_as_it_was_written():
    text = b"\\u0061 \\ud83d\\ude00 secret-1; \\/ \xc3\xa9"
    before = b'data: {"choices":[ {"delta" : {"content":"' + text + b'"}}], "x":1.0e0}\r\n\r\n'
    assert edited(editor_of(), [before]) == before.replace(b"secret-1;", b"<TOKEN>")


def test_a_secret_behind_letters_of_several_bytes_is_hidden():
    data = framed(Framing.SSE, [chunk("é😀 secret-1; é", ascii_only=False)])
    assert edited(editor_of(), [data]) == data.replace(b"secret-1;", b"<TOKEN>")


def test_a_secret_in_escapes_is_hidden_and_an_emoji_never_halved():
    raw = b'{"choices":[{"delta":{"content":"\\ud83d\\ude00\\u0073ecret\\u002d1;\\ud83d\\ude00"}}]}'
    out = edited(editor_of(), [framed(Framing.SSE, [raw])])
    assert out == framed(Framing.SSE, [raw.replace(b"\\u0073ecret\\u002d1;", b"<TOKEN>")])


def test_a_long_text_leaves_in_two_events_once_enough_of_it_is_decided():
    long = "x" * SPLIT_FROM + "secr"
    editor = editor_of()
    assert editor.feed(framed(Framing.SSE, [chunk(long[1:])])) == []
    editor = editor_of()
    assert editor.feed(framed(Framing.SSE, [chunk(long)])) == [framed(Framing.SSE, [chunk("x" * SPLIT_FROM)])]
    assert editor.feed(framed(Framing.SSE, [chunk("et-1;"), chunk("!")])) == [
        framed(Framing.SSE, [chunk("<TOKEN>"), chunk(""), chunk("!")])
    ]
    assert editor.report().held_most == 4


@pytest.mark.parametrize("more", [{"n": 1}, {"text": "whole"}, {"blob": "AAAA"}])
def test_an_event_that_says_more_than_its_text_never_leaves_in_two(more):
    editor = editor_of()
    data = framed(Framing.SSE, [chunk("x" * 50 + "secr", more=more)])
    assert editor.feed(data) == []
    assert editor.close() == [data]


def test_an_event_that_ends_its_text_is_decided_at_once():
    editor = editor_of()
    data = framed(Framing.SSE, [chunk("x" * 50 + "secret-1", finish="stop")])
    assert editor.feed(data) == [data]


def test_the_end_of_one_choice_does_not_end_another():
    editor = editor_of()
    data = framed(Framing.SSE, [chunk("secret-1"), chunk(None, choice=1, finish="stop"), chunk("2;")])
    assert edited(editor, [data]) == framed(
        Framing.SSE, [chunk("<TOKEN>"), chunk(None, choice=1, finish="stop"), chunk("")]
    )


def test_comments_and_done_keep_their_places():
    data = framed(Framing.SSE, [chunk("s")]) + b": ping\n\ndata: [DONE]\n\n"
    editor = editor_of()
    assert editor.feed(data) == []
    assert editor.close() == [data]
    assert editor.report().told.done


def test_free_text_around_payloads_is_text():
    data = b": secret-1;\nid: secret-2;\nevent: secret-3;\ndata: {}\nsecret-4; \n\n"
    editor = editor_of()
    assert edited(editor, [data]).count(b"<TOKEN>") == 4
    assert editor.report().redactions == 4
    frame = packed(header(b":event-type", b"delta") + header(b"note", b"a secret-1;"), b"{}")
    out = edited(editor_of(Framing.AWS), [frame])
    assert out == packed(header(b":event-type", b"delta") + header(b"note", b"a <TOKEN>"), b"{}")


def test_repeats_are_taken_out_only_where_something_is_hidden():
    data = framed(Framing.SSE, [chunk("a secret-1;", more={"logprobs": ["a", " sec", "ret-1;"]})])
    editor = editor_of()
    assert edited(editor, [data]) == framed(Framing.SSE, [chunk("a <TOKEN>", more={"logprobs": None})])
    assert editor.report().edits == ("logprobs_removed",)
    assert editor.report().coverage.complete
    passing = editor_of(hides=())
    assert edited(passing, [data]) == data
    assert passing.report().coverage.text_unscanned == {"repeats": len(b'["a", " sec", "ret-1;"]')}


@pytest.mark.parametrize("framing", [Framing.SSE, Framing.NDJSON])
@pytest.mark.parametrize("hides", [(), HIDES])
def test_usage_that_was_not_asked_for_goes_no_further(framing, hides):
    usage = json.dumps({"choices": [], "usage": {}}).encode()
    editor = editor_of(framing, hides=hides, drop_usage=True)
    assert edited(editor, [framed(framing, [chunk("a"), usage])]) == framed(framing, [chunk("a")])
    assert editor.report().edits == ("usage_dropped",)
    assert edited(editor_of(framing), [framed(framing, [usage])]) == framed(framing, [usage])


@pytest.mark.parametrize("framing", STREAMED)
def test_a_rule_ends_the_answer_before_what_it_found(framing):
    editor = editor_of(framing, hides=(), ends=ENDS)
    data = framed(framing, [chunk("fine"), chunk("so ST"), chunk("OP! secret"), chunk("more")])
    out = editor.feed(data)
    assert editor.wants_cut == ENDED_BY_RULE
    assert editor.feed(framed(framing, [chunk("x")])) == []
    gone = len(b"".join(out))
    out = b"".join(out + editor.cut("policy"))
    assert [event.payload for event in events_of(framing, out)] == [chunk("fine"), b'{"error": "policy"}']
    if framing is Framing.JSON_ARRAY:
        assert [one.get("error") for one in json.loads(out)] == [None, "policy"]
    report = editor.report()
    assert report.gone_bytes == gone
    assert report.coverage.balanced
    assert report.coverage.opaque["not_read"] > 0
    assert editor.cut("again") == []


def test_a_rule_that_finds_something_in_a_whole_text_ends_the_answer_there():
    editor = editor_of(ends=ENDS)
    data = framed(Framing.SSE, [chunk("fine"), chunk("x" * 90 + "s", more={"text": "STOP!"})])
    assert editor.feed(data) == [framed(Framing.SSE, [chunk("fine")])]
    assert editor.wants_cut == ENDED_BY_RULE


def test_a_rule_that_speaks_only_at_the_end_still_ends_it():
    class Late(FakeWatcher):
        def watch(self, kind, hides, ends, ceiling):
            watch = super().watch(kind, hides, ends, ceiling)
            watch.close = lambda: watch.feed("")._replace(ends_at=0)
            return watch

    editor = StreamEditor(FakeReader(Framing.SSE), Late(), hides=HIDES, ends=ENDS)
    assert editor.feed(framed(Framing.SSE, [chunk("s")])) == []
    assert editor.close() == []
    assert editor.wants_cut == ENDED_BY_RULE
    assert editor.cut("policy") == [framed(Framing.SSE, [b'{"error": "policy"}'])]


def test_when_we_end_it_what_is_undecided_is_dropped():
    editor = editor_of()
    editor.feed(framed(Framing.SSE, [chunk("secr"), chunk(None, choice=1)]) + b"data: unfin")
    assert editor.cut("drain") == [framed(Framing.SSE, [b'{"error": "drain"}'])]
    assert editor.feed(b"ished\n\n") == [] == editor.close()


@pytest.mark.parametrize(
    ("framing", "torn"), [(Framing.SSE, b"\n\n"), (Framing.NDJSON, b"\n"), (Framing.AWS, None), (Framing.CONNECT, None)]
)
def test_an_event_that_was_passing_is_ended_before_the_ending_or_nothing_is_put(framing, torn):
    editor = editor_of(framing, hides=())
    editor.feed(framed(framing, [chunk("a")])[:-5])
    ending = FakeReader(framing).ending("drain")
    assert editor.cut("drain") == ([] if torn is None else [torn + ending])


def test_an_array_that_has_not_begun_is_ended_whole():
    out = editor_of(Framing.JSON_ARRAY).cut("drain")
    assert json.loads(out[0]) == [{"error": "drain"}]
    editor = editor_of(Framing.JSON_ARRAY, hides=())
    out = editor.feed(b"[" + chunk("a") + b" ,\n") + editor.cut("drain")
    assert len(json.loads(b"".join(out))) == 2


@pytest.mark.parametrize("framing", [Framing.SSE, Framing.NDJSON, Framing.JSON_ARRAY, Framing.AWS, Framing.CONNECT])
@pytest.mark.parametrize("size", [1, 50, 10_000])
def test_an_event_too_large_to_read_ends_the_answer_before_any_of_it_leaves(framing, size):
    before = framed(framing, [chunk("a")])
    data = framed(framing, [chunk("a"), chunk("secret-1;" * 40), chunk("b")])
    editor = editor_of(framing, max_event=200)
    out = b"".join(one for at in range(0, len(data), size) for one in editor.feed(data[at : at + size]))
    assert editor.wants_cut == TOO_LARGE
    assert out.strip(b"]\r\n,") == before.strip(b"]\r\n")
    passing = editor_of(framing, hides=(), max_event=200)
    assert edited(passing, [data]) == data
    assert passing.report().problem == TOO_LARGE
    assert passing.report().events == 2


def test_damaged_frames_end_the_answer_where_something_could_be_hidden():
    data = framed(Framing.AWS, [chunk("a")]) + b"\0" * 40
    editor = editor_of(Framing.AWS)
    assert editor.feed(data) == [framed(Framing.AWS, [chunk("a")])]
    assert editor.wants_cut == BROKEN


def test_the_rest_of_an_unfinished_frame_is_left_out():
    for rest in (b'data: {"broken": "secret-1;', b"data: ret-1;", b": ret-1;", b"dat"):
        editor = editor_of()
        before = framed(Framing.SSE, [chunk("sec")])
        assert edited(editor, [before + rest]) == before
        assert editor.report().edits == ("unfinished_dropped",)
        assert editor.report().coverage.opaque == {"unfinished_event": len(rest)}
    editor = editor_of(Framing.AWS)
    assert edited(editor, [framed(Framing.AWS, [chunk("secret-1;")])[:-1]]) == b""
    assert editor.report().edits == ("unfinished_dropped",)
    assert editor.report().coverage.balanced


def test_an_unfinished_event_that_can_be_read_is_read():
    data = framed(Framing.SSE, [chunk("sec")]) + b"data: " + chunk("ret-1;" + "x" * 50 + "s")
    expected = framed(Framing.SSE, [chunk("<TOKEN>")]) + b"data: " + chunk("x" * 50 + "s")
    assert edited(editor_of(), [data]) == expected


def test_what_is_held_is_bounded():
    editor = editor_of(max_held=50_000)
    held = framed(Framing.SSE, [chunk("secret-")]) + framed(Framing.SSE, [chunk("1")]) * 100
    assert editor.feed(held) == []
    assert editor.wants_cut == TOO_MUCH_HELD
    assert editor.cut("policy") == [framed(Framing.SSE, [b'{"error": "policy"}'])]


def test_no_more_texts_are_followed_than_there_is_room_for():
    many = json.dumps({"choices": [{"delta": {"content": "x"}}] * 600}).encode()
    editor = editor_of()
    assert editor.feed(framed(Framing.SSE, [many])) == []
    assert editor.wants_cut == TOO_MANY_CHANNELS
    passing = editor_of(hides=())
    assert edited(passing, [framed(Framing.SSE, [many])]) == framed(Framing.SSE, [many])


def test_a_secret_counts_once_whether_streamed_repeated_or_both():
    again = json.dumps({"text": "my secret-1;"}).encode()
    data = framed(Framing.SSE, [chunk("my sec"), chunk("ret-1;", finish="stop"), again, again])
    for hides in (HIDES, ()):
        editor = editor_of(hides=hides)
        edited(editor, [data])
        (label,) = editor.report().labels
        assert (label.entity, label.kind, label.count) == ("TOKEN", DetectionKind.SECRET, 1)


def test_tokens_are_estimated_where_none_were_told():
    editor = editor_of()
    edited(editor, [framed(Framing.SSE, [chunk("nine char")])])
    usage = editor.report().usage
    assert (usage.output_tokens, usage.estimated) == (2, True)
    assert editor_of().report().usage is None


def test_ids_that_recur_are_looked_at_once():
    editor = editor_of()
    edited(editor, [framed(Framing.SSE, [chunk("a")] * 50)])
    assert editor._watcher.looked == ["m-1"]
    assert editor.report().events == 50


def test_messages_stay_messages():
    editor = editor_of(Framing.MESSAGE)
    assert editor.feed(chunk("sec")) == []
    assert editor.feed(chunk("ret-1;")) == [chunk("<TOKEN>"), chunk("")]
    assert editor.feed(b"") == []


class Failing(FakeWatcher):
    def watch(self, kind, hides, ends, ceiling):
        watch = super().watch(kind, hides, ends, ceiling)
        feed = watch.feed

        def failing(text):
            if text == "fail":
                raise RuntimeError("detector")
            return feed(text)

        watch.feed = failing
        return watch


def test_what_a_detector_raises_goes_through_and_nothing_leaves_any_more():
    editor = StreamEditor(FakeReader(Framing.SSE), Failing(), hides=HIDES, ends=())
    with pytest.raises(RuntimeError):
        editor.feed(framed(Framing.SSE, [chunk("s"), chunk("fail")]))
    assert editor.feed(framed(Framing.SSE, [chunk("a")])) == [] == editor.close()
    assert editor.cut("fault") == [framed(Framing.SSE, [b'{"error": "fault"}'])]


def test_a_reader_whose_spans_are_wrong_is_not_believed():
    class Wrong(FakeReader):
        def read(self, event):
            view = super().read(event)
            moved = [type(text)(text.start + 1, text.end + 1, text.text, text.escaped) for text in view.texts]
            return type(view)(texts=tuple(moved))

    editor = StreamEditor(Wrong(Framing.SSE), FakeWatcher(), hides=HIDES, ends=())
    with pytest.raises(ValueError, match="does not stand"):
        editor.feed(framed(Framing.SSE, [chunk("a secret-1;")]))


def test_a_watch_that_takes_something_back_is_not_believed():
    class Back(FakeWatcher):
        def watch(self, kind, hides, ends, ceiling):
            watch = super().watch(kind, hides, ends, ceiling)
            feed = watch.feed
            watch.feed = lambda text: feed(text)._replace(until=0) if text == "b" else feed(text)
            return watch

    editor = StreamEditor(FakeReader(Framing.SSE), Back(), hides=HIDES, ends=())
    with pytest.raises(ValueError, match="took back"):
        editor.feed(framed(Framing.SSE, [chunk("a"), chunk("b")]))


def test_a_text_that_another_takes_over_from_does_not_hold_it_up():
    editor = editor_of()
    before = framed(Framing.SSE, [chunk("I think: s", field="reasoning")])
    one, two = framed(Framing.SSE, [chunk("ok")] * (REST_AFTER - 1)), framed(Framing.SSE, [chunk("!")])
    assert editor.feed(before + one) == []
    assert editor.feed(two) == [before + one + two]
    on = framed(Framing.SSE, [chunk("o on secret-1;", field="reasoning"), chunk("see")])
    assert editor.feed(on) == [on.replace(b"secret-1;", b"<TOKEN>")]
    assert editor.close() == []
    assert editor.report().labels[0].count == 1


def test_a_secret_that_goes_on_behind_such_a_pause_ends_the_answer():
    editor = editor_of()
    before = [chunk("I think: secret-", field="reasoning"), *[chunk("ok")] * REST_AFTER]
    assert editor.feed(framed(Framing.SSE, before)) == [framed(Framing.SSE, before)]
    again = [chunk("1", field="reasoning"), *[chunk("ok")] * REST_AFTER]
    assert editor.feed(framed(Framing.SSE, again)) == [framed(Framing.SSE, again)]
    assert editor.feed(framed(Framing.SSE, [chunk("2; and", field="reasoning")])) == []
    assert editor.wants_cut == BEGUN_AGAIN


def test_a_long_beginning_of_a_secret_is_never_taken_for_the_end_of_a_text():
    editor = editor_of()
    before = [chunk(f"I think: secret-{'1' * REST_AT_MOST}", field="reasoning"), *[chunk("ok")] * 5 * REST_AFTER]
    assert b"1" not in b"".join(editor.feed(framed(Framing.SSE, before)))
    rest = editor.feed(framed(Framing.SSE, [chunk("2; and", field="reasoning")])) + editor.close()
    assert b"<TOKEN>" in b"".join(rest)


def test_texts_of_other_choices_and_texts_that_take_turns_are_waited_for():
    editor = editor_of()
    events = [chunk("s"), *(chunk("x", choice=1) for _ in range(9))]
    assert editor.feed(framed(Framing.SSE, events)) == []
    editor = editor_of()
    turns = [chunk(one, field=field) for one in ("sec", "ret", "-", "1", "2;") for field in ("content", "reasoning")]
    out = edited(editor, [framed(Framing.SSE, turns)])
    assert texts_of(Framing.SSE, out)["0/content"] == "<TOKEN>" == texts_of(Framing.SSE, out)["0/reasoning"]


def test_what_is_held_is_looked_at_anew_when_more_is_to_be_hidden():
    editor = editor_of(Framing.MESSAGE, hides=(), ends=ENDS)
    assert editor.feed(chunk("see s")) == []
    assert editor.want(HIDES, ENDS) == []
    assert editor.feed(chunk("ecret-1; and")) == [chunk("see <TOKEN>"), chunk(" and")]
    assert editor.feed(chunk(" s", field="reasoning")) == []
    assert editor.want(HIDES, ()) == []
    assert editor.feed(chunk("o", field="reasoning")) == [chunk(" s", field="reasoning"), chunk("o", field="reasoning")]
    assert editor.close() == []
    assert editor.report().redactions == 1
    assert editor.report().labels[0].count == 1
    assert editor.report().coverage.balanced
