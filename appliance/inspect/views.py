"""Every reading of a text beside its letters, each with the way back to them.

Theory: whoever receives a link, a page, a mail or a prompt undoes such writing without being asked (a model most of
all), so detectors that read the letters alone miss what they say. The canonical view comes first; then what is decoded
from it, down to `DEPTH`. Names: `canonical`; `tags` and `variation` (writing that nobody sees, from eight characters
on: a finding by itself); `url` (links, mails, RTF), `base64`, `hex`, `spaced`, `digits`, `spelled`, `joined` (mail
addresses), `lines` (tokens that line ends cut), `reversed`, `rot13`.

Rules: pure; a text without such writing costs a few searches for bytes; all views together hold at most `GROWTH` times
the text, and nothing is undone beyond that or below `DEPTH`, which `Readings.lacking` tells; in views that are `sure`
digits and letters come of anything, so only what is certain counts (`views_counted`).
"""

from collections.abc import Callable, Iterable, Iterator

from appliance.inspect.looking import RAW, Readings, View
from appliance.inspect.views_canonical import canonical
from appliance.inspect.views_decoded import MAX_PIECES, backwards, base64_texts, hex_texts, selected, tagged
from appliance.inspect.views_escapes import words
from appliance.inspect.views_forms import Forms
from appliance.inspect.views_gates import ESCAPES, HEX, LINES, MAIL, NUMBERS, SIGNS, SPACED, TOKENS, Gates, all_open
from appliance.inspect.views_numbers import numbers
from appliance.inspect.views_places import Piece, below, together
from appliance.inspect.views_spread import broken, joined, spaced, spelled
from appliance.inspect.views_turned import shifted, turned

DEPTH = 3
"""Codes inside codes."""
GROWTH = 4
"""All views of a text together are at most so many times as long as it."""
_ROOM = 4096  # that even a short text may unfold to
_HOLDS_TEXT = frozenset({"url", "base64", "hex", "tags", "variation", "spaced"})
_LOOKING = frozenset({"pii", "secret", "injection"})  # classes that look at views
_GUESSED = "views"  # stands for the others, which say something by chance alone


def views(text: str, gates: Gates = all_open) -> Readings:
    """Every reading of `text` that differs from it: the canonical one first, where there is one."""
    first = canonical(text)
    found = Readings([first] if first else [])
    rest = [*_unseen(text)] if first and first.place else []  # what nobody sees is dropped there, so places move
    room = GROWTH * len(text) + _ROOM
    base = first or View(RAW, text)
    cut: set[str] = {"url"} if base.cut else set()  # views that bounds left unread, or read in part
    rest += (below(base, one) for one in _readings(base.text, gates, cut))
    depth = [1] * len(rest)
    for number, one in enumerate(rest):  # grows as it is read
        holds = one.name in _HOLDS_TEXT
        read = _as_read(one) if holds else one
        room -= len(read.text)
        if read.cut:
            cut.add(one.name)
        if room < 0:
            cut |= _HOLDS_TEXT
            break
        found.append(read)
        if holds and depth[number] < DEPTH:
            inside = [below(read, within) for within in _readings(read.text, gates, cut)]
            rest += inside
            depth += [depth[number] + 1] * len(inside)
        elif holds:
            cut.update(within.name for within in _readings(read.text, gates, cut))
    if cut:
        found.lacking |= {_GUESSED} if _HOLDS_TEXT.isdisjoint(cut) else {*_LOOKING, _GUESSED}
    return found


def _as_read(view: View) -> View:
    """A view whose own letters are disguised, without that."""
    read = canonical(view.text)
    return below(view, read._replace(name=view.name, parts=None)) if read else view


def _unseen(text: str) -> Iterator[View]:
    """What is written in characters that nobody sees, or against the direction in which they stand."""
    if piece := tagged(text):
        yield together("tags", [piece], sure=False)
    if piece := selected(text):
        yield together("variation", [piece], sure=False)
    if "\u202e" in text and (pieces := [*backwards(text)]):
        yield together("reversed", pieces)


def _readings(text: str, gates: Gates, cut: set[str]) -> Iterator[View]:
    """The views of a text in which nothing is hidden or escaped any more. `cut`: is told which are not of all of it."""
    gate = gates(text)
    if not gate:
        return
    forms = Forms(text)
    for name, names, read in _READERS:
        pieces = [] if gate.isdisjoint(names) else [*read(forms)]
        if forms.cut or len(pieces) >= MAX_PIECES:  # as many words (`views_escapes`) are undone at most
            cut.add(name)
            forms.cut = False
        if pieces:
            yield together(name, pieces)


# What holds text comes first; of the rest only what has a checksum or a known beginning counts.
_READERS: tuple[tuple[str, tuple[str, ...], Callable[[Forms], Iterable[Piece]]], ...] = (
    ("url", (ESCAPES,), lambda forms: words(forms.text)),
    ("base64", (TOKENS,), base64_texts),
    ("hex", (HEX,), lambda forms: hex_texts(forms.text)),
    ("spaced", (SPACED,), lambda forms: spaced(forms.text)),
    ("digits", (NUMBERS,), numbers),
    ("spelled", (SIGNS,), lambda forms: spelled(forms.text)),
    ("joined", (MAIL,), lambda forms: joined(forms.text)),
    ("lines", (LINES,), broken),
    ("reversed", (TOKENS, NUMBERS, MAIL), turned),
    ("rot13", (TOKENS, NUMBERS, MAIL), shifted),
)
