"""Everything of `forms` that stands in a text, judged: which entity it is, and how sure that is.

Owns: `spans` (from a place on), `exact` (all of a text), `Patterns`, the detector of whole answers. Rules: a judgement
reads the match and at most `LOOK_BACK` characters before it, so that it is the same for a text that grows; of matches
over the same place the better one is told; the hosts that are allowed are not known here (see `hosts`).
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from appliance.inspect.looking import Looked
from appliance.inspect.output import forms
from appliance.inspect.output.commonmark import seen_in
from appliance.inspect.output.forms import FORMS, Form
from appliance.inspect.output.hosts import EXFILTRATION_IMAGE, EXTERNAL_IMAGE, EXTERNAL_LINK, carries_data, hosts_of
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Source

SCRIPT_URL, DATA_URL = "SCRIPT_URL", "DATA_URL"
HTML_SCRIPT = "HTML_SCRIPT"
TERMINAL_ESCAPE = "TERMINAL_ESCAPE"
BEST = 0.95
LOOK_BACK = 256
_STEPS = 32  # brackets that are walked over before a link
_COMPILED = tuple((form, re.compile(form.shape)) for form in FORMS)
_BRACKET = re.compile(r"[\[\]]")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m\Z")
_SCRIPT = re.compile(r"(?:javascript|vbscript)\\?:", re.IGNORECASE)
_DATA = re.compile(r"data:([A-Za-z]{0,20}(?:/[A-Za-z0-9.+-]{0,60})?)", re.IGNORECASE)
_ESCAPED_URL = re.compile(r"\](?:\(|:)\s{0,8}[^\s)]{0,200}[&\\]")
_RUNS = re.compile(r"html|svg|xml|script", re.IGNORECASE)


class Group(NamedTuple):
    """Forms that are judged together: `members` are indices of `FORMS`, `best` is the highest score."""

    name: str
    entities: tuple[str, ...]
    best: float
    members: tuple[int, ...]


class Sight(NamedTuple):
    """`span`: all that was matched; `start`, `end`: what is told of it."""

    span: tuple[int, int]
    start: int
    end: int
    entity: str
    score: float
    rule: str


def sights(text: str, start: int, wanted: Sequence[int]) -> Iterator[Sight]:
    """Judged matches from `start` on, form by form. `wanted`: indices of `FORMS`."""
    for index in wanted:
        form, shape = _COMPILED[index]
        if not any(signal in text for signal in form.signals):
            continue
        group = "told" if "told" in shape.groupindex else 0
        for match in shape.finditer(text, start):
            told = match.span(group)
            entity, score = _judged(form, text, match.start(), text[slice(*told)])
            yield Sight(match.span(), *told, entity, score, form.name)


def spans(text: str, start: int, wanted: Sequence[int]) -> tuple[list[tuple[int, int]], list[Sight]]:
    """What was matched, and what of it counts."""
    found = list(sights(text, start, wanted))
    return [one.span for one in found], list(told(found))


def told(found: Iterable[Sight]) -> Iterator[Sight]:
    """What counts, the better of two where places overlap."""
    kept: list[Sight] = []
    for one in sorted((one for one in found if one.score > 0), key=lambda one: (one.start, -one.score, -one.end)):
        if kept and one.start < kept[-1].end:
            if one.score > kept[-1].score:
                kept[-1] = one
            continue
        kept.append(one)
    yield from kept


class Patterns:
    """Links, images, active HTML and terminal escapes in whole answers."""

    name = "output"
    detector_class = "output"
    version = "2"
    sources = frozenset({Source.ANSWER})

    def find(self, looked: Looked, deadline: float) -> Iterable[Detection]:
        """See `Detector`."""
        del deadline
        found = exact(looked.text)
        return [*found, *_by_reader(looked.text, found, lambda: looked.left(self.detector_class))]


def exact(text: str) -> list[Detection]:
    """What a watch over a growing text decides by."""
    return [detection(one) for group in GROUPS for one in told(sights(text, 0, group.members))]


def detection(sight: Sight) -> Detection:
    """As all detectors tell it."""
    return Detection(sight.start, sight.end, sight.entity, DetectionKind.OUTPUT, sight.score, sight.rule)


def _by_reader(text: str, known: Sequence[Detection], cut: Callable[[], None]) -> Iterator[Detection]:
    """What a Markdown reader would act on, where the forms have said less of that place.

    It is asked only where it may know more: of references to images, of escapes in URLs, of HTML that may be code.
    """
    refers = "![" in text and "]:" in text
    if not (refers or any(one.entity == HTML_SCRIPT for one in known) or _ESCAPED_URL.search(text)):
        return
    for kind, url, start, end in seen_in(text, cut):
        if kind == "html":
            # Outside code, so a page that shows the answer runs it.
            for one in sights(text[start:end], 0, _HTML.members):
                yield _reading(start + one.start, start + one.end, HTML_SCRIPT, 0.9)
            continue
        entity, score = judged_url(kind, url)
        told = (one for one in known if one.start < end and start < one.end)
        if score and not any(one.score >= score for one in told):
            yield _reading(start, end, entity, score)


def _reading(start: int, end: int, entity: str, score: float) -> Detection:
    return Detection(start, end, entity, DetectionKind.OUTPUT, score, "commonmark")


def _group(name: str, entities: tuple[str, ...], best: float, means: tuple[str, ...]) -> Group:
    return Group(name, entities, best, tuple(index for index, form in enumerate(FORMS) if form.means in means))


_HTML = _group("output-html", (HTML_SCRIPT,), 0.5, (forms.ACTIVE, forms.HANDLER))
GROUPS = (
    _group(
        "output-links",
        (EXFILTRATION_IMAGE, EXTERNAL_IMAGE, EXTERNAL_LINK, SCRIPT_URL, DATA_URL),
        BEST,
        (forms.MARKDOWN, forms.LINK, forms.IMAGE, forms.DEFINITION, forms.BARE),
    ),
    _HTML,
    _group("output-terminal", (TERMINAL_ESCAPE,), 0.9, (forms.TERMINAL,)),
)


def _judged(form: Form, text: str, start: int, word: str) -> tuple[str, float]:
    if form.means in (forms.ACTIVE, forms.HANDLER):
        return HTML_SCRIPT, 0.5
    if form.means == forms.TERMINAL:
        return TERMINAL_ESCAPE, 0.5 if _COLOUR.match(word) else 0.9
    means = form.means
    if means == forms.MARKDOWN:
        means = forms.IMAGE if _is_image(text, start) else forms.LINK
    return judged_url(means, word)


def judged_url(means: str, url: str) -> tuple[str, float]:
    """A URL where a reader follows or loads it; score 0: it is none."""
    plain = re.sub(r"[\t\r\n]", "", html.unescape(url))
    if _SCRIPT.match(plain):
        return SCRIPT_URL, BEST
    if match := _DATA.match(plain):
        return DATA_URL, 0.9 if _RUNS.search(match[1]) else 0.3
    if not hosts_of(url):
        return EXTERNAL_LINK, 0.0
    return _external(means, data=carries_data(plain))


def _external(means: str, *, data: bool) -> tuple[str, float]:
    """What leads to another host, or loads from there."""
    if means == forms.IMAGE:
        return (EXFILTRATION_IMAGE, 0.9) if data else (EXTERNAL_IMAGE, 0.5)
    if means == forms.DEFINITION and data:  # an image anywhere in the text may refer to it
        return EXFILTRATION_IMAGE, 0.7
    if means == forms.BARE and not data:
        return EXTERNAL_LINK, 0.0
    return EXTERNAL_LINK, 0.4 if data else 0.2


def _is_image(text: str, close: int) -> bool:
    """Whether the bracket that closes at `close` was opened as an image; too far back to tell counts as one."""
    depth, first = 0, max(0, close - LOOK_BACK)
    brackets = [match.start() for match in _BRACKET.finditer(text, first, close)][-_STEPS:]
    for place in reversed(brackets):
        if place and text[place - 1] == "\\" and place - 1 >= first:
            continue
        if text[place] == "]":
            depth += 1
        elif depth:
            depth -= 1
        else:
            return place > 0 and text[place - 1] == "!"
    return first > 0 or len(brackets) == _STEPS
