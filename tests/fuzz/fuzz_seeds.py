"""Well-formed bodies that no dialect's fixture has: documents, protobuf, frames of remote calls, forms with files."""

import io
import zipfile
from functools import cache
from typing import NamedTuple

_XML = b'<w:document xmlns:w="w"><w:body><w:p><w:r><w:t>Ann Lee &amp; Bob</w:t></w:r></w:p></w:body></w:document>'
_TYPES = b'<Types xmlns="t"><Default Extension="xml" ContentType="a/b"/></Types>'
_BOUNDARY = b"gnomon-boundary"


class Seed(NamedTuple):
    """A body and its media type."""

    media_type: str
    body: bytes


@cache
def seeds() -> tuple[Seed, ...]:
    """All of them."""
    word, message = office(("word/document.xml", _XML)), protobuf()
    frame = b"\0" + len(message).to_bytes(4, "big") + message
    return (
        Seed("application/vnd.openxmlformats-officedocument.wordprocessingml.document", word),
        Seed("application/zip", office(("a.txt", b"Ann"), packing=zipfile.ZIP_STORED)),
        Seed("application/pdf", pdf()),
        Seed("application/proto", message),
        Seed("application/grpc", frame * 3),
        Seed("application/connect+json", b'\0\0\0\0\x0d{"a":"Ann L"}\x02\0\0\0\x02{}'),
        Seed("multipart/form-data; boundary=gnomon-boundary", form(word)),
    )


def office(*members: tuple[str, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as out:
        for name, data in (("[Content_Types].xml", _TYPES), *members):
            out.writestr(zipfile.ZipInfo(name), data, packing)
    return made.getvalue()


def pdf() -> bytes:
    """One page that says something, with a form field and an attachment's name."""
    drawn = b"BT /F1 12 Tf 10 700 Td (Ann Lee) Tj [(An) -20 (n)] TJ ET"
    objects = (
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[<</FT/Tx/T(name)/V(Ann)>>]>>>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/Resources<</Font<</F1 4 0 R>>>>/Contents 5 0 R>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn),
    )
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 6\n0000000000 65535 f \n"
    return out + head + table + b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(out)


def protobuf() -> bytes:
    """Strings, a message in a message, numbers of each wire type."""
    inner = b"\x0a\x07Ann Lee\x10\x96\x01"
    return b"\x0a\x03Bob\x12" + bytes((len(inner),)) + inner + b"\x1d\0\0\x80\x3f\x21" + b"\0" * 8 + b"\x2a\x02\xff\xfe"


def form(attached: bytes) -> bytes:
    """A question, rows of JSON and a document."""
    parts = (
        (b'form-data; name="purpose"', b"text/plain", b"batch of Ann Lee"),
        (b'form-data; name="file"; filename="rows.jsonl"', b"application/jsonl", b'{"a":"Ann"}\n{"b":"Bob"}\n'),
        (b"form-data; name=\"file\"; filename*=UTF-8''r%C3%A9.docx", b"application/octet-stream", attached),
    )
    made = b"".join(
        b"--%s\r\nContent-Disposition: %s\r\nContent-Type: %s\r\n\r\n%s\r\n" % (_BOUNDARY, told, kind, data)
        for told, kind, data in parts
    )
    return made + b"--%s--\r\n" % _BOUNDARY
