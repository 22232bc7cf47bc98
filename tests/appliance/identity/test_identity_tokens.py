"""Signed tokens: what is believed, and everything that must not be."""

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, RSAKey
from tokens_world import (
    AUDIENCE,
    EC,
    ED,
    ISSUER,
    NOW,
    RSA_ONE,
    RSA_TWO,
    RULES,
    claims,
    jwks,
    part,
    public,
    signed_with_the_public_key,
    token,
    unsigned,
)

from appliance.identity.backoff import BackOff
from appliance.identity.bearer import Issuer, TokenMethod, bearer_challenge
from appliance.identity.claims import MAX_GROUPS, ClaimRules, owner_of
from appliance.identity.jwks import MAX_JWKS, MAX_KEYS, parse_jwks
from appliance.identity.jws import MAX_TOKEN, TokenError, check_signature, looks_like_token, read_token
from appliance.identity.keyring import KeyRing
from appliance.identity.method import Challenge, IdentityRequest, Refusal
from appliance.identity.proven import Remembered
from appliance.model.errors import PeerError
from appliance.model.facts import Principal
from appliance.model.names import Assurance, RefusalReason

ALL = frozenset({"RS256", "PS256", "ES256", "EdDSA"})


class Published:
    """What an issuer publishes now; `down`: nothing comes."""

    def __init__(self, *keys):
        self.keys, self.asked, self.down = keys, 0, False

    async def __call__(self) -> bytes:
        self.asked += 1
        if self.down:
            raise PeerError("login.example.test: did not answer within 10 s", 504)
        return jwks(*self.keys)


def method(published=None, *, algorithms=ALL, rules=RULES, **more):
    published = published or Published(public(RSA_ONE, "one"), public(EC, "ec"), public(ED, "ed"))
    ring = KeyRing(published, partial(parse_jwks, accepted=algorithms))
    made = TokenMethod([Issuer(rules, frozenset(algorithms), ring)], challenge=bearer_challenge("gnomon"), **more)
    return made, published


def asking(text, address="10.0.0.1", listener="proxy"):
    if listener == "proxy":
        return IdentityRequest(address, proxy_authorization=f"Bearer {text}")
    return IdentityRequest(address, listener=listener, token=text)


@pytest.mark.parametrize(
    ("key", "kid", "alg"),
    [
        (RSA_ONE, "one", "RS256"),
        (RSA_ONE, "one", "PS256"),
        (EC, "ec", "ES256"),
        (ED, "ed", "EdDSA"),
        (RSA_ONE, None, "RS256"),
    ],
)
@pytest.mark.parametrize("listener", ["proxy", "gateway"])
async def test_a_good_token_names_its_owner(key, kid, alg, listener):
    who, published = method()
    text = token(key, kid, alg, groups=["dev", "ops"], department="research")
    answer = await who.identify(asking(text, listener=listener), NOW)
    wanted = Principal("maria", "10.0.0.1", "jwt", Assurance.HIGH, ("dev", "ops"), "research")
    assert answer == wanted
    assert await who.identify(asking(text, listener=listener), NOW + 1) == wanted
    assert published.asked == 1


def forged() -> dict[str, str]:
    head, body, signature = token().split(".")
    other = part(claims(sub="root"))
    return {
        "other claims": f"{head}.{other}.{signature}",
        "no signature": f"{head}.{body}.",
        "cut signature": f"{head}.{body}.{signature[:-4]}",
        "turned parts": f"{body}.{head}.{signature}",
        "alg none": unsigned(),
        "alg None": unsigned(alg="None"),
        "alg none, some signature": unsigned() + signature,
        "alg of another key": f"{part({'alg': 'ES256', 'kid': 'one'})}.{body}.{signature}",
        "hmac with the public key": signed_with_the_public_key(),
        "key of a stranger": token(RSA_TWO, "one"),
        "key in the header": token(RSA_TWO, "one", header={"jwk": RSA_TWO.as_dict(private=False)}),
        "kid of another": token(RSA_ONE, "ec", "RS256"),
        "kid unknown": token(RSA_TWO, "two"),
        "kid long": token(RSA_ONE, "k" * 300),
        "kid injection": token(RSA_ONE, "../../../../dev/null"),
        "kid sql": token(RSA_ONE, "x' UNION SELECT 'secret"),
        "critical extension": f"{part({'alg': 'RS256', 'kid': 'one', 'crit': ['exp']})}.{body}.{signature}",
        "unencoded payload": f"{part({'alg': 'RS256', 'kid': 'one', 'b64': False})}.{body}.{signature}",
        "nothing": "",
        "a word": "secret",
        "dots": "..",
        "four parts": token() + ".x",
        "padding": f"{head}=.{body}.{signature}",
        "newline": f"{head}.{body}.{signature}\n.",
        "not JSON": f"{part(b'no')}.{body}.{signature}",
        "deep JSON": f"{head}.{part(b'[' * 9000)}.{signature}",
        "list for claims": f"{head}.{part([1])}.{signature}",
        "huge": f"{head}.{'A' * MAX_TOKEN}.{signature}",
        "another issuer": token(iss="https://evil.example"),
        "no issuer": token(iss=None),
        "issuer in a list": token(iss=[ISSUER]),
        "issuer with a slash": token(iss=ISSUER + "/"),
    }


@pytest.mark.parametrize("what", list(forged()))
async def test_a_forged_token_is_nobodys(what):
    who, _ = method()
    text = forged()[what]
    answer = await who.identify(asking(text), NOW)
    assert isinstance(answer, Challenge)
    assert answer.reason is RefusalReason.IDENTITY_FAILED
    assert answer.authenticate == 'Bearer realm="gnomon"'
    again = await who.identify(asking(text, listener="gateway"), NOW)
    assert isinstance(again, Refusal)
    assert again.status == 401
    assert not text or text not in answer.detail


UNFIT = {
    "expired": ({"exp": NOW - 61}, "expired"),
    "no end": ({"exp": None}, "no end"),
    "end in words": ({"exp": "never"}, "no time"),
    "end true": ({"exp": True}, "no time"),
    "end beyond all numbers": ({"exp": 10**400}, "no time"),
    "not yet": ({"nbf": NOW + 61}, "not good yet"),
    "issued tomorrow": ({"iat": NOW + 61}, "not good yet"),
    "another audience": ({"aud": "somebody"}, "another audience"),
    "no audience": ({"aud": None}, "another audience"),
    "audience in an object": ({"aud": {AUDIENCE: 1}}, "another audience"),
    "no user": ({"sub": None}, "does not name"),
    "user a number": ({"sub": 7}, "does not name"),
    "user with a newline": ({"sub": "maria\nroot"}, "does not name"),
    "user too long": ({"sub": "m" * 300}, "does not name"),
    "groups a number": ({"groups": 7}, "no list"),
    "a group with a control": ({"groups": ["dev", "o\x00ps"]}, "no list"),
    "too many groups": ({"groups": [str(number) for number in range(MAX_GROUPS + 1)]}, "no list"),
    "groups elsewhere": ({"_claim_names": {"groups": "src1"}}, "elsewhere"),
    "department a list": ({"department": ["a"]}, "department"),
}


@pytest.mark.parametrize("what", list(UNFIT))
async def test_a_signed_token_may_be_unfit_all_the_same(what):
    changes, words = UNFIT[what]
    who, _ = method()
    answer = await who.identify(asking(token(**changes)), NOW)
    assert isinstance(answer, Challenge)
    assert words in answer.detail


KINDS = ("any", "access", "id")


@pytest.mark.parametrize(
    ("header", "said", "taken"),
    [
        ("JWT", None, "any id"),
        ("jwt", None, "any id"),
        ("application/JWT", None, "any id"),
        (None, None, "any id"),
        ("", None, "any id"),
        ("at+jwt", None, "any access"),
        ("application/AT+JWT", None, "any access"),
        ("JWT", "Bearer", "any access"),
        ("JWT", "ID", "any id"),
        ("JWT", "JWT", "any id"),
        ("at+jwt", "ID", "any access"),
        ("JWT", "Refresh", ""),
        ("JWT", "Offline", ""),
        ("JWT", 7, ""),
        ("JWT", ["Bearer"], ""),
        ("logout+jwt", None, ""),
        ("secevent+jwt", None, ""),
        ("dpop+jwt", None, ""),
        ("JOSE", None, ""),
        ("at+jwt\n", None, ""),
    ],
)
async def test_a_token_for_something_else_is_not_taken(header, said, taken):
    for kind in KINDS:
        who, _ = method(rules=ClaimRules(ISSUER, RULES.audience, kind=kind), backoff=BackOff(free=0))
        head = {"alg": "RS256", "kid": "one"} | ({} if header is None else {"typ": header})
        text = jws.serialize_compact(head, json.dumps(claims(typ=said)), RSA_ONE)
        answer = await who.identify(asking(text), NOW)
        assert isinstance(answer, Principal if kind in taken.split() else Challenge), kind
        assert isinstance(await who.identify(asking("x.y"), NOW), Challenge)  # it was no guess: nobody waits


@pytest.mark.parametrize("typ", [7, ["JWT"], {"a": 1}, True])
def test_a_type_that_is_no_text_is_refused(typ):
    with pytest.raises(TokenError, match="cannot be read"):
        read_token(f"{part({'alg': 'RS256', 'typ': typ})}.{part(claims())}.x", {"RS256"})


async def test_asking_again_is_no_guess_and_is_not_held_up():
    who, published = method(backoff=BackOff(free=0, first=100.0))
    again = partial(IdentityRequest, "10.0.0.1", listener="tunnel", again=True)
    assert isinstance(await who.identify(again(token=token()), NOW), Principal)
    published.keys = (public(RSA_TWO, "two"),)
    assert isinstance(await who.identify(asking(token(RSA_TWO, "two")), NOW + 20), Principal)
    answer = await who.identify(again(token=token()), NOW + 21)
    assert (answer.status, answer.lapsed) == (401, False)
    assert isinstance(await who.identify(asking(token(RSA_TWO, "two", sub="paul")), NOW + 22), Principal)
    await who.identify(asking(token(RSA_TWO, "one")), NOW + 22)
    ended = await who.identify(again(token=token(RSA_TWO, "two")), NOW + 900)
    assert (ended.status, ended.lapsed) == (401, True)


@pytest.mark.parametrize(
    ("changes", "good"),
    [
        ({"exp": NOW - 59}, True),
        ({"exp": NOW - 60}, False),
        ({"nbf": NOW + 60}, True),
        ({"iat": NOW + 60.5}, False),
        ({"aud": ["x", AUDIENCE]}, True),
        ({"groups": "one"}, True),
        ({"department": ""}, True),
    ],
)
async def test_clocks_may_differ_by_the_leeway_and_no_more(changes, good):
    who, _ = method()
    assert isinstance(await who.identify(asking(token(**changes)), NOW), Principal) is good


async def test_a_remembered_token_ends_with_its_time():
    who, _ = method(cache_s=10_000)
    text = token()
    assert isinstance(await who.identify(asking(text), NOW), Principal)
    assert isinstance(await who.identify(asking(text), NOW + 659), Principal)
    assert "expired" in (await who.identify(asking(text), NOW + 660)).detail


def test_names_are_found_by_their_own_name_first_and_then_inside():
    rules = ClaimRules(ISSUER, RULES.audience, user="preferred_username", groups="realm_access.roles")
    found = owner_of(claims(preferred_username="m", realm_access={"roles": ["a", "a", "b"]}), rules, NOW)
    assert (found.user, found.groups) == ("m", ("a", "b"))
    rules = ClaimRules(ISSUER, RULES.audience, groups="https://x.test/groups")
    assert owner_of(claims(**{"https://x.test/groups": ["g"]}), rules, NOW).groups == ("g",)
    assert (
        owner_of(
            claims(realm_access="flat"), ClaimRules(ISSUER, RULES.audience, groups="realm_access.roles"), NOW
        ).groups
        == ()
    )


def test_a_mail_address_must_be_verified_to_name_somebody():
    rules = ClaimRules(ISSUER, RULES.audience, user="email")
    assert owner_of(claims(email="m@x.test"), rules, NOW).user == "m@x.test"
    with pytest.raises(TokenError, match="not verified"):
        owner_of(claims(email="m@x.test", email_verified=False), rules, NOW)


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace")))
def test_no_bytes_make_a_token_or_a_fault(data):
    with pytest.raises(TokenError):
        check_signature(read_token(data.decode("latin-1"), ALL), ())


NAMES = st.sampled_from(["iss", "aud", "exp", "nbf", "iat", "sub", "groups", "department", "_claim_names"])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


@given(st.dictionaries(NAMES, VALUES))
def test_no_claims_make_a_fault(found):
    with pytest.raises(TokenError):
        owner_of({**found, "iss": ISSUER, "aud": "not us"}, RULES, NOW)
    try:
        owner = owner_of({**found, "iss": ISSUER, "aud": AUDIENCE}, RULES, NOW)
    except TokenError:
        return
    assert owner.until > NOW
    assert owner.user.isprintable()


@given(st.integers(min_value=0), st.sampled_from(["RS256", "ES256", "EdDSA"]), st.integers(1, 255))
def test_one_changed_byte_is_enough(place, alg, change):
    key, kid = {"RS256": (RSA_ONE, "one"), "ES256": (EC, "ec"), "EdDSA": (ED, "ed")}[alg]
    text = bytearray(token(key, kid, alg).encode())
    place %= len(text)
    text[place] = (text[place] + change) % 256
    keys = parse_jwks(jwks(public(key, kid)), ALL)
    try:
        found = read_token(text.decode("latin-1"), ALL)
        check_signature(found, keys)
    except TokenError:
        return
    # base64url has spare bits at the end of a part: another spelling of the same signature is no forgery.
    assert found.claims == json.loads(json.dumps(claims()))


def test_keys_that_are_no_use_are_left_out():
    with pytest.warns(SecurityWarning):
        small = RSAKey.generate_key(1024)
    left_out = [
        {**RSA_TWO.as_dict(private=True), "kid": "private"},
        {**OctKey.generate_key(256).as_dict(), "kid": "secret"},
        public(RSA_TWO, "encryption", use="enc"),
        public(RSA_TWO, "wraps", key_ops=["wrapKey"]),
        public(RSA_TWO, "other", alg="RS512"),
        public(ECKey.generate_key("P-384"), "curve"),
        public(small, "small"),
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "tiny"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "off the curve"},
        {"kty": "EC", "kid": "bare"},
        {"kty": "RSA", "n": 7, "e": [], "kid": "odd"},
        {"kty": "??", "kid": "strange"},
        {"kid": "no type"},
        "text",
        7,
    ]
    found = parse_jwks(jwks(*left_out, public(RSA_ONE, "one"), public(EC, "ec", alg="ES256")), ALL)
    assert [(key.kid, sorted(key.algorithms)) for key in found] == [("one", ["PS256", "RS256"]), ("ec", ["ES256"])]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": 7}',
        b'{"keys": []}',
        b'{"keys": [{}]}',
        b"[" * 9000,
        b" " * (MAX_JWKS + 1),
        b"\xff",
        jwks(*[{}] * (MAX_KEYS + 1)),
    ],
)
def test_a_set_without_use_is_refused_whole(data):
    with pytest.raises(PeerError):
        parse_jwks(data, ALL)


async def test_guessing_makes_the_address_wait_and_an_expired_token_does_not():
    who, _ = method(backoff=BackOff(free=1, first=10.0))
    for number in range(5):
        answer = await who.identify(asking(token(exp=NOW - 100 - number)), NOW)
        assert isinstance(answer, Challenge)
    for _ in range(3):
        answer = await who.identify(asking(token(RSA_TWO, "one")), NOW)
    assert isinstance(answer, Refusal)
    assert (answer.status, answer.retry_after) == (429, 10)
    assert isinstance(await who.identify(asking(token(), address="10.0.0.2"), NOW), Principal)
    assert isinstance(await who.identify(asking(token()), NOW + 11), Principal)
    assert isinstance(await who.identify(asking(token(RSA_TWO, "one")), NOW + 11), Challenge)


async def test_a_known_token_is_not_held_up():
    who, _ = method(backoff=BackOff(free=0, first=100.0))
    text = token()
    assert isinstance(await who.identify(asking(text), NOW), Principal)
    await who.identify(asking(token(RSA_TWO, "one")), NOW)
    assert isinstance(await who.identify(asking(token(sub="paul")), NOW), Refusal)
    assert isinstance(await who.identify(asking(text), NOW), Principal)


async def test_a_forged_token_is_remembered_and_not_checked_again(monkeypatch):
    who, _ = method(backoff=BackOff(free=1000))
    bad = token(RSA_TWO, "one")
    assert isinstance(await who.identify(asking(bad), NOW), Challenge)
    monkeypatch.setattr("appliance.identity.bearer.check_signature", lambda *_: None)  # it would pass now
    assert isinstance(await who.identify(asking(bad), NOW + 1), Challenge)
    assert isinstance(await who.identify(asking(bad), NOW + 31), Principal)


async def test_without_keys_it_is_the_appliance_that_cannot_say():
    who, published = method()
    published.down = True
    answer = await who.identify(asking(token()), NOW)
    assert isinstance(answer, Refusal)
    assert (answer.status, answer.reason) == (503, RefusalReason.IDENTITY_UNAVAILABLE)
    assert answer.retry_after >= 1
    published.down = False
    assert isinstance(await who.identify(asking(token()), NOW + 10), Principal)


async def test_a_key_that_is_taken_back_takes_its_tokens_along():
    who, published = method(cache_s=3600)
    text = token(exp=NOW + 5000)
    assert isinstance(await who.identify(asking(text), NOW), Principal)
    published.keys = (public(RSA_TWO, "two"),)
    assert isinstance(await who.identify(asking(token(RSA_TWO, "two", sub="paul")), NOW + 20), Principal)
    answer = await who.identify(asking(text), NOW + 21)
    assert isinstance(answer, Challenge)
    assert "does not publish" in answer.detail


async def test_nothing_shown_is_nothing_to_go_by():
    who, _ = method()
    assert await who.identify(IdentityRequest("10.0.0.1"), NOW) is None
    assert await who.identify(IdentityRequest("10.0.0.1", proxy_authorization="Basic eDp5"), NOW) is None
    behind = IdentityRequest("10.0.0.1", listener="gateway", proxy_authorization=f"Bearer {token()}")
    assert await who.identify(behind, NOW) is None


def test_what_is_remembered_is_found_by_the_whole_token_only():
    kept: Remembered[str] = Remembered(limit=2)
    kept.add("a.b.c", "maria", 10.0, 20.0, 3)
    assert kept.find("a.b.c", 10.0) == ("maria", 3)
    assert kept.find("a.b.d", 10.0) is None
    assert kept.find("a.b.c", 20.0) is None
    kept.add("x", "1", 10.0, 20.0)
    assert kept.find("x", 9.0) is None  # the clock was set back
    for name in "abc":
        kept.add(name, name, 10.0, 20.0)
    assert [kept.find(name, 11.0) is not None for name in "abc"] == [False, True, True]
    kept.forget("b")
    assert (kept.find("b", 11.0), len(kept)) == (None, 1)
    assert "maria" not in repr(vars(kept))


def test_a_token_never_shows():
    text = token()
    assert text not in repr(read_token(text, ALL))
    assert text not in repr(asking(text))
    assert text not in repr(asking(text, listener="gateway"))
    assert looks_like_token(text)
    assert not looks_like_token("sk-live-abc.def.ghi")


@pytest.mark.parametrize("kid", ["one", None])
async def test_a_new_key_under_an_old_name_is_found(kid):
    who, published = method()
    assert isinstance(await who.identify(asking(token(kid=kid)), NOW), Principal)
    published.keys = (public(RSA_TWO, "one") if kid else RSA_TWO.as_dict(private=False),)
    assert isinstance(await who.identify(asking(token(RSA_TWO, kid)), NOW + 20), Principal)
    assert isinstance(await who.identify(asking(token(kid=kid)), NOW + 20), Challenge)
    for number in range(20):
        await who.identify(asking(token(sub=str(number))), NOW + 21)
    assert published.asked == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (token(EC, "ec", "ES256"), "algorithm"),
        (unsigned() + "x", "algorithm"),
        (f"{part({'alg': 'RS256', 'crit': ['exp']})}.{part(claims())}.x", "extension"),
        (f"{part({'alg': 'RS256', 'b64': False})}.{part(claims())}.x", "extension"),
        (f"{part({'alg': 'RS256', 'kid': 'k' * 257})}.{part(claims())}.x", "key id"),
        (f"{part({'alg': 'RS256', 'kid': 7})}.{part(claims())}.x", "cannot be read"),
        (f"{part({'alg': 'RS256', 'x': 'y' * 5000})}.{part(claims())}.x", "header is too long"),
    ],
)
def test_a_token_is_refused_before_any_key_is_looked_for(text, words):
    with pytest.raises(TokenError, match=words):
        read_token(text, {"RS256"})


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}, "something else"),
        ({"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}, "bound to a key"),
        ({"cnf": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}, "bound to a key"),
    ],
)
def test_what_is_no_bearer_token_is_nobodys(more, word):
    rules = ClaimRules("https://login.example.test", frozenset({"gnomon"}))
    assert owner_of(claims(), rules, NOW).user == "maria"
    with pytest.raises(TokenError, match=word):
        owner_of(claims(**more), rules, NOW)


@pytest.mark.parametrize(
    ("verified", "taken"), [(None, True), (True, True), ("true", True), ("false", False), (0, False)]
)
def test_a_mail_address_counts_as_verified_only_where_that_is_said_plainly(verified, taken):
    rules = ClaimRules("https://login.example.test", frozenset({"gnomon"}), user="email")
    said = claims(email="m@x.test", email_verified=verified)
    if taken:
        assert owner_of(said, rules, NOW).user == "m@x.test"
    else:
        with pytest.raises(TokenError, match="not verified"):
            owner_of(said, rules, NOW)
