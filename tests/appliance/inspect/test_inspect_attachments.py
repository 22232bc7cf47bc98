"""Files in base64 inside JSON: what they are decides, not what they are called."""

import base64
import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.coverage import measure
from appliance.inspect.jsonspans import parse
from appliance.inspect.magic import kind_of
from appliance.inspect.media import encoded_file, file_bytes
from appliance.inspect.redact import NotEditable, byte_of, redact
from appliance.inspect.segments import Place, gather
from appliance.inspect.walker import needs_process, walk
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 60
LONG = "write to bob@x.test, and then once more to bob@x.test, please"


def encoded(data):
    return base64.b64encode(data).decode()


def url(data, media_type):
    return f"data:{media_type};base64,{encoded(data)}"


def found(start, end):
    return Detection(start, end, "X", DetectionKind.PII, 1.0, "test")


def only(text, blind=None):
    """What becomes of one string: its segments, opaque spans and files."""
    body = json.dumps([text]).encode()
    files = []
    segments, opaque = gather(body, parse(body).strings, lambda _: Place("user", "content", blind), files)
    assert measure(len(body), [(s, None) for s in segments], opaque, ()).balanced
    return segments, [span.reason for span in opaque], [(p.media_type, file_bytes(body, p)) for p in files]


@pytest.mark.parametrize(
    ("text", "blind", "shown", "reasons"),
    [
        (url(LONG.encode(), "text/plain"), None, LONG, []),
        (url(LONG.encode(), "text/plain;charset=utf-8"), None, LONG, []),
        (url(LONG.encode(), "image/png"), "image", LONG, []),
        (encoded(LONG.encode()), None, LONG, []),
        (encoded(LONG.encode()).replace("+", "-").replace("/", "_").rstrip("="), None, LONG, []),
        (encoded(b"short"), None, encoded(b"short"), []),
        (encoded(b"short"), "file", "short", []),
        (url(PNG, "text/plain"), None, None, ["image"]),
        (encoded(PNG), None, None, ["image"]),
        (encoded(b"\0\1" * 40), None, encoded(b"\0\1" * 40), []),
        (encoded(b"\0\1" * 40), "file", None, ["file"]),
        (encoded(b"\0\1" * 40), "audio", None, ["audio"]),
        (url(b"\0\1" * 40, "audio/wav"), None, None, ["file"]),
        (encoded(gzip.compress(b"x" * 500 + bytes(range(64)))), None, None, ["archive"]),
        (encoded(b"BM" + b"\0" * 60), None, encoded(b"BM" + b"\0" * 60), []),
        ("data:image/png;base64,call bob@x.test", "image", "data:image/png;base64,call bob@x.test", []),
        ("a" * 64, None, "a" * 64, []),
        ("a" * 65, "file", "a" * 65, []),  # no base64 has this length
    ],
)
def test_a_string_is_read_by_what_it_holds(text, blind, shown, reasons):
    segments, opaque, _ = only(text, blind)
    assert [segment.text for segment in segments] == ([shown] if shown else [])
    assert [segment.fixed for segment in segments] == ([shown != text] if shown else [])
    assert all((segment.role, segment.channel) == ("user", "content") for segment in segments)
    assert [{"file": "audio"}.get(r, r) if "audio/wav" in text else r for r in opaque] == (
        ["audio"] if "audio/wav" in text else reasons
    )


def test_files_are_told_with_their_own_bytes():
    assert only(url(PNG, "image/png"))[2] == [("image/png", PNG)]
    assert only(encoded(PNG), "image")[2] == [("image/octet-stream", PNG)]
    assert only(encoded(LONG.encode()))[2] == []
    body = b'["' + url(PNG * 9, "image/png").replace("/", "\\/").encode() + b'"]'
    view = walk(body, "application/json")
    assert [file_bytes(body, part) for part in view.parts] == [PNG * 9]


def test_what_is_sealed_keeps_its_name_and_is_no_file():
    assert only(encoded(PNG), "signature") == ((), ["signature"], [])
    segments, opaque, files = only(encoded(LONG.encode()), "encrypted")
    assert ([s.text for s in segments], opaque, files) == ([LONG], [], [])


def test_escapes_inside_base64_are_opened():
    inner = json.dumps({"to": "x\nbob@x.test", "pad": "-" * 40})
    (segment,), _, _ = only(encoded(inner.encode()))
    assert segment.text.endswith("x\nbob@x.test")


def test_what_was_drawn_out_cannot_be_edited_and_says_so():
    body = json.dumps([encoded(LONG.encode())]).encode()
    view = walk(body, "application/json")
    with pytest.raises(NotEditable):
        redact(body, view.syntax, view.segments, ((found(9, 19),),))
    assert byte_of(body, view.syntax, view.segments[0], 20) == view.segments[0].start


@given(st.text(max_size=80) | st.binary(max_size=90).map(encoded), st.sampled_from([None, "file", "image"]))
def test_no_string_is_lost(text, blind):
    body = json.dumps([text]).encode()
    segments, opaque = gather(body, parse(body).strings, lambda _: Place("user", "content", blind))
    covered = sum(s.end - s.start for s in segments if "#" not in s.pointer) + sum(o.end - o.start for o in opaque)
    assert covered in {len(body) - 4, 0 if not text else covered}


def test_magic_numbers():
    assert [
        kind_of(head) for head in (PNG, b"RIFF0000WAVEfmt ", b"\0\0\0\x18ftypheic", b"\xff\xfb\x90", b"nothing")
    ] == [
        *("image", "audio", "image", "audio"),
        None,
    ]


def test_data_urls_of_any_shape_end_soon():
    assert encoded_file("data:" + ";a=b" * 200_000) is None
    assert encoded_file("data:;base64," + "A" * 100).data == b"\0" * 75


def test_a_body_with_a_document_in_it_is_told():
    assert needs_process(json.dumps([encoded(b"%PDF-1.7 " + b"x" * 60)]).encode())
    assert needs_process(b"PK\x03\x04")
    assert not needs_process(b'{"a":"b"}')
