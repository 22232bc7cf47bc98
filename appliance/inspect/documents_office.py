"""Office files that are zip archives of XML (docx, xlsx, pptx, odt, ods, odp): every text in every XML part.

Rules: members, unpacked bytes, ratio, elements and text are bounded before they are produced; entity declarations are
refused, so that no text can be made out of others; a member that is no XML is never dropped in silence: a picture makes
the document `document_images`, anything else `document_partly_read`. Sources: ECMA-376 parts 1 and 2; ODF 1.3; APPNOTE.
"""

import zipfile
from io import BytesIO
from typing import NamedTuple

from appliance.inspect.content import RATIO_FLOOR
from appliance.inspect.documents import BROKEN, ENCRYPTED, IMAGES, MAX_CHARS, PARTLY, TOO_LARGE, Extracted
from appliance.inspect.documents_xml import TooMuch, XmlFault, xml_text

MAX_MEMBERS = 2_000
MAX_UNPACKED = 32 * 1024 * 1024
MAX_RATIO = 200
_DIRECTORY = 1024 * 1024  # bytes of the archive's directory: it is read into objects as a whole
_END = b"PK\x05\x06"
_END_SIZE = 22
_END_WITHIN = 65_557
_ZIP64 = b"PK\x06\x07"
_XML = (".xml", ".rels", ".vml")
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".emf", ".wmf", ".svg", ".wdp", ".ico", ".webp")
_SILENT = ("mimetype",)
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Unpacked(NamedTuple):
    data: bytes
    fault: str | None = None


def office_text(data: bytes) -> Extracted:
    """The text of one document; `archive` is the reason of a zip that is none. Never raises but MemoryError."""
    if not _directory_is_small(data):
        return Extracted(reason=TOO_LARGE)
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return _read(archive, len(data))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a reader of hostile archives may raise anything
        return Extracted(reason=BROKEN)


def _directory_is_small(data: bytes) -> bool:
    """What `zipfile` would read at once, told from the end record as it finds it."""
    at = len(data) - _END_SIZE
    if not (data[at:].startswith(_END) and data.endswith(b"\0\0")):
        at = data.rfind(_END, max(0, len(data) - _END_WITHIN))
    if at < 0 or len(data) < at + _END_SIZE:
        return True  # no archive; zipfile says so
    size = int.from_bytes(data[at + 12 : at + 16], "little")
    return size <= _DIRECTORY and _ZIP64 not in data[max(0, at - 20) : at]


def _read(archive: zipfile.ZipFile, packed: int) -> Extracted:
    members = [member for member in archive.infolist() if not member.is_dir()]
    names = [member.filename for member in members]
    if not {"[Content_Types].xml", "content.xml"} & set(names):
        return Extracted(reason="archive")
    if len(members) > MAX_MEMBERS:
        return Extracted(reason=TOO_LARGE)
    if any(member.flag_bits & 1 for member in members):
        return Extracted(reason=ENCRYPTED)
    if len(set(names)) != len(names) or archive.comment or min(member.header_offset for member in members):
        return _texts(archive, members, packed, PARTLY)  # readers differ, or bytes stand where none of them look
    return _texts(archive, members, packed, None)


def _texts(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], packed: int, fault: str | None) -> Extracted:
    room = min(MAX_UNPACKED, max(packed * MAX_RATIO, RATIO_FLOOR))
    chars = MAX_CHARS
    texts: list[str] = []
    for member in members:
        name = member.filename.lower()
        if not name.endswith(_XML):
            fault = _worse(fault, _unread(name))
            continue
        unpacked = _unpack(archive, member, room)
        room -= len(unpacked.data)
        try:
            text = xml_text(unpacked.data, chars) if unpacked.fault is None else ""
        except TooMuch as more:
            return Extracted((*texts, more.text), reason=TOO_LARGE)
        except XmlFault as broken:
            text, fault = broken.text, BROKEN
        fault = _worse(fault, unpacked.fault)
        if unpacked.fault == TOO_LARGE:
            break
        chars -= len(text)
        texts += [text] if text else []
    return Extracted(tuple(texts), fault is None, fault or "")


def _unread(name: str) -> str | None:
    if name in _SILENT:
        return None
    return IMAGES if name.endswith(_PICTURES) else PARTLY


def _worse(one: str | None, other: str | None) -> str | None:
    """Pictures are the least that can be missing."""
    return other if one in {None, IMAGES} and other else one


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, room: int) -> _Unpacked:
    if member.compress_type not in _PACKED:
        return _Unpacked(b"", PARTLY)
    with archive.open(member) as stream:
        data = stream.read(room + 1)
    return _Unpacked(data) if len(data) <= room else _Unpacked(b"", TOO_LARGE)
