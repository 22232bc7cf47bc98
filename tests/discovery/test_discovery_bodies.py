"""First bytes of bodies: chunks, compression, events, titles, metrics."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery import bodies

TEXT = b'{"object":"list"}'
CHUNKED = {b"transfer-encoding": b"chunked"}


@pytest.mark.parametrize(
    ("fields", "body", "expected"),
    [
        ({}, TEXT, TEXT),
        (CHUNKED, b'8;x="y"\r\n{"object\r\n9\r\n":"list"}\r\n0\r\n\r\n', TEXT),
        (CHUNKED, b'40\r\n{"object":"li', b'{"object":"li'),
        (CHUNKED, TEXT, TEXT),
        ({b"content-encoding": b"gzip"}, gzip.compress(TEXT), TEXT),
        ({b"content-encoding": b"deflate"}, zlib.compress(TEXT), TEXT),
        ({b"content-encoding": b"br"}, b"\x8b\x08", b""),
        ({b"content-encoding": b"gzip"}, b"no gzip", b""),
    ],
)
def test_plain(fields, body, expected):
    assert bodies.plain(fields, body, 2_048) == expected


def test_what_unpacks_to_much_is_bounded():
    bomb = gzip.compress(b"x" * 1_000_000)
    assert len(bodies.plain({b"content-encoding": b"gzip"}, bomb, 2_048)) <= 2_048


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT, TEXT),
        (b"  [1]", b"  [1]"),
        (b'data: {"a":1}\n\n', b'{"a":1}'),
        (b': hello\n\nevent: message\ndata: {"a":1}', b'{"a":1}'),
        (b'event: endpoint\r\ndata: /x\r\n\r\ndata: {"a":1}\r\n\r\ndata:{"b":2}', b'{"a":1}\r\n{"b":2}'),
        (b"data: [DONE]\n\n", b""),
        (b"say {", b""),
    ],
)
def test_documents(text, expected):
    assert bodies.documents(text) == expected


def test_titles_and_metrics():
    assert bodies.title(b'<!doctype html><html><head><TITLE lang="en">\n ComfyUI</title>').startswith(b"ComfyUI")
    assert bodies.title(b"say <title>ComfyUI</title>") == b""
    metrics = b"# HELP vllm:num_requests_running Number\n# TYPE vllm:num_requests_running gauge\nvllm:num 1\n"
    assert bodies.has_metric(metrics, b"vllm:")
    assert not bodies.has_metric(metrics, b"sglang:")
    assert not bodies.has_metric(b"how vllm: does it", b"vllm:")


@given(st.sampled_from([b"gzip", b"deflate", b"identity", b"x"]), st.booleans(), st.binary(max_size=200))
def test_any_bytes_are_a_body(coding, chunked, body):
    fields = {b"content-encoding": coding} | (CHUNKED if chunked else {})
    assert len(bodies.plain(fields, body, 100)) <= 100
