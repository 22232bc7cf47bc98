"""Every key rule with an example and a counter-example, made from the rule file; none of them is a real key."""

import json
import re
import string
import zlib
from importlib import import_module, resources

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.inspect.detect.keyrules import NAMED_RULES, SHAPED_RULES, example, near
from appliance.inspect.detect.secrets import KEY_RULES, Secrets, _shortened
from appliance.inspect.detect.shapes import letters

PARSER = import_module("re._parser")
WORD = letters("word", 372, "any")
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE" + WORD + "\n-----END RSA PRIVATE KEY-----"
SOURCES = {
    "gitleaks (MIT)",
    "noseyparker (Apache-2.0)",
    "credsweeper (MIT)",
    "detect-secrets (Apache-2.0)",
    "osv-scalibr (Apache-2.0)",
    "known by its look",
    "RFC 3986",
    "RFC 7468",
}
LONGEST = 16_384  # of one repeat: a private key's body
PLACES = (("", ""), ("see \u00e9 ", " ok"), ('{"k": "', '"}'), ("x: ", "\n"), ("(", ","))


def secrets_in(detectors, text):
    return {(d.rule, text[d.start : d.end]) for d in detectors.exact(text) if d.kind == "secret"}


def score_of(detectors, text, rule):
    return max((d.score for d in detectors.exact(text) if d.rule == rule), default=0.0)


def test_there_are_rules_for_many_kinds():
    names = [rule.name for rule in (*KEY_RULES, *NAMED_RULES)]
    assert len(names) == len(set(names))
    assert len({*SHAPED_RULES, *NAMED_RULES}) >= 500
    assert len({rule.entity for rule in (*SHAPED_RULES, *NAMED_RULES)}) >= 300
    for rule in (*SHAPED_RULES, *NAMED_RULES):
        assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", rule.name)
        assert re.fullmatch(r"[A-Z0-9]+(?:_[A-Z0-9]+)*", rule.entity)


@pytest.mark.parametrize("rule", SHAPED_RULES, ids=lambda rule: rule.name)
def test_example_and_counter_example(detectors, rule):
    text = example(rule)
    match = re.search(rule.shape, text, re.ASCII)
    hidden = match["secret" if "secret" in match.re.groupindex else 0]
    for before, after in PLACES:
        assert (rule.name, hidden) in secrets_in(detectors, before + text + after)
    assert rule.name not in {name for name, _ in secrets_in(detectors, f"see {near(rule)} ok")}


@pytest.mark.parametrize("rule", NAMED_RULES, ids=lambda rule: rule.name)
def test_example_and_counter_example_by_name(detectors, rule):
    text = example(rule)
    found = {d.rule for d in detectors.exact(text) if d.score >= 0.5}
    alike = {one.name for one in NAMED_RULES if any(word in text for word in one.words)}
    assert found & {rule.name, *alike, *(one.name for one in SHAPED_RULES)}, text
    assert not any(d.rule == rule.name for d in detectors.exact(near(rule)))


def repeats(tree):
    for operation, value in tree:
        if str(operation) in {"MAX_REPEAT", "MIN_REPEAT"}:
            yield value
            yield from repeats(value[2])
        elif str(operation) == "SUBPATTERN":
            yield from repeats(value[3])
        elif str(operation) == "BRANCH":
            for one in value[1]:
                yield from repeats(one)


def looks(tree):
    for operation, value in tree:
        if str(operation) in {"ASSERT", "ASSERT_NOT"}:
            yield value[1].getwidth()[1]
        elif str(operation) == "SUBPATTERN":
            yield from looks(value[3])
        elif str(operation) == "BRANCH":
            for one in value[1]:
                yield from looks(one)


@pytest.mark.parametrize("rule", KEY_RULES, ids=lambda rule: rule.name)
def test_shapes_are_bounded(rule):
    tree = PARSER.parse(rule.shape, re.ASCII)
    for _, most, inner in repeats(tree):
        assert int(most) <= LONGEST
        assert int(most) <= 8 or not any(int(again) > 100 for _, again, _ in repeats(inner)), "a repeat in a repeat"
    assert max(looks(tree), default=0) <= 1
    assert tree.getwidth()[0] > 0


def test_a_private_key_without_its_end_is_hidden_as_far_as_it_goes(detectors):
    cut = PEM[:120]
    assert ("private-key", cut) in secrets_in(detectors, cut)


def test_escaped_line_ends_belong_to_a_private_key(detectors):
    escaped = PEM.replace("\n", "\\n")
    assert ("private-key", escaped) in secrets_in(detectors, f'"{escaped}"')


def test_a_frame_without_a_key_counts_little(detectors):
    assert score_of(detectors, PEM, "private-key") == 1.0
    assert score_of(detectors, "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----", "private-key") < 0.5


def checksummed(prefix, body):
    letters, rest, made = string.digits + string.ascii_uppercase + string.ascii_lowercase, zlib.crc32(body.encode()), ""
    while rest:
        rest, digit = divmod(rest, 62)
        made = letters[digit] + made
    return prefix + body + made.rjust(6, "0")


@pytest.mark.parametrize(("prefix", "rule"), [("ghp_", "github"), ("npm_", "npm")])
def test_a_checksum_that_fails_lowers_the_score_and_drops_nothing(detectors, prefix, rule):
    good = checksummed(prefix, "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5")
    wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
    assert score_of(detectors, good, rule) == 0.95
    assert 0.5 < score_of(detectors, wrong, rule) < 0.95


def test_a_web_token_says_its_algorithm(detectors):
    said = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + WORD[:43]
    unsaid = "eyJmb28iOiJiYXIifQ.eyJzdWIiOiIxIn0." + WORD[:43]
    assert score_of(detectors, said, "jwt") == 0.8 > score_of(detectors, unsaid, "jwt") > 0.5


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-" + "x" * 60,
        "AIza" + "X" * 35,
        "ghp_" + "0" * 36,
        "glpat-PUT_YOUR_TOKEN_HERE_1",
        "AKIA" + "X" * 16,
        "xai-" + "*" * 80,
    ],
)
def test_what_stands_in_for_a_key_is_none(detectors, text):
    assert all(d.score < 0.4 for d in detectors.exact(text) if d.kind == "secret")


@pytest.mark.parametrize(
    "line",
    [
        '"integrity": "sha512-' + WORD[:86] + '==",',
        '    {file = "a-1.0-py3-none-any.whl", hash = "sha256:' + "0a1b2c3d4e5f6789" * 4 + '"},',
        "checksum: 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "d41d8cd98f00b204e9800998ecf8427e  empty.txt",
        "github.com/a/b v1.2.3 h1:" + WORD[:43] + "=",
        "image: nginx@sha256:" + "0a1b2c3d4e5f6789" * 4,
        'sha256 "' + "0a1b2c3d4e5f6789" * 4 + '"',
        "id: 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    ],
)
def test_lines_of_hashes_hold_no_secret(detectors, line):
    assert not secrets_in(detectors, line)


IN_LINES = [
    ('variable "api_token" {\n  default = "%s"\n}\n', "terraform-default"),
    ("  - name: DB_PASSWORD\n    value: %s\n", "env-of-pod"),
    ("The password for the first log-in:\n\n%s\n\nok", "announced"),
    ("My API key:\n```text\n%s\n```\n", "announced"),
    ('new DirectoryEntry("LDAP://a.b",\n   "ann",\n   "%s");', "call-in-lines"),
    ("user: ann\n# of the shop\npassword: %s\n", "account-lines"),
]


@pytest.mark.parametrize(("text", "rule"), IN_LINES, ids=[rule for _, rule in IN_LINES])
def test_a_value_in_another_line_than_its_name(detectors, text, rule):
    key = WORD[:20]
    assert score_of(detectors, text % key, rule) > 0.4
    assert (rule, key) in secrets_in(detectors, text % key)
    assert score_of(detectors, text % "changeme", rule) < 0.4


@pytest.mark.parametrize(
    "text",
    [
        "username: string\npassword: string\n",
        "user: User\npassword: Passwort\n",
        "login: me\npassword: your_password\n",
        "user: postgres\npassword: postgres\n",
        "the password is kept as follows:\nhashed-v2-twice and salted\n",
        "password:\n  secretKeyRef:\n",
    ],
)
def test_lines_that_hold_no_account(detectors, text):
    assert all(d.score < 0.4 for d in detectors.exact(text) if d.kind == "secret")


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgres://postgres:postgres@db", False),
        ("ftp://username:password@host", False),
        ("postgres://postgres:tr0ub4dor@db", True),
        ("postgres://app:password@db", True),
    ],
)
def test_a_stock_account_in_an_address_counts_little(detectors, url, found):
    assert (score_of(detectors, url, "url-password") > 0.4) is found


def test_a_web_token_whose_head_is_none_counts_little(detectors):
    assert score_of(detectors, "eyJq7Zt2mXw9Lr4Kd8v.eyJzdWIiOiIxIn0." + WORD[:43], "jwt") < 0.4


def test_every_fact_names_its_source():
    folder = resources.files("appliance.inspect.detect") / "secret_rules"
    rules = [rule for file in folder.iterdir() for rule in json.loads(file.read_text())]
    assert len(rules) == len(SHAPED_RULES) + len(NAMED_RULES)
    assert {rule["source"] for rule in rules} <= SOURCES


def test_long_repeats_become_open_ended():
    assert _shortened("a{3,40}b{40,250}[c]{10,4000}") == "a{3,40}b{20,}[c]{10,}"


PIECES = [one for rule in KEY_RULES for one in (example(rule), near(rule))]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=5).map("".join))
def test_regions_lose_nothing(detectors, text):
    everywhere = Secrets()
    found = [one for one in detectors.exact(text) if one.kind == "secret"]
    whole = {n: [(0, len(text))] for n in range(len(KEY_RULES))}
    assert sorted(everywhere.scan(text, whole, 0)) == sorted(found)
