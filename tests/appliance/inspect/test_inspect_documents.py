"""Documents: every text in them is found, what was not read is told, and no hostile file costs more than its bound."""

import io
import logging
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from appliance.inspect import documents_office, documents_pdf
from appliance.inspect.attachments import read_file
from appliance.inspect.documents import is_document, text_of
from appliance.inspect.documents_xml import XmlFault, xml_text
from appliance.inspect.walker import walk

TYPES = ("[Content_Types].xml", b'<Types xmlns="t"><Default Extension="xml" ContentType="a/b"/></Types>')


def archive(*members, types=TYPES, packing=zipfile.ZIP_DEFLATED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as out:
        for name, data in ([types] if types else []) + list(members):
            out.writestr(name, data)
    return made.getvalue()


def word(*runs, more=b""):
    inside = b"".join(b"<w:r><w:t>%s</w:t></w:r>" % run for run in runs)
    return b'<w:document xmlns:w="w"><w:body><w:p>%s</w:p>%s</w:body></w:document>' % (inside, more)


def everything(data):
    extracted = text_of(data)
    return "\n".join(extracted.texts), extracted.reason


def pdf(*pages, root=b"", more=(), resources=b"", page=b""):
    """A plain PDF; each page is its drawing instructions; `more`: further objects, the first is number 4."""
    first = 4 + len(more)
    kids = b" ".join(b"%d 0 R" % (first + 2 * n) for n in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R%s>>" % root,
        b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(pages)),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        *more,
    ]
    for n, drawn in enumerate(pages):
        box = b"/MediaBox[0 0 612 792]/Resources<</Font<</F1 3 0 R>>%s>>%s" % (resources, page)
        objects.append(b"<</Type/Page/Parent 2 0 R%s/Contents %d 0 R>>" % (box, first + 2 * n + 1))
        objects.append(stream(drawn))
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + head + table + trailer


def stream(data, head=b""):
    return b"<</Length %d%s>>stream\n%s\nendstream" % (len(data), head, data)


def say(text):
    return b"BT /F1 12 Tf 10 700 Td (%s) Tj ET" % text


def again(data, change):
    writer = PdfWriter(clone_from=io.BytesIO(data))
    change(writer)
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def test_a_word_that_is_cut_into_runs_is_whole_again():
    text, reason = everything(archive(("word/document.xml", word(b"write to bob@", b"x.te", b"st now"))))
    assert "write to bob@x.test now" in text
    assert reason == ""


def test_every_part_of_a_document_is_read():
    text, reason = everything(
        archive(
            (
                "word/document.xml",
                word(b"body", more=b"<w:p><w:del><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>"),
            ),
            ("word/header1.xml", word(b"header")),
            ("word/footnotes.xml", word(b"footnote")),
            (
                "word/comments.xml",
                b'<c xmlns:w="w"><w:comment w:author="Amy Adams"><w:p><w:t>note</w:t></w:p></w:comment></c>',
            ),
            ("word/_rels/document.xml.rels", b'<r><Relationship Id="rId1" Target="mailto:bob@x.test"/></r>'),
            ("docProps/core.xml", b'<p xmlns:dc="d"><dc:creator>Carl</dc:creator><dc:title>Plan</dc:title></p>'),
            ("xl/workbook.xml", b'<w><sheets><sheet name="Salaries" state="hidden" sheetId="1"/></sheets></w>'),
            ("xl/sharedStrings.xml", b"<sst><si><t>one</t></si><si><r><t>tw</t></r><r><t>o</t></r></si></sst>"),
            ("xl/worksheets/sheet1.xml", b'<s><row><c t="s"><v>0</v></c><c><v>4111111111111111</v></c></row></s>'),
            (
                "ppt/slides/slide1.xml",
                b'<s xmlns:a="a"><a:cNvPr descr="a red barn"/><a:p><a:r><a:t>slide</a:t></a:r></a:p></s>',
            ),
        )
    )
    for one in (
        *("body", "deleted", "header", "footnote", "note", "Amy Adams", "mailto:bob@x.test", "Carl\nPlan"),
        *("Salaries", "one\ntwo", "0\n4111111111111111", "a red barn", "slide"),
    ):
        assert one in text
    assert reason == ""


def test_open_document_is_read():
    content = b'<o:d xmlns:o="o" xmlns:t="t"><t:p>mail <t:span>bob@</t:span>x.test</t:p><t:h>Title</t:h></o:d>'
    text, reason = everything(archive(("mimetype", b"application/x"), ("content.xml", content), types=None))
    assert (text, reason) == ("mail bob@x.test\nTitle", "")


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (("word/media/image1.png", b"\x89PNG"), "document_images"),
        (("word/embeddings/inner.docx", archive()), "document_partly_read"),
        (("word/vbaProject.bin", b"\0"), "document_partly_read"),
        (("word/broken.xml", b"<a><b></a>"), "document_broken"),
        (("word/entity.xml", b'<!DOCTYPE a [<!ENTITY b "bob">]><a>&b;</a>'), "document_broken"),
        (("word/type.xml", b"<!DOCTYPE a><a/>"), "document_broken"),
    ],
)
def test_what_is_not_read_is_told(member, reason):
    text, told = everything(archive(("word/document.xml", word(b"body")), member))
    assert told == reason
    assert "body" in text


def test_archives_that_are_no_documents():
    assert text_of(archive(("a.txt", b"bob"), types=None)).reason == "archive"
    assert text_of(b"PK\x03\x04 nothing more").reason == "document_broken"
    assert text_of(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600).reason == "document_unknown"
    sealed = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le")
    assert text_of(sealed).reason == "document_encrypted"
    assert walk(archive(("a.txt", b"bob"), types=None), "application/zip").opaque[0].reason == "archive"


def test_archives_that_readers_see_differently_are_read_and_not_vouched_for():
    good = archive(("word/document.xml", word(b"body")))
    assert everything(good)[1] == ""
    commented = good[:-2] + (3).to_bytes(2, "little") + b"abc"
    assert everything(commented)[1] == "document_partly_read"
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = archive(("word/document.xml", word(b"body")), ("word/document.xml", word(b"other")))
    text, reason = everything(twice)
    assert reason == "document_partly_read"
    assert "body" in text
    assert "other" in text


def test_bombs_cost_their_bound_and_no_more():
    spaces = b"<a>" + b" " * 60_000_000 + b"</a>"
    members = [(f"word/{n}.xml", spaces) for n in range(3)]
    bomb = archive(("word/document.xml", word(b"body")), *members)
    assert len(bomb) < 300_000
    tracemalloc.start()
    text, reason = everything(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (reason, "body" in text) == ("document_too_large", True)
    assert peak < 3 * documents_office.MAX_UNPACKED
    laughs = (
        b'<!DOCTYPE a [<!ENTITY a "aa">' + b"".join(b'<!ENTITY a%d "&a;&a;">' % n for n in range(20)) + b"]><a>&a9;</a>"
    )
    with pytest.raises(XmlFault):
        xml_text(laughs, 1_000)
    many = archive(*[(f"word/{n}.xml", b"<a/>") for n in range(documents_office.MAX_MEMBERS)])
    assert text_of(many).reason == "document_too_large"
    assert text_of(archive(("word/document.xml", b"<a>" * 5_000 + b"</a>" * 5_000))).reason == "document_too_large"
    assert text_of(archive(*[(f"{n}", b"") for n in range(21_000)], types=None)).reason == "document_too_large"


def test_a_size_that_is_declared_and_not_there():
    good = bytearray(archive(("word/document.xml", word(b"body")), packing=zipfile.ZIP_STORED))
    at = good.rindex(b"PK\x01\x02")
    good[at + 20 : at + 28] = (1 << 30).to_bytes(4, "little") * 2
    assert text_of(bytes(good)).reason in {"document_broken", "document_too_large"}


def test_text_of_pdf_pages_notes_fields_and_properties():
    note = b"<</Type/Annot/Subtype/Text/Rect[0 0 1 1]/Contents(a note for bob@x.test)>>"
    data = pdf(say(b"first page"), say(b"second page"), more=(note,), page=b"/Annots[4 0 R]")
    titled = again(data, lambda writer: writer.add_metadata({"/Title": "The Plan"}))
    extracted = text_of(titled)
    assert (extracted.complete, extracted.reason) == (True, "")
    text = "\n".join(extracted.texts)
    for one in ("first page", "second page", "a note for bob@x.test", "The Plan"):
        assert one in text


def test_nothing_of_a_file_reaches_a_log(caplog, capfd):
    logged = logging.getLogger("pypdf")
    assert logged.propagate is False
    assert text_of(b"sk-secret %PDF-1.4 sk-secret").reason == "document_broken"
    assert not text_of(pdf(say(b"page")).replace(b"xref", b"sk-secret")).complete
    assert "sk-secret" not in caplog.text + "".join(capfd.readouterr())


def test_encrypted_pdf():
    data = pdf(say(b"secret page"))
    assert text_of(again(data, lambda writer: writer.encrypt("user", "owner"))).reason == "document_encrypted"
    opened = text_of(again(data, lambda writer: writer.encrypt("", "owner")))
    assert (opened.complete, "secret page" in opened.texts[0]) == (True, True)


IMAGE = stream(b"\0", b"/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8")
LOOP = stream(b"/A Do /B Do", b"/Type/XObject/Subtype/Form/BBox[0 0 1 1]/Resources<</XObject<</A 4 0 R/B 5 0 R>>>>")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (pdf(say(b"page"), more=(IMAGE,), resources=b"/XObject<</I 4 0 R>>"), "document_images"),
        (pdf(say(b"page") + b" BI /W 1 /H 1 /CS /G /BPC 8 ID \x00 EI"), "document_images"),
        (pdf(say(b"page"), more=(stream(b"x", b"/Type/EmbeddedFile"),), root=b"/Extra 4 0 R"), "document_partly_read"),
        (
            pdf(say(b"page"), more=(b"<</Type/Font/Subtype/Type0/BaseFont/A>>",), root=b"/F 4 0 R"),
            "document_partly_read",
        ),
        (
            pdf(say(b"page") + b" /A Do", more=(LOOP, LOOP), resources=b"/XObject<</A 4 0 R/B 5 0 R>>"),
            "document_partly_read",
        ),
        (pdf(*[say(b"page")] * (documents_pdf.MAX_PAGES + 1)), "document_too_large"),
        (b"%PDF-1.7", "document_broken"),
        (b"junk before %PDF-1.4\n" + bytes(range(256)), "document_broken"),
    ],
)
def test_pdf_that_is_not_read_in_full(data, reason):
    assert text_of(data).reason == reason


def test_pdf_bomb_ends_at_its_bound():
    packed = zlib.compress(b"BT (a) Tj ET " * 4_000_000, 9)
    data = pdf(b"", more=(), root=b"").replace(
        b"/Length 0>>stream\n\nendstream", stream(packed, b"/Filter/FlateDecode")[2:]
    )
    assert len(PdfReader(io.BytesIO(data)).pages) == 1
    extracted = text_of(data)
    assert not extracted.complete


def test_a_document_written_in_plain_letters_is_scanned_as_it_stands_too():
    data = pdf(say(b"page \\142ob"))
    content = read_file(data, "text/plain")
    assert content.reason is None
    assert "page bob" in content.text
    assert "page \\142ob" in content.text
    broken = read_file(b"%PDF- 1 0 obj says bob@x.test")
    assert (broken.reason, "bob@x.test" in broken.text) == ("document_broken", True)
    talk = read_file(b"%PDF- is how such files begin, says bob@x.test")
    assert (talk.reason, talk.plain) == (None, True)


def test_documents_under_any_name():
    docx = archive(("word/document.xml", word(b"mail bob@x.test")))
    for content_type in ("text/plain", "image/png", "", "application/octet-stream"):
        view = walk(docx, content_type)
        assert [(s.fixed, "mail bob@x.test" in s.text, s.end) for s in view.segments] == [(True, True, len(docx))]
        assert view.opaque == ()
        assert view.parts[0].end == len(docx)


GOOD = (archive(("word/document.xml", word(b"mail bob@x.test"))), pdf(say(b"mail bob@x.test")))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.integers(0, 2_000), st.binary(min_size=1, max_size=8)), max_size=6),
    st.integers(0, 900),
)
def test_damaged_documents_never_raise(data, changes, cut):
    broken = bytearray(data[: len(data) - cut] if cut % 3 == 0 else data)
    for at, new in changes:
        broken[at % max(len(broken), 1) : at % max(len(broken), 1) + len(new)] = new
    if is_document(bytes(broken)):
        extracted = text_of(bytes(broken))
        assert extracted.complete == (extracted.reason == "")
