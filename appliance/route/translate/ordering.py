"""One call after the other: parallel calls whose arguments come mixed are sorted, for dialects that know only blocks.

Rules: the first open call goes on as it comes; what belongs to another is held until its turn, at most MAX_HELD bytes;
text and reasoning between calls keep their place. A stream that ends closes what is open.
"""

from appliance.route.translate.conversation import (
    MAX_HELD,
    Argued,
    CallDone,
    Called,
    Event,
    Failed,
    Said,
    Stop,
    Stopped,
    Thought,
)
from appliance.route.translate.losses import Refused

_MOST = 512  # calls of one answer


class InOrder:
    """One for each stream."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int | None, list[Event]]] = []  # behind the open call: its key, None: no call
        self._open: int | None = None
        self._done: set[int] = set()
        self._called = 0
        self._held = 0

    def push(self, event: Event) -> list[Event]:
        """What may go on now."""
        if isinstance(event, Called):
            return self._call(event)
        if isinstance(event, Argued | CallDone):
            return self._of_call(event)
        if isinstance(event, Said | Thought):
            return [event] if self._open is None else self._hold(None, event)
        if isinstance(event, Stopped):
            stop = Stop.TOOLS if event.stop is Stop.END and self._called else event.stop
            return [*self._flush(), Stopped(stop, event.sequence)]
        return [*self._flush(), event] if isinstance(event, Failed) else [event]

    def _call(self, event: Called) -> list[Event]:
        self._called += 1
        if self._called > _MOST:
            raise Refused("the answer has too many calls", 502)
        if self._open is None:
            self._open = event.key
            return [event]
        return self._hold(event.key, event)

    def _of_call(self, event: Argued | CallDone) -> list[Event]:
        if event.key != self._open:
            if isinstance(event, CallDone):
                self._done.add(event.key)
                return []
            return self._hold(event.key, event)
        if isinstance(event, Argued):
            return [event]
        return [event, *self._next()]

    def _hold(self, key: int | None, event: Event) -> list[Event]:
        self._held += len(event.fragment) if isinstance(event, Argued) else len(getattr(event, "text", "")) + 64
        if self._held > MAX_HELD:
            raise Refused("the answer's calls are too long to be sorted", 502)
        found = next((events for held, events in self._waiting if held is not None and held == key), None)
        if found is not None:
            found.append(event)
        elif isinstance(event, Argued):
            raise Refused("the other service's answer has arguments without a call", 502)
        elif key is None and self._waiting[-1:] and self._waiting[-1][0] is None:
            self._waiting[-1][1].append(event)
        else:
            self._waiting.append((key, [event]))
        return []

    def _next(self) -> list[Event]:
        """The open call has ended: what waits goes on, as far as to the next call that is open."""
        self._open = None
        out: list[Event] = []
        while self._waiting:
            key, events = self._waiting.pop(0)
            out += events
            if key is None:
                continue
            if key not in self._done:
                self._open = key
                return out
            out.append(CallDone(key))
        return out

    def _flush(self) -> list[Event]:
        out: list[Event] = []
        while self._open is not None:
            out += [CallDone(self._open), *self._next()]
        return out
