"""The text of one XML part of a document, with line breaks where its readers see them.

Rules: declarations of entities and document types are refused; runs of one paragraph stand together, for a word is
often cut into several; of attributes those are taken that people write (names, titles, alternative texts, addresses)
and every other that holds a blank or an `@`; each attribute value once.
"""

from xml.parsers import expat

MAX_ELEMENTS = 2_000_000
MAX_DEPTH = 1_000

_RUNS = "r t span a delText instrText hyperlink ins del smartTag s sdt sdtContent fld rt rPh"
_INLINE = frozenset(_RUNS.split())
_BREAKS = frozenset({"p", "h", "si", "is", "tr", "row", "br", "cr", "line-break", "comment", "table-cell"})
_TABS = frozenset({"tab", "tc"})
_NAMED = (
    "descr title author initials Target alt tooltip display displayName displayText text prompt promptTitle error "
    "errorTitle name string userId userName href string-value formula caption lastEdited creator"
)
_WRITTEN = frozenset(_NAMED.split())


class Unfinished(Exception):  # noqa: N818 - an internal signal
    """Reading ended early; `text` is what stood before."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self.text = text


class XmlFault(Unfinished):
    """The part is no XML, or declares entities."""


class TooMuch(Unfinished):
    """The part holds more elements, depth or text than is read."""


def xml_text(data: bytes, max_chars: int) -> str:
    """The text of `data`. XmlFault when it cannot be read, TooMuch beyond `max_chars` code points."""
    reader = _Reader(max_chars)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.ProcessingInstructionHandler = reader.instruction
    parser.CommentHandler = reader.comment
    try:
        parser.Parse(data, True)
    except TooMuch as error:
        raise TooMuch(reader.whole()) from error
    except (XmlFault, expat.ExpatError, ValueError) as error:
        raise XmlFault(reader.whole()) from error
    return reader.whole()


def _refuse(*_: object) -> None:
    raise XmlFault


class _Reader:
    """Collects what the parser tells."""

    def __init__(self, max_chars: int) -> None:
        self._room = max_chars
        self._parts: list[str] = []
        self._seen: dict[str, None] = {}
        self._own: list[bool] = []  # for each open element: whether it holds text of its own
        self._elements = 0

    def start(self, _: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._own.append(False)
        if self._elements > MAX_ELEMENTS or len(self._own) > MAX_DEPTH:
            raise TooMuch
        for name, value in attributes.items():
            if value not in self._seen and _is_written(name, value):
                self._seen[value] = None
                self._take(len(value) + 1)

    def end(self, name: str) -> None:
        local = name.rpartition(":")[2]
        if local in _TABS:
            self._parts.append("\t")
        elif local in _BREAKS or (self._own[-1] and local not in _INLINE):
            self._parts.append("\n")
        self._own.pop()

    def text(self, text: str) -> None:
        if self._own:
            self._own[-1] = self._own[-1] or not text.isspace()
        self._take(len(text))
        self._parts.append(text)

    def instruction(self, target: str, text: str) -> None:
        self.comment(f"{target} {text}")

    def comment(self, text: str) -> None:
        self._take(len(text) + 2)
        self._parts.append(f"\n{text}\n")

    def whole(self) -> str:
        text = "".join(self._parts).strip()
        return "\n".join([text, *self._seen]) if text else "\n".join(self._seen)

    def _take(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise TooMuch


def _is_written(name: str, value: str) -> bool:
    if not value or name.startswith("xmlns"):
        return False
    return " " in value or "@" in value or name.rpartition(":")[2] in _WRITTEN
