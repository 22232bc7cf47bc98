"""Structure checks and placeholders, one value at a time."""

import base64

import pytest

from appliance.inspect.detect import fillers, ordinary
from appliance.inspect.detect.checks import CHECKS, DOUBTFUL, bits, factor, jumbled, random_looking, scrambled
from appliance.inspect.detect.keyrules import SHAPED_RULES


def test_every_check_that_a_rule_names_is_known():
    assert {rule.check for rule in SHAPED_RULES} - {""} <= set(CHECKS)


@pytest.mark.parametrize("check", sorted(CHECKS))
@pytest.mark.parametrize("value", ["", "x", "eyJ", "é" * 40, "\udc80abc", "-" * 5000, "eyJ" + "A" * 5000 + ".e.s"])
def test_a_check_takes_any_value(check, value):
    assert 0 < factor(check, value) <= 1


@pytest.mark.parametrize("value", ["${X}", "{{ x }}", "<your-key>", "$(pass)", "%(x)s", "$TOKEN", "***", "[KEY]"])
def test_templates(value):
    assert fillers.templated(value)


@pytest.mark.parametrize("value", ["super$ecret", "a1$b2", "p%40ss", "x{y"])
def test_what_only_looks_like_a_template(value):
    assert not fillers.templated(value)


@pytest.mark.parametrize("value", ["xxxxxxxx", "your-token", "changeme", "example-key", "000000", "INSERT_KEY_HERE"])
def test_stand_ins(value):
    assert fillers.stands_in(value)


@pytest.mark.parametrize(
    "value", ["12ab123123123", "k-1234-1234-1234-q", "k_4444444cBBBBBB6666666DdddDEeeee", "AKIA7EXAMPLE"]
)
def test_keys_that_were_typed_for_a_sample(value):
    assert fillers.written(value)


@pytest.mark.parametrize("value", ["xoxb-000000000-q7Zt2mXw9Lr4", "AKIAEXAMPLE7Q2MN4KD6", "aabbccddeeff"])
def test_keys_that_only_look_typed(value):
    assert not fillers.written(value)


def test_accounts_of_samples():
    assert fillers.stock_account("postgres", "Postgres")
    assert fillers.stock_account("username", "passwd")
    assert not fillers.stock_account("postgres", "password1")
    assert not fillers.stock_account("ann", "password")


def test_letters_alone_may_be_a_key():
    assert jumbled("vkRWtbLqGXnfMPzs")
    assert not any(
        map(
            jumbled, ("getUserByNameAndId", "AsyncClientSecrets", "q7Zt2mXw9Lr4Kd8v", "vkrwtblqgxnfmpzs", "vkRWtbLqGXn")
        )
    )
    assert scrambled("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9")
    assert not scrambled("getSha256Base64EncodedValue")


def macaroon(*packets):
    inside = b"\x02\x01\x08pypi.org\x02\x04abcd\x00" + b"".join(packets)
    return "pypi-" + base64.urlsafe_b64encode(inside).decode().rstrip("=")


def test_a_macaroon_that_ends_before_its_signature_opens_nothing():
    caveat, signature = b"\x02\x82\x01" + b"c" * 130 + b"\x00", b"\x00\x06\x20" + b"s" * 32
    assert factor("pypi", macaroon(caveat, signature)) == 1
    assert factor("pypi", macaroon(caveat, b"\x00\x06\x20")) == 1
    assert factor("pypi", macaroon(caveat)) == factor("pypi", macaroon(caveat[:50])) == DOUBTFUL
    assert factor("pypi", macaroon(b"\x77 made up")) == 1


@pytest.mark.parametrize("version", "1267")
def test_a_dated_uuid_is_no_key(version):
    assert ordinary.dated(f"3f2504e0-4f89-{version}1d3-9a0c-0305e82c3301")
    assert not ordinary.dated("3f2504e0-4f89-41d3-9a0c-0305e82c3301")


@pytest.mark.parametrize("value", ["hunter2", "q7Zt2mXw9Lr4Kd8v", "Tr0ub4dor&3"])
def test_no_stand_ins(value):
    assert not fillers.stands_in(value)


def test_hashes_are_told_by_their_label():
    assert fillers.hashed("sha512-abc")
    assert fillers.hashed("SHA256:0a1b")
    assert not fillers.hashed("shark-512")
    assert fillers.labels_a_hash('"integrity": "')


def test_a_printed_key_is_known_by_its_digest_alone():
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in fillers.PUBLISHED)
    assert not fillers.published("AIza")


def test_chance():
    assert bits("") == 0
    assert bits("abcd") == 2
    assert random_looking("q7Zt2mXw9Lr4Kd8v")
    assert not random_looking("correcthorsebattery")
    assert factor("drawn", "keyboardshortcuts") == DOUBTFUL


@pytest.mark.parametrize(
    ("says", "value"),
    [
        (ordinary.stands_for_itself, "required"),
        (ordinary.stands_for_itself, "/etc/keys"),
        (ordinary.stands_for_itself, "arn:aws:iam::1:role/x"),
        (ordinary.stands_for_itself, "v1.2.3"),
        (ordinary.code, "os.environ"),
        (ordinary.code, "getpass()"),
        (ordinary.code, "digest_size=32"),
        (ordinary.slug, "my-service-secret"),
        (ordinary.slug, "held:team"),
        (ordinary.names_a_field, "admin_password"),
        (ordinary.identifies, "3f2504e0-4f89-11d3-9a0c-0305e82c3301"),
    ],
)
def test_ordinary_values(says, value):
    assert says(value)
    assert not says("q7Zt2mXw9Lr4Kd8v!")
