"""Watches that put back, in an answer that grows, what names stand for.

Theory. A watch of the detectors says what is hidden; around it this one looks for names of the exchange (pseudonyms)
and holds text back only from where one may have begun. What policy hides is judged on the text as the provider sent it:
where both mean the same place, hiding wins. Rules: as in `watch`; values come back in what a person reads (`WORDS`) and
nowhere else; elsewhere names are counted and stay.
"""

from collections import deque
from typing import Final

import msgspec

from appliance.inspect.pseudonyms import WORDS, Restoration, open_from
from appliance.inspect.stream.watch import UNSPOKEN, Decided, Watch, Watcher
from appliance.inspect.travelling import CONTEXT
from appliance.model.detection import Detection, Label, Selector

type _Ends = deque[list[str]]
_ENDS: Final = 4
"""Texts whose ends are remembered: clients join one text to the next, and a text that rested goes on as another."""


class Restoring:
    """Implements `Watcher` around another, for one answer."""

    def __init__(self, watcher: Watcher, restoration: Restoration) -> None:
        self.classes, self.restores = watcher.classes, True
        self._watcher = watcher
        self._restoration = restoration
        self._said: dict[str, _Ends] = {}  # by kind

    def watch(self, kind: str, hides: tuple[Selector, ...], ends: tuple[Selector, ...], ceiling: int) -> Watch:
        """See `Watcher`."""
        inner = self._watcher.watch(kind.removesuffix(UNSPOKEN), hides, ends, ceiling)
        if kind not in WORDS:
            return inner
        return _Restored(inner, self._restoration, self._said.setdefault(kind, deque(maxlen=_ENDS)))

    def whole(
        self, kind: str, text: str, hides: tuple[Selector, ...], ends: tuple[Selector, ...], ceiling: int
    ) -> tuple[Decided, tuple[Label, ...]]:
        """See `Watcher`."""
        decided, labels = self._watcher.whole(kind.removesuffix(UNSPOKEN), text, hides, ends, ceiling)
        if kind not in WORDS:
            return decided, labels
        found = self._restoration.beside(self._restoration.find(text), decided.found)
        return decided._replace(found=tuple(found)), labels


class _Restored:
    """One growing text. Offsets are those of the whole text; `_held` is what may be the beginning of a name."""

    __slots__ = ("_before", "_held", "_inner", "_looked", "_pending", "_place", "_restoration", "_until")

    def __init__(self, inner: Watch, restoration: Restoration, said: "_Ends") -> None:
        self._inner = inner
        self._restoration = restoration
        self._before = tuple(one[0] for one in said) or ("",)
        self._place = [""]  # the end of what has been looked through, for the texts that come after this one
        said.append(self._place)
        self._held = ""
        self._looked = 0  # up to where names have been looked for
        self._until = 0
        self._pending: list[Detection] = []

    def feed(self, text: str) -> Decided:
        """See `Watch`."""
        held = self._held + text
        cut = open_from(held)
        self._names(held[:cut])
        self._held = held[cut:]
        return self._told(self._inner.feed(text))

    def close(self) -> Decided:
        """See `Watch`."""
        self._names(self._held)
        self._held = ""
        return self._told(self._inner.close())

    def labels(self) -> tuple[Label, ...]:
        """See `Watch`."""
        return self._inner.labels()

    def _names(self, text: str) -> None:
        """Look through more of the text, in which no name is cut."""
        if not text:
            return
        for one in self._restoration.find(text, self._before):
            start, end = one.start + self._looked, one.end + self._looked
            self._pending.append(msgspec.structs.replace(one, start=start, end=end))
        self._looked += len(text)
        self._before = tuple(dict.fromkeys((end + text)[-CONTEXT:] for end in self._before))
        self._place[0] = self._before[-1]

    def _told(self, decided: Decided) -> Decided:
        """What both have decided; a place that one of them has found and the other not reached waits as a whole."""
        if decided.found or self._pending:
            self._pending = self._restoration.beside(self._pending, decided.found)
        until = max(min(decided.until, self._looked), self._until)
        for one in self._pending:
            if one.start < until < one.end:
                until = one.start
        found = tuple(one for one in self._pending if one.end <= until)
        self._pending = self._pending[len(found) :]
        self._until = until
        return Decided(until, found, decided.ends_at)
