"""Compressed fields: what hpack's decoder reads is read, in bounds and at little cost."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.hpack_fields import MAX_BYTES, MAX_FIELDS, MAX_TABLE, Fields, Unreadable

NAMES = st.sampled_from([b":method", b"cookie", b"x-a", b"x-b", b"user-agent", b""])
FIELD = st.tuples(NAMES, st.binary(max_size=60), st.booleans())
HEAD = st.lists(FIELD, min_size=1, max_size=12)
EXAMPLE = bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff")  # RFC 7541 appendix C.4.1


@given(st.lists(HEAD, max_size=8), st.lists(st.integers(0, 300), max_size=8), st.booleans())
def test_every_head_is_read_as_it_was_written(heads, sizes, huffman):
    encoder, fields = hpack.Encoder(), Fields()
    for number, head in enumerate(heads):
        if number < len(sizes):
            encoder.header_table_size = sizes[number]
        block = encoder.encode([(name, value, secret) for name, value, secret in head], huffman=huffman)
        assert fields.decode(block) == [(name, value) for name, value, _ in head]


@given(st.lists(st.binary(max_size=40), max_size=6))
def test_any_bytes_are_read_as_hpack_reads_them_or_not_at_all(blocks):
    theirs, ours = hpack.Decoder(max_header_list_size=MAX_BYTES), Fields()
    theirs.max_allowed_table_size = MAX_TABLE
    for block in blocks:
        try:
            wanted = [(bytes(name), bytes(value)) for name, value in theirs.decode(block, raw=True)]
        except (hpack.HPACKError, ValueError, IndexError):
            with pytest.raises(Unreadable):
                ours.decode(block)
            return
        assert ours.decode(block) == wanted


def test_what_has_no_room_goes_oldest_first():
    fields = Fields()
    fields.decode(b"\x3f\x25" + b"\x40\x01a\x01b" + b"\x40\x01c\x01d")  # 68 bytes: two entries of 34
    assert fields.decode(b"\xbe\xbf") == [(b"c", b"d"), (b"a", b"b")]
    fields.decode(b"\x40\x01e\x01f")
    assert fields.decode(b"\xbe\xbf") == [(b"e", b"f"), (b"c", b"d")]
    with pytest.raises(Unreadable):
        fields.decode(b"\xc0")
    assert fields.decode(b"\x20") == []
    with pytest.raises(Unreadable):
        fields.decode(b"\xbe")


def test_the_example_of_the_rfc():
    assert Fields().decode(EXAMPLE) == [
        (b":method", b"GET"),
        (b":scheme", b"http"),
        (b":path", b"/"),
        (b":authority", b"www.example.com"),
    ]


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",
        b"\xbe",
        b"\xff\xff\xff\xff\xff\xff\x01",
        b"\x82\x20",
        b"\x3f\xe2\xff\x03",
        b"\x40\x05ab",
        b"\x00\x81\x00\x00",
        b"\x82" * (MAX_FIELDS + 1),
        b"\x40\x01a\x7f\x80\xff\x01" + b"b" * 32_767 + b"\xbe\xbe",
    ],
    ids=["none", "not there", "long", "late", "large", "cut", "huffman", "many", "wide"],
)
def test_what_is_forbidden_or_too_much_is_unreadable(block):
    with pytest.raises(Unreadable):
        Fields().decode(block)


def test_a_field_is_looked_up_once_whatever_stands_behind_it(monkeypatch):
    """The cost of a field does not grow with the block."""
    fields, looked = Fields(), []
    entry = Fields._entry
    monkeypatch.setattr(Fields, "_entry", lambda self, index: looked.append(index) or entry(self, index))
    fields.decode(b"\x40\x01a\x01b" + b"\xbe" * (MAX_FIELDS - 1))
    assert looked == [62] * (MAX_FIELDS - 1)
