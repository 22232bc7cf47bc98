"""Structure checks and placeholders, one value at a time."""

import pytest

from appliance.inspect.detect import fillers, ordinary
from appliance.inspect.detect.checks import CHECKS, DOUBTFUL, bits, factor, random_looking
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
