"""Codings undone piece by piece: the same as at once, however the bytes were cut; bombs and damage end it."""

import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.content import encode_body
from appliance.inspect.unpacking import PackingFault, unpacker

TEXT = b'data: {"choices":[{"delta":{"content":"noon"}}]}\n\n' * 40
CODINGS = ("gzip", "deflate", "br", "zstd", "gzip, br", "x-gzip", "identity")


def unpacked(raw: bytes, header: str, cuts: list[int]) -> bytes:
    undo = unpacker(header, 200)
    places = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    out = b"".join(undo.feed(raw[a:b]) for a, b in pairwise(places))
    undo.close()
    return out


def packed(header: str, data: bytes = TEXT) -> bytes:
    names = tuple(name.removeprefix("x-") for name in header.split(", ") if name != "identity")
    return encode_body(data, names)


@given(st.sampled_from(CODINGS), st.lists(st.integers(0, 10_000), max_size=8))
def test_any_cut_gives_the_same(header, cuts):
    assert unpacked(packed(header), header, cuts) == TEXT


def test_members_that_follow_each_other_and_bare_deflate():
    assert unpacked(packed("gzip") * 3, "gzip", [5, 60, 100]) == TEXT * 3
    assert unpacked(packed("zstd") * 2, "zstd", [7]) == TEXT * 2
    bare = zlib.compressobj(wbits=-15)
    assert unpacked(bare.compress(TEXT) + bare.flush(), "deflate", [1]) == TEXT


@pytest.mark.parametrize("header", ["rot13", "gzip, rot13", "gzip, gzip, gzip, gzip"])
def test_what_is_not_known_is_not_begun(header):
    assert unpacker(header, 200) is None


@pytest.mark.parametrize("header", ["gzip", "deflate", "br", "zstd"])
def test_damage_and_an_early_end_are_told(header):
    with pytest.raises(PackingFault) as caught:
        unpacked(b"\x00\x01 this is none of them" * 9, header, [])
    assert caught.value.word == "corrupt_encoding"
    with pytest.raises(PackingFault):
        unpacked(packed(header)[:-9], header, [])


@pytest.mark.parametrize("header", ["gzip", "br", "zstd"])
def test_a_bomb_is_stopped_before_it_is_whole(header):
    bomb = packed(header, b"\x00" * (30 << 20))
    with pytest.raises(PackingFault) as caught:
        unpacked(bomb, header, [])
    assert caught.value.word == "decompression_bomb"
