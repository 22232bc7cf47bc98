"""An answer as a Markdown reader sees it: links, images and HTML outside code, with what references lead to.

Owns: the only use of markdown-it. Rules: loaded when first needed (8 MiB and 0.1 s); texts over `MOST` or with more
brackets than `MOST_BRACKETS` are left to the forms, which find what stands in them however it is read; a place is that
of the URL as it is written, else of its definition, else of the lines it stands in.
"""

import html
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

MOST = 64 * 1024
MOST_BRACKETS = 2000
_MOST_SEEN = 500
_MAY_HOLD = re.compile(r"\]\s?[(\[:]|!\[|<[a-zA-Z]")
_reader: list["MarkdownIt"] = []


class Seen(NamedTuple):
    """`kind`: image, link, or html (then `url` is its source). Places are code points of the text."""

    kind: str
    url: str
    start: int
    end: int


def seen_in(text: str, cut: Callable[[], None] = lambda: None) -> Iterator[Seen]:
    """Every link, image and piece of HTML that a reader would act on; nothing where the text is not read.

    `cut`: told where it is not read, or not to its end, though it may hold some.
    """
    if _MAY_HOLD.search(text) is None:
        return
    if len(text) > MOST or text.count("[") > MOST_BRACKETS:
        cut()
        return
    environment: dict[str, Any] = {}
    try:
        tokens = _markdown().parse(text, environment)
    except RecursionError:
        cut()
        return  # nested without end: the forms have looked at it
    lines = _Lines(text)
    for count, one in enumerate(_all(tokens, lines, environment.get("references", {}))):
        if count == _MOST_SEEN:
            cut()
            return
        yield one


def _markdown() -> "MarkdownIt":
    if not _reader:
        from markdown_it import MarkdownIt

        made = MarkdownIt("commonmark")
        vars(made).update(validateLink=_every, normalizeLink=str)  # what others refuse to render is looked for
        _reader.append(made)
    return _reader[0]


def _every(_url: str) -> bool:
    return True


class _Lines:
    """The places of lines, counted as the reader counts them."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._begins = [0, *(match.end() for match in re.finditer(r"\r\n?|\n", text)), len(text)]

    def span(self, first: int, behind: int) -> tuple[int, int]:
        """From one line up to another."""
        last = len(self._begins) - 1
        return self._begins[min(first, last)], self._begins[min(behind, last)]


def _all(tokens: Iterable["Token"], lines: _Lines, references: dict[str, Any]) -> Iterator[Seen]:
    for token in tokens:
        span = lines.span(*token.map) if token.map else (0, len(lines.text))
        if token.type == "html_block":
            yield Seen("html", token.content, *span)
        at = span[0]
        for kind, url in _inside(token):
            start, end = _place(lines, (at, span[1]), span, url, references)
            at = end if span[0] <= start and end < span[1] else at
            yield Seen(kind, url, start, end)


def _inside(token: "Token") -> Iterator[tuple[str, str]]:
    for child in token.children or ():
        if child.type == "image":
            yield "image", str(child.attrGet("src") or "")
            yield from _inside(child)
        elif child.type == "link_open":
            yield "link", str(child.attrGet("href") or "")
        elif child.type == "html_inline":
            yield "html", child.content


def _place(
    lines: _Lines, rest: tuple[int, int], span: tuple[int, int], url: str, references: dict[str, Any]
) -> tuple[int, int]:
    text = lines.text
    for written in (url, html.escape(url, quote=False)):
        at = text.find(written, *rest) if written else -1
        if at >= 0:
            return at, at + len(written)
    for reference in references.values():
        if reference.get("href") == url and reference.get("map"):
            first, behind = lines.span(*reference["map"])
            at = text.find(url, first, behind)
            return (at, at + len(url)) if at >= 0 else (first, behind)
    return span
