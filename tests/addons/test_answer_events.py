"""An answer that breaks off half-way: what was held goes nowhere, and what was in it is recorded."""

import pytest
from stream_fakes import HIDES, FakeReader, FakeWatcher, chunk, framed

from addons.answer_events import EventsAnswer
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.events import Framing
from appliance.inspect.stream.watch import Decided


class Slow(FakeWatcher):
    """Decides nothing before the end of a text."""

    def watch(self, kind, hides, ends, ceiling):
        watch = super().watch(kind, hides, ends, ceiling)
        feed, said = watch.feed, []
        watch.feed = lambda text: said.append(text) or Decided(0)
        watch.close = lambda: feed("".join(said))
        return watch


@pytest.mark.parametrize("hides", [HIDES, ()])
def test_what_was_held_when_the_provider_left_is_recorded(hides):
    reader = FakeReader(Framing.SSE)
    reader = FakeReader(Framing.SSE)
    editor = StreamEditor(reader, Slow(), hides=hides, ends=())
    answer = EventsAnswer(editor, reader, None, guards=bool(hides), on_cut=lambda *_: None)
    data = framed(Framing.SSE, [chunk("my secret-1;")]) + b"data: unfin"
    assert answer.take(data) == ([] if hides else [data])
    account = answer.account()
    assert [(label.entity, label.count) for label in account.labels] == [("TOKEN", 1)]
    assert account.coverage.opaque == {"not_read": len(b"data: unfin")}
    assert account.coverage.balanced
    assert answer.take(b"ished\n\n") == []
