"""Counts the tokens of the growing texts of one streamed answer as they pass, by estimate.

Rules: pure; changes nothing of what a reader says; what a text repeats or stands for itself is not counted twice.
"""

from appliance.inspect.dialects import EventReader
from appliance.inspect.stream.events import Event, EventView, Told
from appliance.inspect.tokens import Counting


class CountedEvents:
    """An `EventReader` around another."""

    def __init__(self, reader: EventReader) -> None:
        self.framing = reader.framing
        self._reader = reader
        self._counting = Counting()

    @property
    def tokens(self) -> int:
        """So far."""
        return self._counting.tokens

    def read(self, event: Event) -> EventView:
        """As the reader says."""
        view = self._reader.read(event)
        for text in view.texts:
            if text.channel is not None:
                self._counting.feed(text.text)
        return view

    def told(self) -> Told:
        """As the reader says."""
        return self._reader.told()

    def ending(self, reason: str) -> bytes:
        """As the reader says."""
        return self._reader.ending(reason)
