"""Multipart bodies: every byte has its place, what could be cut in two ways is refused, and edits stay inside texts."""

import base64
import gzip
import json
import zlib
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.inspect.coverage import measure
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.multipart import MAX_PIECES, split
from appliance.inspect.multipart_view import MAX_NESTED
from appliance.inspect.redact import NotEditable, redact
from appliance.inspect.walker import walk
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

FORM = "multipart/form-data; boundary=xYz"
ADDRESS = "bob@x.test"


def found(text, what=ADDRESS):
    at = text.index(what)
    return Detection(at, at + len(what), "EMAIL_ADDRESS", DetectionKind.PII, 1.0, "test")


def body_of(*pieces, eol=b"\r\n", mark=b"xYz"):
    lines = [b"--" + mark + eol + head + eol + (eol if head else b"") + data + eol for head, data in pieces]
    return b"".join(lines) + b"--" + mark + b"--" + eol


def file(data, media_type=b"text/plain", name=b"a.txt", more=b""):
    head = b'Content-Disposition: form-data; name="file"; filename="' + name + b'"'
    return head + b"\r\nContent-Type: " + media_type + more, data


def texts(view):
    return [segment.text for segment in view.segments]


def balanced(view, body):
    coverage = measure(len(body), [(segment, None) for segment in view.segments], view.opaque, ())
    assert coverage.balanced
    return coverage


def hidden(view, body):
    """The body with the address hidden wherever a segment holds it."""
    chosen = [(found(s.text),) if ADDRESS in s.text else () for s in view.segments]
    return redact(body, view.syntax, view.segments, chosen)


def test_fields_and_files_are_read_by_what_they_are():
    rows = b'{"a":"\\u0062ob@x.test"}\n{"a":"two"}\n'
    body = body_of(
        (b'Content-Disposition: form-data; name="model"', b"whisper-1"),
        (b'Content-Disposition: form-data; name="stream"', b"true"),
        file(rows, b"application/octet-stream", b"rows.jsonl"),
        file("name,mail\nJürgen,bob@x.test\n".encode(), b"text/csv", "Jürgen.csv".encode()),
        file(b"\x89PNG\r\n\x1a\n\0\0", b"image/png", b"p.png"),
    )
    view = walk(body, FORM)
    assert (view.model, view.stream) == ("whisper-1", True)
    assert {"bob@x.test", "two", "name,mail\nJürgen,bob@x.test\n", "Jürgen.csv", "rows.jsonl", "model"} <= set(
        texts(view)
    )
    assert [span.reason for span in view.opaque] == ["image"]
    kinds = [(part.media_type, body[part.start : part.end][:6]) for part in view.parts]
    assert kinds == [("application/octet-stream", rows[:6]), ("text/csv", b"name,m"), ("image/png", b"\x89PNG\r\n")]
    balanced(view, body)
    edited, count = hidden(view, body)
    assert count == 2
    assert b'{"a":"<EMAIL_ADDRESS>"}\n{"a":"two"}\n' in edited
    assert "Jürgen,<EMAIL_ADDRESS>\n".encode() in edited


def test_line_feeds_alone_are_read_where_they_are_used_throughout():
    body = body_of((b'Content-Disposition: form-data; name="p"', b"say\r\nbob@x.test"), eol=b"\n")
    assert "say\r\nbob@x.test" in texts(walk(body, FORM))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        b"--xYz\r\n\r\nopen end",
        b"--xYz\r\n\r\na\r\n--xYz",  # no closing boundary
        b"--xYz\r\n\r\na\n--xYz--\r\n",  # another line end before the boundary
        b"--xYz\n\nb\r\n--xYz--\n",
        b"--xYz \r\n\r\na\r\n--xYz--\r\n",  # padding
        b"--xYz\r\n\r\nsay --xYz here\r\n--xYz--\r\n",  # the boundary in text
        b"--xYz\r\n\r\na\r\n--xYzz\r\n--xYz--\r\n",  # a longer boundary
        b"--xYz\r\n\r\na\r\n--xYz--\r\n--xYz\r\n\r\nb\r\n--xYz--\r\n",  # something behind the end
        b"--xYz\r\n\r\na\r\n--xYz--trailing",
        b"--xYz\r\nA: b\r\n--xYz--\r\n",  # no empty line
        b"--xYz\r\nno header\r\n\r\na\r\n--xYz--\r\n",
        b"--xYz\r\nA: b\r\n folded\r\n\r\na\r\n--xYz--\r\n",
        b"--xYz\r\nA: b\nB: c\r\n\r\na\r\n--xYz--\r\n",
        b"--xYz\r\nA: \xff\r\n\r\na\r\n--xYz--\r\n",
        b"--xYz\r\nA: b\r\na: c\r\n\r\na\r\n--xYz--\r\n",  # a header twice
        b'--xYz\r\nContent-Disposition: form-data; name="a"; name="b"\r\n\r\na\r\n--xYz--\r\n',
        b'--xYz\r\nContent-Disposition: form-data; filename*0="a"; filename*1="b"\r\n\r\na\r\n--xYz--\r\n',
        b"--xYz\r\nContent-Disposition: form-data; name=a b\r\n\r\na\r\n--xYz--\r\n",
        b"--xYz\r\n" + b"A: " + b"b" * 20_000 + b"\r\n\r\na\r\n--xYz--\r\n",
        b"--xYz\r\nContent-Type: text/plain" + b";a=b" * 100 + b"\r\n\r\na\r\n--xYz--\r\n",
    ],
)
def test_what_can_be_cut_in_two_ways_is_refused(body):
    with pytest.raises(MalformedBody) as caught:
        split(body, FORM)
    assert caught.value.word == "malformed_multipart"


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        "multipart/form-data; boundary=xYz; boundary=xYz",
        "multipart/form-data; boundary=xYz; boundary*=utf-8''xYz",
        "multipart/form-data; boundary*0=xY; boundary*1=z",
        f"multipart/form-data; boundary={'a' * 71}",
        'multipart/form-data; boundary="x\\Yz"',
        "multipart/form-data; boundary=xYz, multipart/mixed; boundary=q",
        "multipart/form-data; boundary=xYz garbage",
    ],
)
def test_the_content_type_names_one_boundary(content_type):
    with pytest.raises(MalformedBody):
        split(body_of((b"", b"a")), content_type)


def test_a_boundary_may_be_quoted_and_hold_blanks():
    body = body_of((b"", b"hello"), mark=b"a b'c")
    assert texts(walk(body, 'multipart/mixed; boundary="a b\'c"')) == ["hello"]


def test_text_outside_the_parts_is_scanned():
    body = b"write to bob@x.test\r\n" + body_of((b"", b"a")) + b"and amy@x.test"
    view = walk(body, FORM)
    assert texts(view) == ["write to bob@x.test\r\n", "a", "\r\nand amy@x.test"]
    balanced(view, body)
    assert hidden(view, body)[0].startswith(b"write to <EMAIL_ADDRESS>\r\n--xYz")


def test_empty_parts_and_no_parts():
    assert [p.end - p.start for p in split(b"--xYz\r\n\r\n--xYz\r\n\r\n\r\n--xYz--", FORM).pieces] == [0, 0]
    assert split(b"--xYz--\r\n", FORM).pieces == ()
    assert split(b"--xYz\r\nA: b\r\n\r\n--xYz--\r\n", FORM).pieces[0].header("a").value == "b"


def test_a_multipart_inside_a_part_is_read_and_one_inside_that_is_not():
    assert MAX_NESTED == 2
    inner = body_of((b"", b"deep bob@x.test"), mark=b"in")
    deepest = body_of((b"", b"unseen"), mark=b"deepest")
    mixed = b"Content-Type: multipart/mixed; boundary=in"
    body = body_of((mixed, inner), (b"Content-Type: multipart/mixed; boundary=q", b"broken bob@x.test"))
    view = walk(body, FORM)
    assert "deep bob@x.test" in texts(view)
    assert [span.reason for span in view.opaque] == ["malformed_multipart"]
    assert [s.text for s in view.segments if s.fixed] == ["broken bob@x.test"]
    balanced(view, body)
    third = body_of((b"Content-Type: multipart/mixed; boundary=deepest", deepest), mark=b"in")
    body = body_of((mixed, third))
    view = walk(body, FORM)
    assert [span.reason for span in view.opaque] == ["multipart"]
    balanced(view, body)


def test_names_of_files_are_texts_and_edited_in_place():
    plain = b'Content-Disposition: form-data; name="f"; filename="bob@x.test.txt"; filename*=UTF-8\'\'bob%40x.test'
    body = body_of((plain, b"hi"), (b"X-Note: for bob@x.test", b"hi"), (b"Content-ID: <bob@x.test>", b"hi"))
    view = walk(body, FORM)
    assert [s.text for s in view.segments] == [
        *("f", "bob@x.test.txt", "bob@x.test", "hi"),
        *("X-Note: for bob@x.test", "hi", "Content-ID: <bob@x.test>", "hi"),
    ]
    assert [s.fixed for s in view.segments].count(True) == 1
    chosen = [(found(s.text),) if ADDRESS in s.text and not s.fixed else () for s in view.segments]
    edited, _ = redact(body, view.syntax, view.segments, chosen)
    assert b'filename="<EMAIL_ADDRESS>.txt"' in edited
    assert b"X-Note: for <EMAIL_ADDRESS>\r\n" in edited
    with pytest.raises(NotEditable, match="EMAIL_ADDRESS was found in a file"):
        hidden(view, body)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [(b"base64", base64.encodebytes(b"mail bob@x.test")), (b"quoted-printable", b"mail bob=40x.te=\r\nst")],
)
def test_encoded_parts_are_read_decoded(encoding, data):
    body = body_of((b"Content-Transfer-Encoding: " + encoding, data))
    view = walk(body, FORM)
    (segment,) = view.segments
    assert ADDRESS in segment.text
    assert segment.fixed
    assert balanced(view, body).complete


def test_an_encoding_that_is_not_there_changes_nothing():
    for encoding in (b"base64", b"quoted-printable", b"binary"):
        body = body_of((b"Content-Transfer-Encoding: " + encoding, b"mail bob@x.test"))
        assert b"mail <EMAIL_ADDRESS>" in hidden(walk(body, FORM), body)[0]


def test_json_that_is_broken_is_seen_and_not_vouched_for():
    body = body_of((b"Content-Type: application/json", b'{"to": "bob@x.test"'))
    view = walk(body, FORM)
    assert texts(view)[-1] == '{"to": "bob@x.test"'
    assert not balanced(view, body).complete


def test_other_encodings_of_text():
    latin = "Grüße an bob@x.test".encode("cp1252")
    wide = "\ufeffGrüße an bob@x.test".encode("utf-16-le")
    marked = "\ufeffGrüße an bob@x.test".encode()
    told = file(latin, b"text/csv; charset=ISO-8859-1")
    view = walk(body_of(told), FORM)
    assert texts(view)[-1] == "Grüße an bob@x.test"
    assert view.opaque == ()
    assert [span.reason for span in walk(body_of(file(latin)), FORM).opaque] == ["charset"]
    assert texts(walk(body_of(file(wide)), FORM))[-1] == "Grüße an bob@x.test"
    body = body_of(file(marked))
    assert "Grüße an <EMAIL_ADDRESS>".encode() in hidden(walk(body, FORM), body)[0]


def test_many_parts_and_hostile_boundaries_end_soon():
    with pytest.raises(MalformedBody) as caught:
        split(body_of(*[(b"", b"a")] * (MAX_PIECES + 1)), FORM)
    assert caught.value.word == "too_many_parts"
    with pytest.raises(MalformedBody):
        split(b"-" * 4_000_000, "multipart/form-data; boundary=" + "-" * 69)
    with pytest.raises(MalformedBody):
        split(b"--a\r\n\r\n" + b"\r\n--" * 1_000_000, "multipart/form-data; boundary=a")
    many = body_of(*[(b"", json.dumps([f"s{n}" for n in range(45_000)]).encode())] * 6)
    with pytest.raises(MalformedBody) as caught:
        walk(many, FORM)
    assert caught.value.word == "too_many_strings"


def test_a_packed_file_is_an_archive():
    view = walk(body_of(file(gzip.compress(b"bob@x.test"), b"text/plain")), FORM)
    assert [span.reason for span in view.opaque] == ["archive"]
    assert [span.reason for span in walk(body_of(file(zlib.compress(b"x" * 99, 1))), FORM).opaque] != []


def test_what_mail_writes_is_read():
    message = EmailMessage()
    message.set_content("Text für bob@x.test\n")
    message.add_attachment("a;b\n", subtype="csv", filename="t.csv")
    head, _, body = message.as_bytes().partition(b"\n\n")
    content_type = next(line for line in head.decode().split("\n") if line.startswith("Content-Type:"))
    boundary = head.decode().partition('boundary="')[2].partition('"')[0]
    view = walk(
        body,
        content_type.partition(":")[2].strip()
        if boundary in content_type
        else f'multipart/mixed; boundary="{boundary}"',
    )
    assert any(ADDRESS in text for text in texts(view))
    assert balanced(view, body).complete


names = st.text(alphabet=st.characters(codec="utf-8", exclude_characters='"\\\r\n\0'), max_size=8)
contents = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=30).map(str.encode),
    st.dictionaries(names, st.text(max_size=10) | st.integers(), max_size=3).map(lambda one: json.dumps(one).encode()),
    st.sampled_from([b"bob@x.test", b'["\\u0062ob@x.test"]', b"\xef\xbb\xbfbob@x.test", b"%PDF-1.4", b"PK\x03\x04"]),
)
types = st.sampled_from([b"text/plain", b"application/json", b"image/png", b"application/octet-stream", b"text/csv"])
encodings = st.sampled_from(
    [b"", b"\r\nContent-Transfer-Encoding: base64", b"\r\nContent-Transfer-Encoding: quoted-printable"]
)


@st.composite
def bodies(draw):
    """Well-formed bodies of a few parts."""
    pieces = [
        (
            b'Content-Disposition: form-data; name="'
            + draw(names).encode()
            + b'"\r\nContent-Type: '
            + draw(types)
            + draw(encodings),
            draw(contents),
        )
        for _ in range(draw(st.integers(0, 4)))
    ]
    return pieces, body_of(*pieces)


@settings(deadline=None)
@given(bodies())
def test_pieces_stand_where_they_were_written(made):
    pieces, body = made
    try:
        cut = split(body, FORM).pieces
    except MalformedBody:
        assert any(b"--xYz" in data for _, data in pieces)
        return
    assert [body[piece.start : piece.end] for piece in cut] == [data for _, data in pieces]


@settings(deadline=None)  # the first document loads a library
@given(bodies(), st.data())
def test_every_byte_is_accounted_for_and_edits_change_nothing_else(made, data):
    _, body = made
    try:
        view = walk(body, FORM)
    except MalformedBody:
        return
    balanced(view, body)
    loose = [s for s in view.segments if s.text and not s.fixed and s.channel != "number"]
    if not loose:
        return
    target = data.draw(st.sampled_from(loose))
    start = data.draw(st.integers(0, len(target.text)))
    end = data.draw(st.integers(start, len(target.text)))
    hit = Detection(start, end, "X", DetectionKind.PII, 1.0, "test")
    edited, count = redact(body, view.syntax, view.segments, [(hit,) if s is target else () for s in view.segments])
    assert count == 1
    assert edited.startswith(body[: target.start])
    assert edited.endswith(body[target.end :])
    if target.channel == "content" and target.text[start:end].isalnum():
        expected = target.text[:start] + "<X>" + target.text[end:]
        assert expected in [segment.text for segment in walk(edited, FORM).segments]


@given(
    st.binary(max_size=200)
    | st.lists(st.sampled_from([b"--xYz", b"--", b"\r\n", b"\n", b"A: b", b";", b'"', b"x"])).map(b"".join)
)
def test_nothing_but_a_refusal_comes_out_of_any_bytes(body):
    for content_type in (FORM, "multipart/mixed; boundary=x", "multipart/related"):
        try:
            view = walk(body, content_type)
        except MalformedBody:
            continue
        balanced(view, body)
