"""A watch sees a whole sample before the first answer comes."""

from stream_fakes import HIDES

from appliance.inspect.stream.warming import SAMPLE, warm
from appliance.inspect.stream.watch import Decided


class Watcher:
    classes = ()

    def __init__(self):
        self.fed, self.closed, self.asked = "", False, None

    def watch(self, kind, hides, ends, ceiling):
        self.asked = kind, hides, ends
        assert ceiling > len(SAMPLE)
        return self

    def feed(self, text):
        self.fed += text
        return Decided(len(self.fed))

    def close(self):
        self.closed = True
        return Decided(len(self.fed))


def test_the_sample_is_walked_in_pieces():
    watcher = Watcher()
    warm(watcher, HIDES)
    assert (watcher.fed, watcher.closed, watcher.asked) == (SAMPLE, True, ("content", HIDES, ()))
