"""Content codings: what is encoded comes back; bombs, damage and unknown codings are told, never raised."""

import gzip
import itertools
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.content import charset, decode_body, encode_body, media_type

CODINGS = ("gzip", "deflate", "br", "zstd")


def decode(raw, header, max_bytes=1_000_000, max_ratio=100):
    return decode_body(raw, header, max_bytes=max_bytes, max_ratio=max_ratio)


@given(
    st.binary(max_size=4096),
    st.lists(st.sampled_from(CODINGS), max_size=3),
    st.sampled_from(["{}", " {} ", "{},identity"]),
)
def test_what_is_encoded_is_decoded(data, codings, form):
    header = form.format(", ".join(codings))
    decoded = decode(encode_body(data, tuple(codings)), header)
    assert decoded.problem is None
    assert (decoded.data, decoded.encodings) == (data, tuple(codings))


@pytest.mark.parametrize("header", [None, "", "identity", " Identity "])
def test_identity_is_no_coding(header):
    assert decode(b"{}", header).data == b"{}"


def test_both_kinds_of_deflate_and_old_names_are_read():
    raw = zlib.compressobj(wbits=-15)
    assert decode(raw.compress(b"hello") + raw.flush(), "deflate").data == b"hello"
    assert decode(zlib.compress(b"hello"), "deflate").data == b"hello"
    assert decode(gzip.compress(b"hello"), "X-GZIP").data == b"hello"


def test_several_members_and_frames_are_one_body():
    assert decode(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip").data == b"one two"
    frame = zstandard.ZstdCompressor().compress
    assert decode(frame(b"one ") + frame(b"two"), "zstd").data == b"one two"


@pytest.mark.parametrize(
    ("raw", "header", "problem"),
    [
        (b"x", "snappy", "unknown_encoding"),
        (b"x", "gzip, magic", "unknown_encoding"),
        (b"x", "gzip, gzip, gzip, gzip", "too_many_encodings"),
        (b"not gzip", "gzip", "corrupt_encoding"),
        (gzip.compress(b"hello")[:-3], "gzip", "corrupt_encoding"),
        (gzip.compress(b"hello") + b"hidden", "gzip", "corrupt_encoding"),
        (gzip.compress(b"") * 40, "gzip", "corrupt_encoding"),
        (zlib.compress(b"hello") + b"hidden", "deflate", "corrupt_encoding"),
        (brotli.compress(b"hello")[:-2], "br", "corrupt_encoding"),
        (brotli.compress(b"hello") + b"hidden", "br", "corrupt_encoding"),
        (zstandard.compress(b"hello" * 99)[:-2], "zstd", "corrupt_encoding"),
        (zstandard.compress(b"hello") + b"hidden", "zstd", "corrupt_encoding"),
    ],
)
def test_what_cannot_be_decoded_is_told_and_left_as_it_was(raw, header, problem):
    decoded = decode(raw, header)
    assert (decoded.data, decoded.problem) == (raw, problem)


@pytest.mark.parametrize("coding", CODINGS)
def test_bombs_stop_at_the_bound(coding):
    bomb = encode_body(bytes(8_000_000), (coding,))
    assert decode(bomb, coding, max_ratio=10).problem == "decompression_bomb"
    assert decode(bomb, coding, max_ratio=10**9).problem == "too_large"
    assert decode(bomb, coding, max_bytes=8_000_000, max_ratio=10**9).problem is None


@pytest.mark.parametrize(("outer", "inner"), [*itertools.product(CODINGS, CODINGS)])
def test_a_bomb_inside_another_coding_is_found(outer, inner):
    bomb = encode_body(bytes(3_000_000), (inner, outer))
    assert decode(bomb, f"{inner}, {outer}", max_ratio=10**9).problem == "too_large"


@given(st.binary(min_size=1, max_size=200), st.sampled_from(CODINGS))
def test_noise_never_raises(noise, coding):
    assert decode(noise, coding).data is not None


def test_plain_bodies_are_bounded_too():
    assert decode(b"12345", None, max_bytes=4).problem == "too_large"


def test_content_type_is_read_leniently():
    assert media_type(" Text/HTML ; charset=UTF-16") == "text/html"
    assert charset('text/plain; Charset="Latin-1"') == "latin-1"
    assert charset("text/plain") == "utf-8"
