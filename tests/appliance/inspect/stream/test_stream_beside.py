"""What stands beside the growing texts: numbers, names of events, bytes that are no document, texts begun again."""

import json

import pytest
from stream_fakes import HIDES, FakeReader, FakeWatcher, chunk, events_of, framed, header

from appliance.inspect.dialects.unknown_events import UnknownEvents
from appliance.inspect.stream.aws import packed
from appliance.inspect.stream.beside import MAX_TEXT, is_plain, numbers_in
from appliance.inspect.stream.channels import BEGUN_AGAIN
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.events import Event, EventView, Framing
from appliance.inspect.stream.frames import BROKEN, TOO_LARGE
from appliance.inspect.stream.tally import AMBIGUOUS
from appliance.inspect.stream.watch import Decided
from appliance.model.detection import Detection, Label, Selector
from appliance.model.names import DetectionKind

CARD = "4111111111111111"


class CardWatcher(FakeWatcher):
    """Finds a card in a whole text, and takes every number for a telephone's as well, without being sure."""

    def whole(self, kind, text, hides, ends, ceiling):
        if not text.isdigit():
            return super().whole(kind, text, hides, ends, ceiling)
        score = 1.0 if text == CARD else 0.4
        found = Detection(0, len(text), "CREDIT_CARD" if score == 1 else "PHONE_NUMBER", DetectionKind.PII, score, "x")
        taken = any(one.takes(found) for one in hides)
        ended = any(one.takes(found) for one in ends)
        label = Label(found.entity, found.kind, 1, score)
        return Decided(0 if ended else len(text), (found,) if taken else (), 0 if ended else None), (label,)


PII = (Selector(kinds=("pii",), min_score=0.3),)


def editor_of(framing=Framing.SSE, *, hides=HIDES, ends=(), watcher=None, reader=None):
    return StreamEditor(reader or FakeReader(framing), watcher or FakeWatcher(), hides=hides, ends=ends)


def run(editor, data, size=None):
    out = []
    for at in range(0, len(data), size or len(data)):
        out += editor.feed(data[at : at + (size or len(data))])
    return b"".join(out + (editor.cut(editor.wants_cut) if editor.wants_cut else editor.close()))


def test_a_card_that_is_a_number_is_hidden_and_a_time_is_not():
    payload = b'{"id":"m-1", "created":1790000000, "args":{"card": %s}}' % CARD.encode()
    editor = editor_of(hides=PII, watcher=CardWatcher())
    out = run(editor, framed(Framing.SSE, [payload]))
    assert out == framed(Framing.SSE, [payload.replace(CARD.encode(), b'"<CREDIT_CARD>"')])
    report = editor.report()
    assert [label.entity for label in report.labels] == ["CREDIT_CARD"]
    assert report.redactions == 1
    assert report.coverage.balanced
    assert report.coverage.text_scanned == len(CARD) + len("1790000000") + len("m-1")


def test_a_number_ends_an_answer_only_where_it_is_certain():
    editor = editor_of(hides=(), ends=PII, watcher=CardWatcher())
    assert run(editor, framed(Framing.SSE, [b'{"created":1790000000}']))
    editor = editor_of(hides=(), ends=PII, watcher=CardWatcher())
    assert CARD.encode() not in run(editor, framed(Framing.SSE, [b'{"args":%s}' % CARD.encode()]))
    assert editor.wants_cut


def test_a_name_that_the_payload_says_as_a_word_is_not_looked_at_and_any_other_is():
    watcher = FakeWatcher()
    editor = editor_of(watcher=watcher)
    data = b'event: response.output_text.delta\ndata: {"finish_reason":"response.output_text.delta"}\n\n'
    assert run(editor, data) == data
    assert watcher.looked == []
    assert editor.report().coverage.text_scanned == 0
    assert editor.report().coverage.balanced
    data = b'event: secret-1;\ndata: {"id":"secret-1;"}\n\n'
    assert run(editor_of(), data) == b'event: <TOKEN>\ndata: {"id":"<TOKEN>"}\n\n'
    data = b'event: secret-1;\ndata: {"finish_reason":"other"}\n\n'
    assert b"secret-1" not in run(editor_of(), data)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"choices":[{"delta":{"content":"ret-1;"}}],"logprob":NaN}',
        b'{"choices":[{"delta":{"content":"ret-1;\xff"}}]}',
        b'{"choices":[{"delta":{"content":"ret-1;"}},]}',
        chunk("ret-1;").decode().encode("utf-16"),
        b"[" * 600 + b'"ret-1;"' + b"]" * 600,
        '{"content":"ret-1;"}'.encode("utf-16-le"),
    ],
)
@pytest.mark.parametrize("framing", [Framing.SSE, Framing.AWS, Framing.MESSAGE])
def test_what_only_some_can_read_ends_the_answer(framing, payload):
    payload = payload.replace(b"\n", b" ").replace(b"\r", b" ")
    editor = editor_of(framing)
    parts = [chunk("see sec"), payload]
    for part in parts if framing is Framing.MESSAGE else [framed(framing, parts)]:
        assert editor.feed(part) == []
    assert editor.wants_cut == "malformed_event"
    passing = editor_of(framing, hides=())
    data = payload if framing is Framing.MESSAGE else framed(framing, [payload])
    assert passing.feed(data) == [data]
    assert passing.report().problem == "malformed_event"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_words_that_are_no_document_grow_together(size):
    data = framed(Framing.SSE, [b"see sec", b"ret-1", b"; ok", chunk("sec"), b"ret-2;"])
    editor = editor_of()
    out = run(editor, data, size)
    assert [one.payload for one in events_of(Framing.SSE, out)] == [b"see <TOKEN>", b" ok", chunk("sec"), b"ret-2;"]
    assert editor.report().labels == (Label("TOKEN", DetectionKind.SECRET, 1, 1.0),)


def test_marks_between_events_pass_at_once():
    data = framed(Framing.SSE, [b"ping", chunk("a"), b"[DONE!]", chunk("b")])
    editor = editor_of()
    assert editor.feed(data) == [data]


@pytest.mark.parametrize("text", [b"", b"a, b", b"[DONE]", "größer".encode(), b"a\tb\nc"])
def test_plain(text):
    assert is_plain(text)


@pytest.mark.parametrize("text", [b'"', b"a\0", b"\xff", b'[{"a":1}]', b"\x1b[0m"])
def test_not_plain(text):
    assert not is_plain(text)


class Twice(FakeReader):
    def read(self, event):
        view = super().read(event)
        keys = [key for key, _ in json.loads(event.payload, object_pairs_hook=list)]
        return EventView(texts=view.texts, ambiguous=len(keys) != len(set(keys)))


def test_a_key_that_stands_twice_ends_the_answer_where_something_may_be_hidden():
    data = framed(Framing.SSE, [chunk("fine"), b'{"id":"a","id":"b"}'])
    editor = editor_of(reader=Twice(Framing.SSE))
    assert editor.feed(data) == [framed(Framing.SSE, [chunk("fine")])]
    assert editor.wants_cut == AMBIGUOUS
    passing = editor_of(reader=Twice(Framing.SSE), hides=())
    assert passing.feed(data) == [data]
    assert passing.report().problem == AMBIGUOUS


def test_a_text_that_goes_on_behind_its_end_ends_the_answer():
    editor = editor_of()
    first = chunk("my sec", finish="stop")
    assert editor.feed(framed(Framing.SSE, [first, chunk("ret-1;")])) == [framed(Framing.SSE, [first])]
    assert editor.wants_cut == BEGUN_AGAIN
    turns = editor_of(Framing.MESSAGE)  # a connection holds several answers
    assert turns.feed(first) == [first]
    assert turns.feed(chunk("all")) == [chunk("all")]


@pytest.mark.parametrize("end", ["cut", "abandon"])
@pytest.mark.parametrize("hides", [HIDES, ()])
def test_what_was_held_when_it_broke_off_is_recorded_and_leaves_nowhere(end, hides):
    class Slow(FakeWatcher):
        """Decides nothing before the end."""

        def watch(self, kind, hides, ends, ceiling):
            watch = super().watch(kind, hides, ends, ceiling)
            feed, text = watch.feed, []
            watch.feed = lambda more: text.append(more) or Decided(0)
            watch.close = lambda: feed("".join(text))
            return watch

    editor = editor_of(watcher=Slow(), hides=hides)
    data = framed(Framing.SSE, [chunk("my secret-1;"), chunk(" and more")])
    out = editor.feed(data)
    assert out == ([] if hides else [data])
    assert editor.report().labels == ()
    last = editor.cut("drain") if end == "cut" else editor.abandon() or []
    assert b"secret" not in b"".join(last)
    assert editor.report().labels == (Label("TOKEN", DetectionKind.SECRET, 1, 1.0),)
    assert editor.feed(data) == [] == editor.close()


def test_a_detector_that_fails_when_all_is_over_is_told():
    class Failing(FakeWatcher):
        def watch(self, kind, hides, ends, ceiling):
            watch = super().watch(kind, hides, ends, ceiling)
            watch.close = lambda: 1 / 0
            return watch

    editor = editor_of(watcher=Failing())
    editor.feed(framed(Framing.SSE, [chunk("a secr")]))
    assert editor.cut("drain")
    assert editor.report().problem == "labels_lost"


def test_lines_that_claim_to_be_events_end_the_answer():
    data = framed(Framing.NDJSON, [chunk("see sec"), chunk("ret-1;")])
    assert run(editor_of(Framing.SSE), data) == b""  # there was no blank line, and so no event
    editor = editor_of(Framing.SSE)
    assert editor.feed(data + b"\n") == []
    assert editor.wants_cut == BROKEN
    passing = editor_of(Framing.SSE, hides=())
    assert passing.feed(data + b"\n") == [data + b"\n"]
    assert passing.report().coverage.balanced


def test_a_chunk_that_our_reading_cannot_open_ends_the_answer():
    raw = packed(header(b":event-type", b"chunk"), b'{"bytes":"e30=","bytes":"e30="}')
    editor = editor_of(Framing.AWS_CHUNK)
    assert editor.feed(raw) == []
    assert editor.wants_cut == BROKEN


def test_a_number_in_a_plain_text_is_a_part_of_it():
    reader = UnknownEvents(Framing.SSE)
    editor = editor_of(reader=reader, hides=PII, watcher=CardWatcher())
    data = framed(Framing.SSE, [b"it is ", CARD.encode() + b" ok", b"{}"])
    assert run(editor, data) == data  # a watch that looks into growing texts would have hidden it
    assert editor.report().coverage.balanced


def test_an_event_of_nothing_but_numbers_is_not_looked_through():
    payload = b'{"n":[%s]}' % b",".join([b"1234567890"] * 60_000)
    editor = editor_of()
    assert editor.feed(framed(Framing.SSE, [payload])) == []
    assert editor.wants_cut == "too_many_numbers"
    passing = editor_of(hides=())
    assert run(passing, framed(Framing.SSE, [payload])) == framed(Framing.SSE, [payload])
    assert passing.report().problem == "too_many_numbers"


def test_many_numbers_among_many_texts_are_found_in_one_pass():
    payload = b"[" + b",".join([b'"a",12345678'] * 20_000) + b"]"
    view = UnknownEvents(Framing.SSE).read(Event("", payload))
    assert len(numbers_in(payload, view)) == len(view.texts) == 20_000


@pytest.mark.parametrize("payload", [b'{"blob":"%s"}', b'{"text":"%s"}', b"%s"])
def test_a_picture_passes_and_a_text_of_its_size_ends_the_answer(payload):
    data = framed(Framing.SSE, [payload % (b"A" * (MAX_TEXT + 1))])
    editor, passing = editor_of(), editor_of(hides=())
    assert run(passing, data) == data
    if b"blob" in payload:
        assert run(editor, data) == data
        assert passing.report().coverage.opaque == editor.report().coverage.opaque == {"binary": MAX_TEXT + 1}
    else:
        assert editor.feed(data) == []
        assert editor.wants_cut == TOO_LARGE == passing.report().problem
        assert passing.report().coverage.opaque == {TOO_LARGE: len(data)}
    assert passing.report().coverage.balanced
