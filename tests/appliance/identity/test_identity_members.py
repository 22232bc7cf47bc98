"""Groups and departments from a file, and the order of methods."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from tokens_world import ISSUER, NOW, RSA_ONE, jwks, public, token

from appliance.config.identity_schema import AddressEntry, Identity, TokenIssuer
from appliance.identity import preflight
from appliance.identity.assemble import make_identification
from appliance.identity.members import Members, load_members
from appliance.identity.method import ANONYMOUS, Challenge, IdentityRequest, Refusal
from appliance.model.errors import OperatorError
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason

FILE = "users:\n  maria: {groups: [board, dev], department: lead}\n  'anonymous': {groups: [all]}\n"


def test_a_file_adds_to_what_is_told(tmp_path):
    path = tmp_path / "members.yaml"
    path.write_text(FILE)
    members = Members(load_members(path))
    known = Principal("maria", "10.0.0.1", "jwt", groups=("dev",), department="research")
    assert (members.enrich(known).groups, members.enrich(known).department) == (("dev", "board"), "research")
    assert members.enrich(Principal("maria", "10.0.0.1", "basic")).department == "lead"
    for other in (Principal("paul", "10.0.0.1", "basic"), Principal(ANONYMOUS, "10.0.0.1")):
        assert members.enrich(other) == other


@pytest.mark.parametrize(
    "text",
    [
        "users: 7",
        "people: {}",
        "users: {maria: {group: [a]}}",
        "users: {maria: {groups: a}}",
        "users: {' ': {}}",
        'users: {m: {groups: ["a\\nb"]}}',
        "users: {m: {department: ''}}",
    ],
)
def test_a_file_is_taken_whole_or_refused_whole(tmp_path, text):
    path = tmp_path / "members.yaml"
    path.write_text(text)
    with pytest.raises(OperatorError, match=r"members\.yaml"):
        load_members(path)
    assert list(preflight.check(Identity(members=str(path)))) != []


def issuer(tmp_path, **more):
    path = tmp_path / "keys.json"
    path.write_bytes(jwks(public(RSA_ONE, "one")))
    return TokenIssuer(issuer=ISSUER, audience=("gnomon",), jwks=str(path), **more)


async def test_what_is_shown_on_purpose_goes_before_where_it_comes_from(tmp_path):
    members = tmp_path / "members.yaml"
    members.write_text(FILE)
    settings = Identity(
        tokens=(issuer(tmp_path),), members=str(members), addresses=(AddressEntry(network="10.0.0.0/8", user="office"),)
    )
    with ThreadPoolExecutor(1) as threads:
        who = make_identification(settings, threads)
    found = await who.identify(IdentityRequest("10.0.0.1", token=token()), NOW)
    assert (found.name, found.method, found.groups) == ("maria", "jwt", ("board", "dev"))
    assert (await who.identify(IdentityRequest("10.0.0.1"), NOW)).name == "office"
    for shown in (
        {"token": "x"},
        {"key": "gk_x"},
        {"proxy_authorization": "Basic eDp5"},
        {"proxy_authorization": "Negotiate x"},
    ):
        answer = await who.identify(IdentityRequest("10.0.0.1", **shown), NOW)
        assert isinstance(answer, Challenge)
        assert answer.reason is RefusalReason.IDENTITY_FAILED
        behind = await who.identify(IdentityRequest("10.0.0.1", listener="gateway", **shown), NOW)
        assert isinstance(behind, Principal if "proxy_authorization" in shown else Refusal)


async def test_nobody_is_proven_to_be_anonymous(tmp_path):
    with ThreadPoolExecutor(1) as threads:
        who = make_identification(Identity(tokens=(issuer(tmp_path),)), threads)
    answer = await who.identify(IdentityRequest("10.0.0.1", token=token(sub=ANONYMOUS)), NOW)
    assert isinstance(answer, Refusal)
    assert (await who.identify(IdentityRequest("10.0.0.1"), NOW)).name == ANONYMOUS


async def test_both_schemes_are_offered_where_both_are_taken(tmp_path):
    people = tmp_path / "people"
    people.write_text("")
    settings = Identity(required=True, htpasswd=str(people), tokens=(issuer(tmp_path),), realm="office")
    with ThreadPoolExecutor(1) as threads:
        who = make_identification(settings, threads)
        asked = await who.identify(IdentityRequest("10.0.0.1"), NOW)
        assert asked.authenticate == 'Basic realm="office", charset="UTF-8", Bearer realm="office"'
        wrong = await who.identify(IdentityRequest("10.0.0.1", proxy_authorization="Basic eDp5"), NOW)
        assert wrong.authenticate == asked.authenticate


async def test_a_key_set_in_a_file_that_goes_is_no_reason_to_forget_it(tmp_path):
    settings = Identity(tokens=(issuer(tmp_path),))
    with ThreadPoolExecutor(1) as threads:
        who = make_identification(settings, threads)
    assert isinstance(await who.identify(IdentityRequest("10.0.0.1", token=token()), NOW), Principal)
    (tmp_path / "keys.json").unlink()
    later = token(exp=NOW + 5000)
    assert isinstance(await who.identify(IdentityRequest("10.0.0.1", token=later), NOW + 700), Principal)


def test_keys_at_an_address_need_somebody_who_fetches(tmp_path):
    settings = Identity(tokens=(TokenIssuer(issuer=ISSUER, audience=("a",), jwks="https://login.example.test/"),))
    with ThreadPoolExecutor(1) as threads, pytest.raises(OperatorError, match="fetched"):
        make_identification(settings, threads)


def test_files_are_tried_before_the_start(tmp_path):
    bad = tmp_path / "bad"
    bad.write_text("nothing")
    good = issuer(tmp_path)
    assert list(preflight.check(Identity(tokens=(good,)))) == []
    wrong = TokenIssuer(issuer=ISSUER, audience=("a",), jwks=str(bad), ca_bundle=str(bad))
    told = list(preflight.check(Identity(tokens=(good, wrong))))
    assert [line.partition(":")[0] for line in told] == ["identity.tokens[1].ca_bundle", "identity.tokens[1].jwks"]
