"""Password files, the Basic scheme, and the two small tables behind the authenticator."""

import base64
import os

import argon2
import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.identity import htpasswd
from appliance.identity.backoff import BackOff, neighbourhood
from appliance.identity.basic import basic_challenge, parse_basic
from appliance.identity.credential_cache import CredentialCache
from appliance.identity.htpasswd import parse_htpasswd
from appliance.identity.password_file import PasswordFile
from appliance.model.errors import OperatorError

BCRYPT = bcrypt.hashpw(b"pass:word", bcrypt.gensalt(4)).decode()
FAST_ARGON2 = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
ARGON2 = FAST_ARGON2.hash("pässword")


def entries(**hashes):
    return parse_htpasswd("".join(f"{user}:{found}\n" for user, found in hashes.items()), "f")


def test_good_entries_of_every_kind():
    text = f"# people\n\nann:{BCRYPT}\r\nbob:{BCRYPT.replace('$2b$', '$2y$')}\ncem:{BCRYPT.replace('$2b$', '$2a$')}\n"
    passwords = parse_htpasswd(text + f"dörte:{ARGON2}", "f")
    assert len(passwords) == 4
    assert all(passwords.check(user, "pass:word") for user in ("ann", "bob", "cem"))
    assert passwords.check("dörte", "pässword")
    assert not passwords.check("ann", "pass:wor")
    assert not passwords.check("dörte", "password")
    assert not passwords.check("nobody", "pass:word")
    assert not passwords.check("", "")


@pytest.mark.parametrize("password", ["pass:word\0", "pass:word\0x", "", "x" * 100_000, "\ud800", "pass:word "])
def test_odd_passwords_fail_quietly(password):
    assert not entries(ann=BCRYPT, dora=ARGON2).check("ann", password)
    assert not entries(ann=BCRYPT, dora=ARGON2).check("dora", password)


def test_long_bcrypt_passwords_are_cut_where_htpasswd_cuts_them():
    found = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert entries(ann=found).check("ann", "x" * 90)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ann", "expected user:hash"),
        (":" + BCRYPT, "expected user:hash"),
        ("an\x07n:" + BCRYPT, "expected user:hash"),
        ("ann:$apr1$abc$defghijklmnop", "not a bcrypt or argon2 hash"),
        ("ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "not a bcrypt or argon2 hash"),
        ("ann:secret", "not a bcrypt or argon2 hash"),
        ("ann:$2x$" + BCRYPT[4:], "not a bcrypt or argon2 hash"),
        ("ann:" + BCRYPT[:-1], "not a bcrypt or argon2 hash"),
        ("ann:$2b$31$" + BCRYPT[7:], "cost 31"),
        ("ann:" + ARGON2.replace("m=8,", "m=99999999,"), "memory_cost"),
        ("ann:" + ARGON2.replace("t=1,", "t=1000,"), "time_cost"),
        ("x:" + BCRYPT, "has a line already"),
    ],
)
def test_a_bad_line_is_refused_with_its_number_and_without_its_content(line, message):
    with pytest.raises(OperatorError, match=message) as caught:
        parse_htpasswd(f"# list\nx:{BCRYPT}\n{line}\n", "people")
    assert str(caught.value).startswith("people:3: ")
    assert line.partition(":")[2][4:] not in str(caught.value) or not line.partition(":")[2]


def test_an_unknown_user_costs_a_check_of_the_same_kind(monkeypatch):
    checked = []

    def matches(known, password):
        checked.append((known, password))
        return True

    monkeypatch.setattr(htpasswd, "_matches", matches)
    passwords = entries(ann=BCRYPT)
    assert passwords.check("ann", "p")
    assert not passwords.check("nobody", "p")
    assert checked == [(BCRYPT, "p"), (BCRYPT, "p")]
    assert not entries().check("nobody", "p")
    assert checked[2][0].startswith("$2b$")


def test_the_file_is_read_again_and_a_bad_one_changes_nothing(tmp_path):
    path = tmp_path / "people"
    path.write_text(f"ann:{BCRYPT}\n")
    file = PasswordFile(path)
    assert not file.refresh(100.0)
    path.write_text(f"ann:{BCRYPT}\nbob:{BCRYPT}\n")
    assert not file.refresh(100.5)  # not yet time to look
    assert file.refresh(101.5)
    good = file.passwords
    assert len(good) == 2
    path.write_text("ann:secret\n")
    assert not file.refresh(103.0)
    assert file.passwords is good
    assert f"{path}:1" in file.problem
    path.unlink()
    assert not file.refresh(105.0)
    assert "cannot be read" in file.problem
    path.write_text(f"bob:{BCRYPT}\n")
    assert file.refresh(107.0)
    assert (len(file.passwords), file.problem) == (1, "")
    assert not file.refresh(50.0)  # a clock set back does no harm


def test_at_start_a_bad_file_is_refused(tmp_path):
    path = tmp_path / "people"
    with pytest.raises(OperatorError, match="cannot be read"):
        PasswordFile(path)
    path.write_bytes(f"ann:{BCRYPT}\n".encode() + b"\xff:x\n")
    with pytest.raises(OperatorError, match=r"people:2: not UTF-8"):
        PasswordFile(path)
    os.truncate(path, htpasswd.MAX_FILE + 1)
    with pytest.raises(OperatorError, match="larger than"):
        PasswordFile(path)


def header(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@given(
    st.text(st.characters(exclude_categories=["C"], exclude_characters=":"), min_size=1),
    st.text(st.characters(exclude_categories=["C"])),
)
def test_basic_round_trip(user, password):
    credential = parse_basic(header(f"{user}:{password}"))
    if len(header(f"{user}:{password}")) <= 4096:
        assert (credential.user, credential.password) == (user, password)


@pytest.mark.parametrize(
    "value",
    ["", "Basic", "Basic !!", "Bearer abc", "Basic " + "A" * 5000, header("nocolon"), header(":p"), header("a\x00:p"),
     header("a:p\n"), "Basic " + base64.b64encode(b"\xff:x").decode()],
)  # fmt: skip
def test_bad_basic_headers(value):
    assert parse_basic(value) is None


@given(st.text(max_size=100))
def test_parsing_never_raises(value):
    parse_basic(value)
    parse_basic("Basic " + value)


def test_no_password_in_a_repr_and_no_quote_out_of_the_realm():
    assert "geheim" not in repr(parse_basic(header("ann:geheim")))
    assert basic_challenge('a"b\r\nX: y\\ä') == 'Basic realm="abX: y", charset="UTF-8"'


def test_the_cache_forgets():
    cache = CredentialCache(60.0, limit=2)
    cache.add("a", "b:c", 100.0)
    assert cache.holds("a", "b:c", 159.9)
    assert not cache.holds("a:b", "c", 100.0)
    assert not cache.holds("a", "x", 100.0)
    assert not cache.holds("a", "b:c", 160.0)
    assert len(cache) == 0
    for user in ("a", "b", "c"):
        cache.add(user, "p", 200.0)
    assert [cache.holds(user, "p", 200.0) for user in ("a", "b", "c")] == [False, True, True]
    assert not cache.holds("b", "p", 100.0)  # the clock was set back
    cache.clear()
    assert not cache.holds("c", "p", 200.0)


def test_waits_double_up_to_the_longest():
    backoff = BackOff(free=2, first=1.0, longest=10.0, forget=100.0)
    waits = []
    now = 0.0
    for _ in range(8):
        backoff.failed("10.0.0.1", now)
        waits.append(backoff.wait("10.0.0.1", now))
        now += waits[-1]
        assert backoff.wait("10.0.0.1", now) == 0.0
    assert waits == [0.0, 0.0, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert backoff.wait("10.0.0.2", now) == 0.0
    backoff.failed("10.0.0.1", now + 101.0)
    assert backoff.wait("10.0.0.1", now + 101.0) == 0.0


def test_the_table_is_bounded_and_ipv6_hosts_are_one():
    backoff = BackOff(free=0, limit=3)
    for number in range(6):
        backoff.failed(f"10.0.0.{number}", 0.0)
    assert len(backoff) == 3
    backoff.failed("2001:db8::1", 0.0)
    assert backoff.wait("2001:db8::ffff", 0.0) > 0
    assert backoff.wait("2001:db8:0:1::1", 0.0) == 0
    assert neighbourhood("::ffff:10.0.0.1") == "10.0.0.1"
    assert neighbourhood("fe80::1%eth0") == "fe80::/64"
    assert neighbourhood("x" * 100) == "x" * 64


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 5)), max_size=60))
def test_a_wait_is_never_longer_than_the_longest(steps):
    backoff, now = BackOff(longest=7.0, limit=2), 0.0
    for address, pause in steps:
        now += pause
        backoff.failed(f"10.0.0.{address}", now)
        assert 0.0 <= backoff.wait(f"10.0.0.{address}", now) <= 7.0 + 1e-9  # sums of floats
        assert len(backoff) <= 2
