"""PDF through pypdf: the text of its pages, notes, form fields and properties. The one place that knows pypdf.

Rules: pages, objects followed, bytes unpacked and text are bounded; whatever the library raises makes the document
`document_broken`, for the file is hostile; what it steps over with a warning makes it `document_partly_read`, and so do
attachments and fonts whose letters have no meaning; pictures make it `document_images`; a password that is not empty
makes it `document_encrypted`. Reading costs more than the size says: it belongs in a process that may die. Source: ISO
32000-1.
"""

import logging
import re
from io import BytesIO

from pypdf import PdfReader, apply_configuration
from pypdf.generic import (
    ArrayObject,
    ByteStringObject,
    DictionaryObject,
    IndirectObject,
    PdfObject,
    StreamObject,
    TextStringObject,
)

from appliance.inspect.documents import BROKEN, ENCRYPTED, IMAGES, MAX_CHARS, PARTLY, TOO_LARGE, Extracted
from appliance.inspect.documents_xml import TooMuch, XmlFault, xml_text

MAX_PAGES = 500
MAX_OBJECTS = 100_000
MAX_DRAWN = 4 * 1024 * 1024
"""Bytes of drawing instructions of all pages, unpacked: about 8 s of work."""
_UNPACKED = 16 * 1024 * 1024  # bytes of any one stream
_SIZES = (
    "maximum_declared_stream_length array_based_stream_maximum_output_length lzw_maximum_output_length "
    "run_length_maximum_output_length zlib_maximum_output_length brotli_maximum_output_length "
    "image_maximum_buffer_size"
)
_LIMITS = dict.fromkeys(_SIZES.split(), _UNPACKED)
_LIMITS |= {"stream_decoding_work_maximum_length": 4 * _UNPACKED, "stream_parsing_work_maximum_count": 1_000_000}
_LIMITS |= {"xform_maximum_invocations_per_extraction": 200, "zlib_maximum_recovery_input_length": 1024 * 1024}
_RECOVERED = 1_000  # objects looked at to find the root of a damaged file
_DATE = re.compile(r"D:\d{4}")
_CIPHER = frozenset({"/ID", "/O", "/U", "/OE", "/UE", "/Perms"})  # byte strings that are no text
LABEL = "/MSIP_Label_"  # what office programs call a sensitivity label among a file's properties
_MEANINGLESS = re.compile("[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f]")
_INLINE = re.compile(rb"(?<![^\s)>\]])BI\s[^()<>]{0,400}?\sID\s")  # a picture among the drawing instructions
_TOLERATED = 50  # letters to each meaningless one


class _Skipped(logging.Handler):
    """Counts the library's warnings, each of which means that something was left out.

    They are emptied too: they quote the file, and somebody else may have put a handler below.
    """

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.levelno >= logging.WARNING
        record.msg, record.args, record.exc_info = "a document was read with a warning", None, None


_SKIPPED = _Skipped()
logging.getLogger("pypdf").addHandler(_SKIPPED)
logging.getLogger("pypdf").propagate = False


def pdf_text(data: bytes) -> Extracted:
    """The text of one PDF. Never raises but MemoryError."""
    texts: list[str] = []
    before = _SKIPPED.count
    try:
        with apply_configuration(None, jbig2dec_binary=None, disable_legacy_handling=True, **_LIMITS):
            reader = PdfReader(BytesIO(data), strict=False, root_object_recovery_limit=_RECOVERED)
            if reader.is_encrypted and not reader.decrypt(""):
                return Extracted(reason=ENCRYPTED)
            faults = {*_pages(reader, texts), *_strings(reader, texts)}
    except TooMuch:
        return Extracted(tuple(texts), reason=TOO_LARGE)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a parser of hostile files may raise anything
        return Extracted(tuple(texts), reason=BROKEN)
    if _SKIPPED.count != before:
        faults.add(PARTLY)
    reason = PARTLY if PARTLY in faults else "".join(faults)
    return Extracted(tuple(texts), not faults, reason)


def _pages(reader: PdfReader, texts: list[str]) -> set[str]:
    """The text that pages draw."""
    if reader.get_num_pages() > MAX_PAGES:
        raise TooMuch
    drawn = meaningless = 0
    faults: set[str] = set()
    for page in reader.pages:
        streams = _drawn(page.get("/Contents"))
        drawn += sum(map(len, streams))
        if drawn > MAX_DRAWN:
            raise TooMuch
        if any(map(_INLINE.search, streams)):
            faults.add(IMAGES)
        text = page.extract_text()
        _keep(texts, text)
        meaningless += len(_MEANINGLESS.findall(text))
    return faults | {PARTLY} if meaningless * _TOLERATED > sum(map(len, texts)) else faults


def _drawn(contents: PdfObject | None) -> list[bytes]:
    """What a page draws with, unpacked."""
    found = contents.get_object() if contents is not None else None
    streams = [item.get_object() for item in found] if isinstance(found, ArrayObject) else [found]
    return [stream.get_data() for stream in streams if isinstance(stream, StreamObject)]


def _strings(reader: PdfReader, texts: list[str]) -> set[str]:
    """Every string that can be reached: notes, fields, titles, alternative texts, addresses; what cannot be read."""
    faults: set[str] = set()
    strings: dict[str, None] = {}
    seen: set[tuple[int, int]] = set()
    waiting: list[object] = [reader.trailer.get("/Root"), reader.trailer.get("/Info")]
    steps = 0
    while waiting:
        steps += 1
        if steps > MAX_OBJECTS:
            raise TooMuch
        item = waiting.pop()
        if isinstance(item, IndirectObject):
            place = (item.idnum, item.generation)
            if place in seen:
                continue
            seen.add(place)
            item = item.get_object()
        if isinstance(item, DictionaryObject):
            faults |= _unread(item, texts)
            strings |= dict.fromkeys(key[1:] for key in item if key.startswith(LABEL))
            waiting += [item.raw_get(key) for key in item if key not in _CIPHER]
        elif isinstance(item, ArrayObject):
            waiting += list.__iter__(item)
        elif isinstance(item, TextStringObject | ByteStringObject):
            strings[_string(item)] = None
    _keep(texts, "\n".join(text for text in strings if text and not _DATE.match(text)))
    return faults


def _string(item: TextStringObject | ByteStringObject) -> str:
    return str(item) if isinstance(item, TextStringObject) else bytes(item).decode("latin-1")


def _unread(item: DictionaryObject, texts: list[str]) -> set[str]:
    """What of one object is not text to us."""
    subtype, kind = item.get("/Subtype"), item.get("/Type")
    if kind == "/EmbeddedFile" or subtype in {"/RichMedia", "/3D", "/Movie", "/Sound"} or "/XFA" in item:
        return {PARTLY}
    if kind == "/Metadata" and isinstance(item, StreamObject):
        return _properties(item, texts)
    if subtype == "/Image" and isinstance(item, StreamObject):
        return {IMAGES}
    if kind == "/Font" and subtype in {"/Type0", "/Type3"} and "/ToUnicode" not in item:
        return {PARTLY}
    return set()


def _properties(item: StreamObject, texts: list[str]) -> set[str]:
    try:
        _keep(texts, xml_text(item.get_data(), MAX_CHARS))
    except XmlFault as broken:
        _keep(texts, broken.text)
        return {PARTLY}
    return set()


def _keep(texts: list[str], text: str) -> None:
    if sum(map(len, texts)) + len(text) > MAX_CHARS:
        raise TooMuch
    if text:
        texts.append(text)
