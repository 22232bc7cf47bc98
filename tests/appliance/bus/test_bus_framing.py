"""The wire form: any message through any chunking; garbage refused early and for good."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.bus import framing
from appliance.bus.framing import Decoder, Fault, Message
from appliance.model.errors import PeerError

_json = st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20), max_size=3)
_messages = st.builds(
    Message,
    id=st.integers(0, 2**53),
    verb=st.text(max_size=20),
    head=_json.map(lambda value: msgspec.Raw(msgspec.json.encode(value))),
    body=st.binary(max_size=300),
    fault=st.none() | st.builds(Fault, st.text(max_size=8), st.text(max_size=20)),
)


def _cut(data: bytes, sizes: list[int]) -> list[bytes]:
    chunks, at = [], 0
    for size in sizes:
        chunks.append(data[at : at + size])
        at += size
    return [*chunks, data[at:]]


@given(st.lists(_messages, max_size=5), st.lists(st.integers(1, 40), max_size=60))
def test_any_chunking_gives_the_same_messages(messages, sizes):
    decoder = Decoder()
    data = b"".join(framing.encode(message) for message in messages)
    assert [found for chunk in _cut(data, sizes) for found in decoder.feed(chunk)] == messages
    assert not decoder.partial


@given(st.binary(max_size=200), st.integers(1, 50))
def test_garbage_raises_peer_error_and_nothing_else(data, size):
    decoder, broken = Decoder(limit=120), False
    for at in range(0, len(data), size):
        try:
            decoder.feed(data[at : at + size])
            assert not broken, "a broken decoder must stay broken"
        except PeerError:
            broken = True


def test_a_length_beyond_the_limit_is_refused_from_its_four_bytes():
    with pytest.raises(PeerError, match="101 is outside"):
        Decoder(limit=100).feed((101).to_bytes(4))
    assert Decoder(limit=100).feed((100).to_bytes(4)) == []


@pytest.mark.parametrize(
    "frame",
    [
        b"\0\0\0\x03abc",
        b"\0\0\0\x08\0\0\0\x05{}{}",
        b"\0\0\0\x06\0\0\0\x02{}",
        b"\0\0\0\x14\0\0\0\x10" + b'{"id":-1,"verb":""}'[:16],
        b"\0\0\0\x08\0\0\0\x04\xff\xff\xff\xff",
    ],
    ids=["too short", "head beyond frame", "head without id", "cut JSON", "not UTF-8"],
)
def test_malformed_frames(frame):
    with pytest.raises(PeerError):
        Decoder().feed(frame)


def test_a_head_that_is_nested_without_end_is_garbage_too():
    head = b'{"id":1,"verb":"v","more":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    frame = (4 + len(head)).to_bytes(4) + len(head).to_bytes(4) + head
    with pytest.raises(PeerError, match="not the expected JSON"):
        Decoder().feed(frame)


def test_encoding_refuses_what_no_decoder_would_take():
    message = Message(1, "append", body=b"x" * 100)
    exact = len(framing.encode(message)) - 4
    assert Decoder(exact).feed(framing.encode(message, exact)) == [message]
    with pytest.raises(PeerError, match="limit"):
        framing.encode(message, exact - 1)
