"""Office files and PDF: the text in them, and whether that is all of it.

Owns: which reader a document gets, and the words for what could not be read: `document_encrypted`, `document_broken`,
`document_too_large`, `document_images` (all text was read, its pictures were not), `document_partly_read`,
`document_unknown` (old binary formats). Rules: what bytes are decides, not what they are called; nothing here raises on
hostile input; complete means that every part that can hold text was read.
"""

import re
from typing import NamedTuple

MAX_BYTES = 32 * 1024 * 1024
MAX_CHARS = 4 * 1024 * 1024
"""Code points drawn from one document; more is not scanned either."""

BROKEN = "document_broken"
ENCRYPTED = "document_encrypted"
IMAGES = "document_images"
PARTLY = "document_partly_read"
TOO_LARGE = "document_too_large"
UNKNOWN = "document_unknown"

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_PDF = b"%PDF-"
_PDF_WITHIN = 1024
_PDF_OBJECT = re.compile(rb"[0-9]\s++[0-9]++\s++obj")
_ALSO_ENCODED = (b"JVBERi0", b"UEsDB", b"0M8R4K")  # the same beginnings as base64


class Extracted(NamedTuple):
    """Texts of a document. `reason` is empty where `complete`, else one of the words above."""

    texts: tuple[str, ...] = ()
    complete: bool = False
    reason: str = BROKEN


def is_document(data: bytes) -> bool:
    """Whether `data` begins as a PDF, a zip archive or an old Office file does; a text about PDF is none."""
    if data.startswith((*_ZIP, _OLE)):
        return True
    return _PDF in data[:_PDF_WITHIN] and _PDF_OBJECT.search(data) is not None


def may_hold_document(body: bytes) -> bool:
    """Whether a document may stand anywhere in `body`, plain or as base64: reading it costs more than its size says."""
    return any(mark in body for mark in (_PDF, _ZIP[0], _OLE, *_ALSO_ENCODED))


def text_of(data: bytes) -> Extracted:
    """The text of a document; `archive` is the reason of a zip that is none. Never raises but MemoryError."""
    if len(data) > MAX_BYTES:
        return Extracted(reason=TOO_LARGE)
    if data.startswith(_OLE):
        return Extracted(reason=ENCRYPTED if _ENCRYPTED_PACKAGE in data else UNKNOWN)
    if data.startswith(_ZIP):
        from appliance.inspect.documents_office import office_text

        return office_text(data)
    from appliance.inspect.documents_pdf import pdf_text

    return pdf_text(data)
