"""One small body of each kind that loads a library when it is first read: so that none is loaded later.

Rules: made, not stored; what they hold is text of ours.
"""

import zipfile
import zlib
from io import BytesIO

_WORDS = "mail nobody@example.com, phone +1 212 555 0100"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def samples() -> tuple[tuple[str, bytes], ...]:
    """Content type and body."""
    office = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    return (
        ("application/json", f'{{"text": "{_WORDS}"}}'.encode()),
        (office, _docx()),
        ("application/pdf", _pdf()),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\ntext\r\n--b--\r\n',
        ),
        ("application/grpc", b"\0\0\0\0\x06\x0a\x04text"),
    )


def _docx() -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("[Content_Types].xml", "<Types/>")
        made.writestr("word/document.xml", f'<w:document xmlns:w="{_WORD}"><w:t>{_WORDS}</w:t></w:document>')
    return file.getvalue()


def _pdf() -> bytes:
    """One page of one line (ISO 32000-1, 7.5): header, objects, table of their places, trailer."""
    drawing = zlib.compress(f"BT /F1 12 Tf 10 10 Td ({_WORDS}) Tj ET".encode())
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>"
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        page,
        b"<</Length %d/Filter/FlateDecode>>stream\n%b\nendstream" % (len(drawing), drawing),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
    )
    made = b"%PDF-1.4\n"
    places = []
    for number, each in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj%b endobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(made))
    return made + head + table + trailer
