"""Every name that a client can have itself given, from each method of identity to journal, store, screen and log."""

import base64
import json
import re
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import bcrypt
import msgspec
import pytest
from certificates_world import Authority
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jws
from tokens_world import ISSUER, NOW, RSA_ONE, claims, jwks, public, token

from appliance.config.identity_schema import ClientCertificates, Identity, TokenIssuer
from appliance.identity import virtual_key_file
from appliance.identity.assemble import make_identification
from appliance.identity.directory import DirectoryPasswords
from appliance.identity.method import Challenge, IdentityRequest, Refusal
from appliance.identity.virtual_key_file import VirtualKeyFile
from appliance.identity.virtual_keys import VirtualKey
from appliance.model.errors import OperatorError
from appliance.model.facts import Principal
from appliance.model.pseudonym import Pseudonyms
from appliance.store.bench import opened
from appliance.store.export_csv import cell
from appliance.store.pages import PersonsRequest
from appliance.store.people import people
from appliance.store.people_pages import PeopleRequest
from appliance.store.queries import persons
from tui.client_state import person_lines
from tui.client_state.names import Names
from tui.client_state.spans import plain

SITE = bytes(range(32))
PSEUDONYMS = Pseudonyms(SITE)
# Names that may be written down as they are: whatever reads them has to take them for text.
PLAIN = {
    "sql": "x'); DROP TABLE exchanges; --",
    "or": "' OR 1=1 --",
    "double quotes": 'a"; COPY persons TO "evil.csv',
    "backslashes": "a\\' OR 1=1 \\x1b[2J \\n",
    "template": "${jndi:ldap://x} {{7*7}} %s%n {0.__class__}",
    "markup": "<script>alert(1)</script>[bold red]x[/] `x`",
    "formula": "=HYPERLINK('http://x','y')",
    "json": '","kind":"close","x":"',
    "path": "../../../../etc/passwd",
    "reserved": "key:abc decision:1 p_0000000000000000",
    "stacked marks": "a" + "\u0301" * 200,
    "other scripts": "Ж学生ﷺ",
    "long": "m" * 256,
}
# Names that nobody may have.
ACTING = {
    "line": "maria\r\nSet-Cookie: a=b",
    "newline": "maria\n",
    "nul": "maria\x00root",
    "escape": "\x1b]0;x\x07\x1b[2J",
    "c1": "a\x9b2Jb",
    "right to left": "maria\u202egnp.exe",
    "isolates": "\u2066maria\u2069",
    "zero width": "mar\u200bia",
    "line separator": "a\u2028b",
    "private use": "\ue000",
    "surrogate": "a\ud800",
    "too long": "m" * 257,
    "10 kB": "m" * 10_000,
    "blank": "   ",
    "margins": " maria ",
    "nothing": "",
    "anonymous": "anonymous",
}
ODD = {"list": ["maria"], "object": {"$ne": ""}, "number": 7, "true": True, "null in a list": [None], "deep": [[["a"]]]}
HEADERS = {**PLAIN, **{name: text for name, text in ACTING.items() if name not in ("anonymous", "nothing", "blank")}}


def is_inert(text: str) -> bool:
    return text.isprintable() and "\n" not in text


@pytest.fixture
def who(tmp_path):
    (tmp_path / "keys.json").write_bytes(jwks(public(RSA_ONE, "one")))
    (tmp_path / "people").write_text(f"maria:{bcrypt.hashpw(b'one', bcrypt.gensalt(4)).decode()}\n")
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    settings = Identity(
        tokens=(TokenIssuer(issuer=ISSUER, audience=("gnomon",), jwks=str(tmp_path / "keys.json"), prefix=""),),
        htpasswd=str(tmp_path / "people"),
        virtual_keys=True,
    )
    with ThreadPoolExecutor(1) as threads:
        keys = VirtualKeyFile(state, SITE)
        made = make_identification(settings, threads, virtual_keys=keys)
        yield SimpleNamespace(state=state, identify=made.identify, keys=keys)


def signed(**changes) -> str:
    """Also what is no text can stand in JSON: half of a pair of surrogates, escaped."""
    return jws.serialize_compact({"alg": "RS256", "kid": "one"}, json.dumps(claims(**changes)), RSA_ONE)


def told_nothing_of(answer, *secrets):
    """A refusal in fixed words: nothing of what was shown is in what is told."""
    assert isinstance(answer, Challenge | Refusal)
    words = json.dumps(msgspec.to_builtins(answer), ensure_ascii=False)
    assert is_inert(answer.detail)
    assert not any(len(secret) > 3 and secret in words for secret in secrets)


@pytest.mark.parametrize("claim", ["sub", "groups", "department"])
@pytest.mark.parametrize("value", [*ACTING.values(), *ODD.values()], ids=[*ACTING, *ODD])
async def test_claims_that_are_no_names_are_refused_whole(who, claim, value):
    text = signed(**{claim: [value] if claim == "groups" and value != ["maria"] else value})
    answer = await who.identify(IdentityRequest("10.0.0.1", listener="tunnel", token=text), NOW)
    harmless = (claim, value) in (("groups", ["maria"]), ("groups", "anonymous"), ("department", "anonymous"))
    if harmless or (claim, value) == ("department", ""):
        assert isinstance(answer, Principal)
        return
    told_nothing_of(answer, text, *(() if value == "anonymous" else (str(value),)))


@pytest.mark.parametrize("field", ["iss", "aud", "kid", "alg", "typ"])
@pytest.mark.parametrize("value", HEADERS.values(), ids=HEADERS)
async def test_nothing_else_of_a_token_is_told(who, field, value):
    text = token()
    if field in ("iss", "aud"):
        text = signed(**{field: value})
    else:
        head = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", field: value}).encode()).decode().rstrip("=")
        text = f"{head}.{text.partition('.')[2]}"
    told_nothing_of(await who.identify(IdentityRequest("10.0.0.1", listener="tunnel", token=text), NOW), value, text)


@pytest.mark.parametrize("value", HEADERS.values(), ids=HEADERS)
async def test_nothing_of_a_credential_is_told(who, value):
    sent = value.encode("utf-8", "surrogatepass").decode("latin-1")
    basic = base64.b64encode(f"{value}:{value}".encode("utf-8", "surrogatepass")).decode()
    for shown in (
        {"key": sent},
        {"token": sent},
        {"key": f"gk_{sent}"},
        {"proxy_authorization": sent},
        {"proxy_authorization": f"Bearer {sent}"},
        {"proxy_authorization": f"Basic {basic}"},
    ):
        request = IdentityRequest("10.0.0.1", **shown)
        told_nothing_of(await who.identify(request, NOW), value, sent, basic)
        assert sent not in repr(request)


@pytest.mark.parametrize("field", ["owner", "groups", "department"])
@pytest.mark.parametrize("value", ACTING.values(), ids=ACTING)
def test_no_key_is_minted_for_a_name_that_acts(who, field, value):
    if value == "anonymous" or (field, value) == ("department", ""):
        return
    template = VirtualKey(id="", owner="maria", salt="", digest="", created=NOW)
    changed = msgspec.structs.replace(template, **{field: (value,) if field == "groups" else value})
    with pytest.raises(OperatorError, match="not printable") as told:
        virtual_key_file.mint(who.state, SITE, changed)
    assert is_inert(str(told.value))


async def test_a_key_of_nobody_is_nobodys(who):
    text, _ = virtual_key_file.mint(
        who.state, SITE, VirtualKey(id="", owner="anonymous", salt="", digest="", created=NOW)
    )
    answer = await who.identify(IdentityRequest("10.0.0.1", listener="tunnel", key=text), NOW)
    assert isinstance(answer, Refusal)


@pytest.mark.parametrize("source", ["email", "uri", "dns", "common_name"])
@pytest.mark.parametrize("value", HEADERS.values(), ids=HEADERS)
async def test_names_in_certificates(tmp_path, source, value):
    people_of = Authority(tmp_path)
    kinds = {"email": x509.RFC822Name, "uri": x509.UniformResourceIdentifier, "dns": x509.DNSName}
    try:
        names = () if source == "common_name" else (kinds[source](value),)
        _, certificate = people_of.issue(value if source == "common_name" else "x", names=names)
    except ValueError:
        return  # no authority can write it so
    settings = Identity(certificates=ClientCertificates(ca=str(people_of.file), user_from=source))
    with ThreadPoolExecutor(1) as threads:
        made = make_identification(settings, threads)
    der = certificate.public_bytes(Encoding.DER)
    now = certificate.not_valid_before_utc.timestamp() + 5
    answer = await made.identify(IdentityRequest("10.0.0.1", certificate=der), now)
    if value in PLAIN.values():
        assert isinstance(answer, Principal)
        assert answer.name == value
    else:
        told_nothing_of(answer, value)


@pytest.mark.parametrize("value", ACTING.values(), ids=ACTING)
def test_no_directory_is_asked_for_a_name_that_acts(value):
    directory = DirectoryPasswords.__new__(DirectoryPasswords)  # asking would need what it does not have
    if value == "anonymous":
        return
    assert directory.check(value, "secret") is False


@pytest.fixture
async def kept(who, connection, ingest, life):
    """Events of people with each of the names, as a worker writes them, in a store."""
    journal = life("w0")
    for number, name in enumerate(PLAIN.values()):
        text = token(sub=name, groups=[name, "dev"], department=name)
        answer = await who.identify(IdentityRequest("10.0.0.1", listener="tunnel", token=text), NOW)
        assert isinstance(answer, Principal)
        key, entry = virtual_key_file.mint(
            who.state, SITE, VirtualKey(id="", owner=name, salt="", digest="", created=NOW, models=(name,))
        )
        who.keys.refresh(NOW + 10 * number)
        owner = await who.identify(IdentityRequest("10.0.0.1", listener="tunnel", key=key), NOW + 10 * number)
        assert (
            (owner.name, owner.key, owner.key_models) == (answer.name, entry.id, (name,)) == (name, entry.id, (name,))
        )
        event = opened(f"x{number}", "w0", NOW + number)
        facts = msgspec.structs.replace(
            event.facts,
            principal=PSEUDONYMS.person(answer.name),
            groups=answer.groups,
            department=answer.department,
            virtual_key=owner.key,
            key_models=owner.key_models,
        )
        event = msgspec.structs.replace(event, facts=facts)
        journal.add(event, persons={PSEUDONYMS.person(answer.name): answer.name})
    ingest.commit([journal.frame()])
    return connection, journal


async def test_each_name_is_one_line_of_the_journal_and_one_row(kept):
    connection, journal = kept
    assert len(journal.lines) == len(PLAIN)
    for line, name in zip(journal.lines, PLAIN.values(), strict=True):
        assert line.count(b"\n") == 1
        record = json.loads(line)
        assert list(record["persons"].values()) == [name]
        assert record["body"]["event"]["facts"]["department"] == name
    rows = connection.execute("SELECT department, groups FROM exchange_open ORDER BY ts").fetchall()
    assert [(department, groups.split("\n")) for department, groups in rows] == [
        (name, [name, "dev"]) for name in PLAIN.values()
    ]
    shown = connection.execute(f"SELECT {cell('department', 'VARCHAR')} FROM exchange_open ORDER BY ts").fetchall()
    assert not any(text.startswith(("=", "+", "-", "@")) for (text,) in shown)  # as a table of a spreadsheet


async def test_each_name_can_be_asked_for_and_shown(kept):
    connection, _ = kept
    digests = [PSEUDONYMS.person(name) for name in PLAIN.values()]
    found = persons(connection, PersonsRequest(digests=tuple(digests)))
    assert {one.digest: one.value for one in found} == dict(zip(digests, PLAIN.values(), strict=True))
    names = Names()
    names.learn(digests, found)
    head, uses = people(connection, PeopleRequest(since=NOW - 1))
    assert head.total == len(PLAIN)
    for use in uses:
        for one in person_lines.row(use, names, NOW + 99):
            shown = plain([one])
            assert is_inert(shown)
            assert len(shown) < 200
            assert not re.search("[\u0300-\u036f]{4}", shown)
    for name in PLAIN.values():
        _, only = people(connection, PeopleRequest(since=NOW - 1, text=name[:64]))
        assert PSEUDONYMS.person(name) in [use.person for use in only]
