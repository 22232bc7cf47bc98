"""The header of an edge: what is read is what its key has signed, in the one spelling, and nothing else."""

import base64

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from appliance.identity import asserted
from appliance.identity.asserted import AssertedError, Assertion, decode, encode, late, request_digest
from appliance.model.names import Assurance

KEY = ec.derive_private_key(7, ec.SECP256R1())
GOOD = Assertion(
    edge="berlin",
    exchange="0" * 32,
    at=1_000_000_000_000,
    nonce=bytes(range(16)),
    way="proxy",
    scheme="https",
    host="api.openai.com",
    port=443,
    digest=request_digest(b"POST", b"/v1/chat/completions"),
    user="maria",
    address="10.1.2.3",
    method="basic",
    assurance=Assurance.HIGH,
    groups=("dev", "ops"),
    department="R&D",
)

VALUE = encode(GOOD, KEY)  # another one each time: signatures of this kind have a random part


def changed(**changes):
    return msgspec.structs.replace(GOOD, **changes)


@pytest.mark.parametrize("kind", ["ec", "ec384", "ed25519", "rsa"])
def test_every_kind_of_key_signs_and_verifies(kind):
    key = {
        "ec": lambda: KEY,
        "ec384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
    }[kind]()
    assert decode(encode(GOOD, key), key.public_key()) == GOOD
    other = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else KEY
    if other is not key:
        with pytest.raises(AssertedError, match="signature"):
            decode(encode(GOOD, key), other.public_key())


@given(
    st.builds(
        changed,
        user=st.text(st.characters(categories=("L", "N")), min_size=1, max_size=40),
        groups=st.lists(st.text("abc-ä", min_size=1, max_size=9), max_size=9).map(tuple),
        department=st.none() | st.just("sales"),
        key=st.none() | st.just("vk_1"),
        way=st.sampled_from(["proxy", "gateway"]),
        port=st.integers(0, 65535),
        assurance=st.sampled_from(Assurance),
    )
)
def test_what_is_read_is_what_was_said(assertion):
    assert decode(encode(assertion, KEY), KEY.public_key()) == assertion


@given(st.data())
def test_no_byte_of_it_can_be_another(data):
    place = data.draw(st.integers(0, len(VALUE) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one != VALUE[place]))
    with pytest.raises(AssertedError):
        decode(VALUE[:place] + bytes([byte]) + VALUE[place + 1 :], KEY.public_key())


@pytest.mark.parametrize("length", [0, 1, 2, 3, 5, 40, 90, -1])
def test_one_that_is_cut_is_none(length):
    with pytest.raises(AssertedError):
        decode(encode(GOOD, KEY)[:length], KEY.public_key())


def written(said: bytes, version=1) -> bytes:
    signature = asserted._sign(KEY, asserted.CONTEXT + said)
    raw = bytes([version]) + len(signature).to_bytes(2) + signature + said
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


FIELDS = msgspec.to_builtins(GOOD, builtin_types=(bytes,))
SAID = msgspec.msgpack.encode(GOOD)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"\xff" * 20, "base64url"),
        (b"not base64!", "base64url"),
        (encode(GOOD, KEY) + b"=", "base64url"),
        (encode(GOOD, KEY) + b"\n", "base64url"),
        (b"A" * (asserted.MAX_HEADER + 1), "longer than"),
        (written(SAID, version=2), "version"),
        (written(b""), "cut short"),
        (written(SAID + b"\x00"), "cannot be read"),
        (written(msgspec.msgpack.encode([*FIELDS, "more"])), "cannot be read"),
        (written(msgspec.msgpack.encode(FIELDS[:9])), "cannot be read"),
        (written(msgspec.msgpack.encode({"edge": "berlin"})), "cannot be read"),
        (written(msgspec.msgpack.encode([*FIELDS[:12], "certain", *FIELDS[13:]])), "cannot be read"),
        (encode(changed(user=""), KEY), "name"),
        (encode(changed(user="a\nb"), KEY), "name"),
        (encode(changed(user="x" * 257), KEY), "name"),
        (encode(changed(groups=(" dev",)), KEY), "name"),
        (encode(changed(department=""), KEY), "name"),
        (encode(changed(groups=("g",) * 257), KEY), "groups"),
        (encode(changed(nonce=b"1"), KEY), "nonce"),
        (encode(changed(digest=b"1"), KEY), "digest"),
        (encode(changed(exchange="../" + "0" * 29), KEY), "exchange"),
        (encode(changed(port=65536), KEY), "dialled"),
        (encode(changed(port=-1), KEY), "dialled"),
        (encode(changed(method="basic; x"), KEY), "word"),
    ],
)
def test_what_no_edge_writes_is_refused_in_words(value, words):
    with pytest.raises(AssertedError, match=words) as refused:
        decode(value, KEY.public_key())
    assert "maria" not in str(refused.value)


def test_another_spelling_of_the_same_is_refused():
    """MessagePack has several forms for one number: only that of `encode` is read."""
    long = SAID.replace(b"\xcd\x01\xbb", b"\xce\x00\x00\x01\xbb")
    assert long != SAID
    assert msgspec.msgpack.decode(long, type=Assertion) == GOOD
    with pytest.raises(AssertedError, match="not written"):
        decode(written(long), KEY.public_key())


def test_who_is_in_too_many_groups_is_told_and_not_cut():
    with pytest.raises(ValueError, match="16384 bytes"):
        encode(changed(groups=tuple(f"{number:0200}" for number in range(100))), KEY)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, ""), (59, ""), (-59, ""), (61, "signed 61 s ago"), (-61, "signed 61 s from now"), (86400, "86400 s ago")],
)
def test_clocks_may_differ_by_a_minute(seconds, words):
    found = late(GOOD, GOOD.at / 1000 + seconds)
    assert (words in found) if words else found == ""


def test_a_digest_tells_method_from_target():
    assert request_digest(b"GET", b"/x") != request_digest(b"GE", b"T/x")
    assert request_digest(b"GET", b"/x") != request_digest(b"POST", b"/x")
