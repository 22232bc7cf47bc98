"""Bodies without a dialect: what can be read is read, whatever it calls itself; the rest is opaque with a reason."""

import pytest

from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.view import Syntax
from appliance.inspect.walker import walk


def seen(body, content_type=""):
    return [segment.text for segment in walk(body, content_type).segments]


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/vnd.x+json; charset=utf-8", "text/plain", ""]
)
def test_json_is_read_as_json_under_any_name(content_type):
    view = walk(b' {"model":"m","stream":true,"prompt":"\\u0041bc"}', content_type)
    assert [segment.text for segment in view.segments] == ["model", "m", "stream", "prompt", "Abc"]
    assert (view.model, view.stream, view.syntax, view.api) == ("m", True, Syntax.JSON, None)


@pytest.mark.parametrize("content_type", ["text/plain", "image/png", "application/x-json", "multipart/form-data"])
@pytest.mark.parametrize("before", [b" " * 65, b"\xef\xbb\xbf" + b"\r\n\t" * 100_000])
def test_blanks_in_front_do_not_hide_json(before, content_type):
    assert seen(before + b'{"prompt":"\\u0041bc"}', content_type) == ["prompt", "Abc"]


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "application/json", ""])
def test_lines_of_json_keep_their_places(content_type):
    body = b'{"a":"one"}\r\n\n{"a":"two"}\n'
    view = walk(body, content_type)
    assert [body[s.start : s.end].decode() for s in view.segments] == [s.text for s in view.segments]
    assert [(s.pointer, s.text) for s in view.segments if s.channel == "content"] == [("/0/a", "one"), ("/2/a", "two")]


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
def test_what_says_json_and_is_not_is_refused(content_type):
    with pytest.raises(MalformedBody):
        walk(b'{"a": nope}\n{"b": 1}', content_type)


def test_what_only_looks_like_json_is_read_as_text():
    assert seen(b"{curly} but not JSON") == ["{curly} but not JSON"]


def test_forms_are_read_field_by_field():
    view = walk(b"name=J%C3%BCrgen+M&q=a=b&empty=&flag&=v", "application/x-www-form-urlencoded")
    assert [(s.channel, s.text) for s in view.segments] == [
        *(("name", "name"), ("content", "Jürgen M"), ("name", "q"), ("content", "a=b")),
        *(("name", "empty"), ("name", "flag"), ("content", "v")),
    ]


def test_text_is_one_segment_behind_its_bom():
    view = walk("\ufeffgrüße".encode(), "text/plain")
    assert [(s.text, s.start, s.end) for s in view.segments] == [("grüße", 3, 10)]


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b"\x89PNG", "image/png", "image"),
        (b"\x89PNG\r\n\x1a\n", "text/plain", "image"),
        (b"RIFF\0", "audio/wav", "audio"),
        (b"\x00\x01", "application/octet-stream", "binary"),
        (b"\x01\xff\x00", "text/plain", "binary"),
        (b"abc", "application/grpc", "binary"),
        (b"PK\x03\x04abc", "application/zip", "document_broken"),
        (b"a=\xff", "application/x-www-form-urlencoded", "charset"),
    ],
)
def test_what_cannot_be_read_is_opaque_in_whole(body, content_type, reason):
    view = walk(body, content_type)
    assert [(span.start, span.end, span.reason) for span in view.opaque] == [(0, len(body), reason)]
    assert view.segments == ()


@pytest.mark.parametrize("content_type", ["image/png", "application/pdf", "application/x-unknown", "font/woff"])
def test_text_is_read_whatever_it_is_called(content_type):
    view = walk(b"mail bob@x.test", content_type)
    assert [(s.text, s.fixed) for s in view.segments] == [("mail bob@x.test", False)]
    assert [(p.start, p.end, p.media_type) for p in view.parts] == [(0, 15, content_type)]


def test_text_of_an_uncertain_charset_is_scanned_and_not_vouched_for():
    view = walk(b"abc", "text/plain; charset=utf-16")
    assert [(s.text, s.start, s.end, s.fixed) for s in view.segments] == [("abc", 0, 0, True)]
    assert [span.reason for span in view.opaque] == ["charset"]


def test_quoted_csv_is_no_json_however_many_commas_it_has():
    body = b'"a","b"\n' * 200_000
    assert seen(body, "text/csv") == [body.decode()]
    with pytest.raises(MalformedBody):
        walk(b'["a"' + b',"b"' * 400_000 + b"]", "text/csv")


def test_media_in_any_json_is_opaque_but_only_if_it_is_base64():
    view = walk(b'["data:image/png;base64,iVBORw0KGgo=","data:image/png;base64,call bob@x.test"]', "application/json")
    assert [span.reason for span in view.opaque] == ["image"]
    assert [s.text for s in view.segments] == ["data:image/png;base64,call bob@x.test"]


def test_duplicate_keys_are_told():
    assert walk(b'{"a":"1","a":"2"}', "application/json").problem == "duplicate_key"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"\n" * 300_000, "application/x-ndjson"),
        (b"1\n" * 260_000, "application/x-ndjson"),
        (b"&" * 60_000, "application/x-www-form-urlencoded"),
        (b'["' + b'[\\"\\\\n\\"]","' * 60_000 + b'"]', "application/json"),
    ],
)
def test_bodies_made_of_many_small_things_are_refused(body, content_type):
    with pytest.raises(MalformedBody) as caught:
        walk(body, content_type)
    assert caught.value.word == "too_many_strings"


def test_every_row_of_a_large_batch_is_read():
    row = b'{"custom_id":"r","body":{"model":"m","messages":[{"role":"user","content":"\\u0062ob@x.test"}]}}\n'
    view = walk(row * 15_000, "application/jsonl")
    assert [s.text for s in view.segments].count("bob@x.test") == 15_000
    assert view.segments[-1].pointer == "/14999/body/messages/0/content"


def test_nothing_is_an_empty_view():
    assert walk(b"", "application/json").segments == ()
