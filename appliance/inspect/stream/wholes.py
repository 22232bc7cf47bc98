"""Texts of a stream that stand for themselves: repeats, names, ids, long numbers.

Owns: what was found in short ones, since ids and names recur in every event. Rules: each is scanned whole, so that a
repeat carries what the growing text carried; in the name of a model only keys and what is certain count; in a number
only the latter, and what hides it brings its own quotes.
"""

from appliance.inspect.identifiers import is_identifier, is_moment, telling
from appliance.inspect.redact import Edit
from appliance.inspect.stream.beside import in_names, name_labels, number_edit, sure, sure_labels
from appliance.inspect.stream.channels import hidden_among, text_edits, whole_changes
from appliance.inspect.stream.events import Text
from appliance.inspect.stream.tally import Tally
from appliance.inspect.stream.watch import Decided, Watcher
from appliance.model.detection import Label, Segment, Selector

_MEMO_CHARS, _MEMO_ENTRIES = 256, 512
_NUMBER, _METADATA = "number", "metadata"


class Wholes:
    """Those of one stream. Each method tells the edits, and whether something was found that ends the answer."""

    def __init__(
        self,
        watcher: Watcher,
        tally: Tally,
        hides: tuple[Selector, ...],
        ends: tuple[Selector, ...],
        ceiling: int,
    ) -> None:
        self._watcher = watcher
        self._tally = tally
        self._hides, self._ends = hides, ends
        self._sure = sure(hides), sure(ends)
        self._ends_names = in_names(ends)
        self._ceiling = ceiling
        self._memo: dict[tuple[str, str], tuple[Decided, tuple[Label, ...]]] = {}
        self._clean: set[tuple[str, str]] = set()  # texts without anything, of any score

    def text(self, written: bytes, text: Text, kind: str) -> tuple[list[Edit], bool]:
        """A string; edits of `written`, in which its span is."""
        if (kind, text.text) in self._clean:
            return [], False
        names = kind == _METADATA and text.text[:1].isalpha() and is_identifier(text.text)
        decided, labels = self._look(kind, text.text, self._hides, self._ends_names if names else self._ends)
        found = telling(text.text, decided.found) if names else decided.found
        self._tally.whole(kind, text.text, name_labels(labels) if names else labels)
        if not found:
            if decided.ends_at is None and not labels:
                self._keep_clean(kind, text.text)
            return [], decided.ends_at is not None
        self._tally.redactions += hidden_among(found)
        return text_edits(written, text, whole_changes(found)), decided.ends_at is not None

    def _keep_clean(self, kind: str, text: str) -> None:
        """Nothing was found in it, and it will come with every event."""
        if len(text) <= _MEMO_CHARS:
            if len(self._clean) >= _MEMO_ENTRIES:
                self._clean.clear()
            self._clean.add((kind, text))

    def number(self, number: Segment) -> tuple[list[Edit], bool]:
        """A number outside all strings; edits of its payload."""
        decided, labels = self._look(_NUMBER, number.text, *self._sure)
        self._tally.looked(number.end - number.start)
        labels = sure_labels(labels)
        if labels and is_moment(number.text, (label.entity for label in labels)):
            return [], False
        self._tally.whole(_NUMBER, number.text, labels)
        if not decided.found:
            return [], decided.ends_at is not None
        self._tally.redactions += 1
        return [number_edit(number, decided.found)], decided.ends_at is not None

    def _look(
        self, kind: str, text: str, hides: tuple[Selector, ...], ends: tuple[Selector, ...]
    ) -> tuple[Decided, tuple[Label, ...]]:
        key = (kind, text)
        known = self._memo.get(key)
        if known is None:
            known = self._watcher.whole(kind, text, hides, ends, self._ceiling)
            if len(text) <= _MEMO_CHARS:
                if len(self._memo) >= _MEMO_ENTRIES:
                    self._memo.clear()
                self._memo[key] = known
        return known
