"""Who may say who asks: by certificate, role, what it may assert, the request, and once."""

import datetime as dt

import msgspec
import pytest
from certificates_world import Authority
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from appliance.config.placement_schema import AcceptEntry
from appliance.identity.asserted import Assertion, encode, request_digest
from appliance.identity.edges import Edges, NotSaid, Once, Said, peer_name
from appliance.model.facts import Principal
from appliance.model.names import Assurance

NOW = float(int(dt.datetime.now(dt.UTC).timestamp()))
TARGET = b"/v1/chat/completions"
ALL = ("users", "groups", "departments")
ACCEPT = {
    "berlin": AcceptEntry(roles=("edge",), may_assert=ALL),
    "rome": AcceptEntry(roles=("edge",), may_assert=("users",)),
    "oslo": AcceptEntry(roles=("edge",)),
    "pod-a": AcceptEntry(roles=("sidecar",)),
}


class Peer:
    def __init__(self, authority, name, names=(), **more):
        path, certificate = authority.issue(name, names=tuple(map(x509.DNSName, names)), **more)
        self.certificate, self.der = certificate, certificate.public_bytes(Encoding.DER)
        self.key = load_pem_private_key(path.read_bytes(), None)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("peers"))


@pytest.fixture(scope="module")
def peers(authority):
    made = {name: Peer(authority, name) for name in (*ACCEPT, "stranger")}
    made["both"] = Peer(authority, "berlin", ("berlin", "rome"))
    made["elsewhere"] = Peer(authority, "berlin", ("elsewhere.example",))
    made["capital"] = Peer(authority, "x", ("BERLIN",))
    return made


def said(edge="berlin", **changes):
    numbers = iter(range(1 << 16))
    base = Assertion(
        edge=edge,
        exchange="0" * 32,
        at=round(NOW * 1000),
        nonce=next(numbers).to_bytes(16),
        way="proxy",
        scheme="https",
        host="API.openai.com.",
        port=443,
        digest=request_digest(b"POST", TARGET),
        user="maria",
        address="10.1.2.3",
        method="basic",
        assurance=Assurance.HIGH,
    )
    return msgspec.structs.replace(base, **changes)


def judge(edges, peer, *assertions, now=NOW, method=b"POST", target=TARGET, key=None):
    values = tuple(encode(each, (key or peer).key) for each in assertions)
    return edges.judge(peer.der, values, method, target, now)


def test_a_header_that_holds_names_the_user_and_where_they_asked(peers):
    full = said(groups=("dev",), department="sales", key="vk_1")
    found = judge(Edges(ACCEPT), peers["berlin"], full)
    who = Principal("maria", "10.1.2.3", "basic", Assurance.HIGH, ("dev",), "sales", "vk_1")
    assert found == Said("berlin", "0" * 32, who, "proxy", "https", "api.openai.com", 443)


def test_a_call_of_the_gateway_names_no_destination(peers):
    found = judge(Edges(ACCEPT), peers["berlin"], said(way="gateway", host="169.254.169.254", port=80))
    assert (found.way, found.host, found.port) == ("gateway", "", 0)


def test_nobody_stays_nobody(peers):
    unknown = said("oslo", user="anonymous", method="none", assurance=Assurance.NONE)
    found = judge(Edges(ACCEPT), peers["oslo"], unknown)
    assert found.principal == Principal("anonymous", "10.1.2.3")


@pytest.mark.parametrize(
    ("peer", "assertions", "options", "words"),
    [
        ("berlin", [], {}, "there is none"),
        ("berlin", [said(), said(nonce=b"2" * 16)], {}, "there is several"),
        ("berlin", [said()], {"key": "rome"}, "signature"),
        ("berlin", [said("rome")], {}, "another edge's"),
        ("rome", [said("berlin")], {"key": "berlin"}, "signature"),
        ("rome", [said("rome", groups=("dev",))], {}, "groups in peers.accept.rome.may_assert"),
        ("rome", [said("rome", department="sales")], {}, "departments in peers.accept.rome.may_assert"),
        ("oslo", [said("oslo")], {}, "users in peers.accept.oslo.may_assert"),
        (
            "oslo",
            [said("oslo", user="anonymous", method="none", assurance=Assurance.NONE, key="vk_1")],
            {},
            "whose virtual key was shown",
        ),
        ("pod-a", [said("pod-a")], {}, "not configured as an edge"),
        ("stranger", [said("stranger")], {}, "names no configured peer"),
        ("both", [said()], {}, "names no configured peer"),
        ("elsewhere", [said()], {}, "names no configured peer"),
        ("berlin", [said()], {"target": TARGET + b"?x"}, "another request"),
        ("berlin", [said()], {"method": b"GET"}, "another request"),
        ("berlin", [said()], {"now": NOW + 61}, "clock there is slow"),
        ("berlin", [said()], {"now": NOW - 61}, "clock there is fast"),
        ("berlin", [said()], {"now": NOW + 7 * 86400}, "certificate of berlin is out of date"),
        ("berlin", [said(user="anonymous")], {}, "nobody may be called"),
        ("berlin", [said(address="here")], {}, "address is none"),
        ("berlin", [said(host="a b")], {}, "no destination"),
        ("berlin", [said(port=0)], {}, "no destination"),
    ],
)
def test_what_does_not_hold_is_refused_in_words(peers, peer, assertions, options, words):
    options = {name: peers[value] if name == "key" else value for name, value in options.items()}
    found = judge(Edges(ACCEPT), peers[peer], *assertions, **options)
    assert isinstance(found, NotSaid)
    assert words in found.why
    assert "maria" not in found.why


def test_without_a_certificate_nothing_is_believed(peers):
    value = encode(said(), peers["berlin"].key)
    assert isinstance(Edges(ACCEPT).judge(None, (value,), b"POST", TARGET, NOW), NotSaid)
    assert isinstance(Edges(ACCEPT).judge(b"no certificate", (value,), b"POST", TARGET, NOW), NotSaid)


def test_a_name_in_capitals_is_the_same_name(peers):
    assert isinstance(judge(Edges(ACCEPT), peers["capital"], said()), Said)
    assert peer_name(peers["capital"].certificate, ACCEPT) == "berlin"


def test_required_identity_holds_for_edges_too(peers):
    unknown = said(user="anonymous", method="none", assurance=Assurance.NONE)
    assert isinstance(judge(Edges(ACCEPT), peers["berlin"], unknown), Said)
    assert "identity is required" in judge(Edges(ACCEPT, required=True), peers["berlin"], unknown).why


def test_a_header_holds_once_for_as_long_as_it_would_hold(peers):
    edges = Edges(ACCEPT)
    assert isinstance(judge(edges, peers["berlin"], said(), now=NOW - 60), Said)
    for later in (-60, 0, 59, 60):
        assert "used before" in judge(edges, peers["berlin"], said(), now=NOW + later).why
    assert isinstance(judge(edges, peers["rome"], said("rome")), Said)  # another edge's number may be the same


def test_what_is_refused_for_another_reason_is_not_used_up(peers):
    edges = Edges(ACCEPT)
    assert isinstance(judge(edges, peers["berlin"], said(), target=b"/else"), NotSaid)
    assert isinstance(judge(edges, peers["berlin"], said()), Said)


def test_where_nothing_more_can_be_remembered_nothing_more_is_believed(peers):
    edges = Edges(ACCEPT, limit=2)
    numbered = [said(nonce=bytes([number]) * 16) for number in range(4)]
    assert [isinstance(judge(edges, peers["berlin"], each), Said) for each in numbered] == [True, True, False, False]
    later = msgspec.structs.replace(numbered[3], at=round((NOW + 121) * 1000))
    assert isinstance(judge(edges, peers["berlin"], later, now=NOW + 121), Said)


def test_words_are_forgotten_in_time_and_the_table_is_bounded():
    once = Once(limit=3)
    assert [once.first(bytes([number]), 0.0) for number in range(5)] == [True, True, True, None, None]
    assert once.first(b"\0", 120.9) is False
    assert once.first(b"\0", 121.0) is True
    assert len(once) == 1
