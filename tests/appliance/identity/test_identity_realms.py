"""Names of several sources: whose is whose, and what is another's."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokens_world import ISSUER, NOW, RSA_ONE, RSA_TWO, jwks, public, token

from appliance.config.identity_schema import Identity, TokenIssuer
from appliance.identity.assemble import make_identification
from appliance.identity.method import IdentityRequest, Refusal
from appliance.identity.realms import InRealm, Realm, in_realm
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason

PARTNER = "https://login.partner.test"
PREFIXES = ("partner/", "school/")


@pytest.mark.parametrize(
    ("prefix", "said", "known"),
    [
        ("", ("alice", ("dev",), "it"), ("alice", ["dev"], "it")),
        ("", ("partner", ("school",), None), ("partner", ["school"], None)),
        ("", ("partner/alice", (), None), None),
        ("", ("alice", ("dev", "partner/dev"), None), None),
        ("", ("alice", (), "school/it"), None),
        ("partner/", ("alice", ("dev",), "it"), ("partner/alice", ["partner/dev"], "partner/it")),
        ("partner/", ("school/alice", (), None), ("partner/school/alice", [], None)),
    ],
)
def test_whose_a_name_is(prefix, said, known):
    assert Realm(prefix, PREFIXES).named(*said) == known


@given(st.sampled_from(["", *PREFIXES]), st.sampled_from(["", *PREFIXES]), st.text(max_size=9), st.text(max_size=9))
def test_two_sources_with_other_prefixes_never_name_one_person(one, other, name, again):
    first, second = (Realm(prefix, PREFIXES).named(said, (), None) for prefix, said in ((one, name), (other, again)))
    if one != other and first is not None and second is not None:
        assert first[0] != second[0]


async def test_the_same_name_of_two_issuers_is_two_people(tmp_path):
    for name, key in (("ours", RSA_ONE), ("theirs", RSA_TWO)):
        (tmp_path / name).write_bytes(jwks(public(key, "one")))
    ours = TokenIssuer(issuer=ISSUER, audience=("gnomon",), jwks=str(tmp_path / "ours"), prefix="")
    theirs = TokenIssuer(issuer=PARTNER, audience=("gnomon",), jwks=str(tmp_path / "theirs"), prefix="partner/")
    with ThreadPoolExecutor(1) as threads:
        who = make_identification(Identity(tokens=(ours, theirs)), threads)

    async def of(key, **claims):
        return await who.identify(IdentityRequest("10.0.0.1", listener="tunnel", token=token(key, **claims)), NOW)

    for _ in range(2):  # judged, and remembered
        assert (await of(RSA_ONE, groups=["dev"])).groups == ("dev",)
        found = await of(RSA_TWO, iss=PARTNER, groups=["dev"], department="it")
        assert (found.name, found.groups, found.department) == ("partner/maria", ("partner/dev",), "partner/it")
        for claims in ({"sub": "partner/maria"}, {"groups": ["partner/dev"]}):
            refused = await of(RSA_ONE, **claims)
            assert isinstance(refused, Refusal)
            assert "another source" in refused.detail


class Says:
    problem = "a problem"

    def __init__(self, answer):
        self.answer = answer

    async def identify(self, _request, _now):
        return self.answer


async def test_a_method_in_a_realm():
    request = IdentityRequest("10.0.0.1")
    alice = Principal("alice", "10.0.0.1", "ldap", groups=("dev",))
    put = in_realm(Says(alice), Realm("partner/", PREFIXES))
    assert (await put.identify(request, NOW)).name == "partner/alice"
    assert put.problem == "a problem"
    foreign = await InRealm(Says(Principal("school/x", "10.0.0.1")), Realm("", PREFIXES)).identify(request, NOW)
    assert (foreign.status, foreign.reason) == (403, RefusalReason.IDENTITY_FAILED)
    assert await in_realm(Says(None), Realm("partner/", PREFIXES)).identify(request, NOW) is None
    says = Says(alice)
    assert in_realm(says, Realm()) is says
