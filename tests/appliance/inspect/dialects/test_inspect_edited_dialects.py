"""Streams of Anthropic, Bedrock and Cohere through the editor: what is hidden is hidden, all else is byte for byte."""

import pytest
from fixtures_world import channels, cut, present
from hypothesis import given, settings
from hypothesis import strategies as st
from stream_fakes import HIDES, SECRET, FakeWatcher, hidden, pieces

from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.events import Framing

FAMILIES = ("anthropic.", "claude.", "bedrock.", "cohere.")
TOLD = "secret-77;"


def _is_stream(fixture):
    return fixture.api.startswith(FAMILIES) and fixture.dialect.events(fixture.call, fixture.answer_type) is not None


STREAMS = [fixture for fixture in present() if _is_stream(fixture)]
LINES = [fixture for fixture in STREAMS if fixture.api in {"anthropic.messages", "cohere.chat"}]
named = pytest.mark.parametrize("fixture", STREAMS, ids=lambda fixture: fixture.name)


def through(fixture, data, hides, cuts=()):
    editor = StreamEditor(
        fixture.dialect.events(fixture.call, fixture.answer_type), FakeWatcher(), hides=hides, ends=()
    )
    out = [one for part in pieces(data, cuts) for one in editor.feed(part)] + editor.close()
    assert editor.wants_cut is None
    return b"".join(out), editor.report()


def read(fixture, data):
    reader = fixture.dialect.events(fixture.call, fixture.answer_type)
    return [reader.read(event) for event in cut(reader.framing, data)]


@named
def test_where_nothing_is_found_not_a_byte_changes(fixture):
    whole = fixture.case not in {"abort", "plain-logprobs"} and b"logprobs" not in fixture.answer
    for hides in ((), HIDES):
        out, report = through(fixture, fixture.answer, hides)
        assert out == fixture.answer or (hides and not whole)
        assert report.coverage.balanced


@pytest.mark.parametrize("fixture", LINES, ids=lambda fixture: fixture.name)
@given(cuts=st.lists(st.integers(0, 4000), max_size=6))
@settings(max_examples=10)
def test_a_secret_over_several_events_goes_wherever_it_is_cut(fixture, cuts):
    said = ["Ann ", "Example", "Hello", "Hel", " Ann!", "write."]
    data = fixture.answer
    for word, instead in zip(
        said, ["secret-", "77;Example", "Hello secret", "secret-7", "-77; Ann!", "secret-77;"], strict=True
    ):
        data = data.replace(f'"{word}"'.encode(), f'"{instead}"'.encode())
    wanted = {name: hidden(text) for name, text in channels(read(fixture, data)).items()}
    out, report = through(fixture, data, HIDES, cuts)
    assert channels(read(fixture, out)) == {name: text for name, text in wanted.items() if text}
    assert report.redactions == sum(len(SECRET.findall(text)) for text in channels(read(fixture, data)).values())
    assert out == through(fixture, data, HIDES)[0]


@named
def test_when_it_is_cut_what_comes_out_ends_in_an_error_that_the_reader_knows(fixture):
    editor = StreamEditor(
        fixture.dialect.events(fixture.call, fixture.answer_type), FakeWatcher(), hides=HIDES, ends=()
    )
    out = b"".join(editor.feed(fixture.answer[: len(fixture.answer) // 2]) + editor.cut("policy"))
    reader = fixture.dialect.events(fixture.call, fixture.answer_type)
    for event in cut(reader.framing, out):
        assert not reader.read(event).malformed
    assert reader.told().error or reader.framing is Framing.AWS  # no frame can follow one that is torn
