"""Passwords against a real OpenLDAP server: who is let in, what is told of them, and what can go wrong."""

import base64
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import ldap3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slapd_world import HOST, MISSING, PASSWORDS, SERVICE, SERVICE_PASSWORD, slapd_at

from appliance.config.identity_schema import Directory
from appliance.identity.authenticator import BasicAuthenticator, DirectoryDownError
from appliance.identity.backoff import BackOff
from appliance.identity.credential_cache import Member
from appliance.identity.directory import DirectoryPasswords
from appliance.identity.ldap_names import attribute_of, escaped, group_name, host_and_port
from appliance.identity.method import Challenge, IdentityRequest, Refusal
from appliance.model.errors import OperatorError
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason

PEOPLE = "ou=people,dc=example,dc=test"
DN = f"uid={{user}},{PEOPLE}"
needs_slapd = pytest.mark.skipif(MISSING, reason="needs slapd")
HOSTILE = (
    "*",
    "maria)(uid=*",
    "*)(|(uid=*",
    "maria,ou=people",
    "maria+cn=x",
    "maria\\2c",
    "m*a",
    "\u0000maria",
    "maria\x00",
    "a" * 300,
    " ",
    "uid=maria",
    "maria ",
)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    with slapd_at(tmp_path_factory.mktemp("slapd")) as server:
        yield server


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "reader"
    path.write_text(SERVICE_PASSWORD + "\n")
    path.chmod(0o600)
    return str(path)


def settings(slapd, *, tls=True, **more):
    url = f"ldaps://{HOST}:{slapd.tls}" if tls else f"ldap://{HOST}:{slapd.clear}"
    return Directory(url=url, ca_bundle=str(slapd.ca), **more)


def searching(slapd, secret, **more):
    return settings(slapd, base=PEOPLE, bind_dn=SERVICE, bind_password=secret, **more)


@needs_slapd
@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("way", ["bind", "search", "group search"])
def test_a_password_is_proven_and_groups_are_told(slapd, secret, tls, way):
    if way == "bind":
        made = settings(slapd, tls=tls, user_dn=DN)
    else:
        groups = {"groups_base": "ou=groups,dc=example,dc=test"} if way == "group search" else {}
        made = searching(slapd, secret, tls=tls, **groups)
    passwords = DirectoryPasswords(made)
    found = passwords.check("maria", PASSWORDS["maria"])
    told = sorted(found.groups)
    assert Member(found.name, (), found.department) == Member("maria", (), "research")
    assert told == (["Ops, night", "dev"] if way != "none" else [])
    assert passwords.check("MARIA", PASSWORDS["maria"]).name == "maria"
    assert passwords.check("jürgen", PASSWORDS["jürgen"]) == Member("jürgen", (), "research")
    assert passwords.check("maria", PASSWORDS["paul"]) is False
    assert passwords.check("nobody", "x") is False


@needs_slapd
@pytest.mark.parametrize("way", ["bind", "search"])
@pytest.mark.parametrize("user", HOSTILE)
def test_no_name_opens_a_filter_or_a_name(slapd, secret, way, user):
    made = settings(slapd, user_dn=DN) if way == "bind" else searching(slapd, secret)
    assert DirectoryPasswords(made).check(user, PASSWORDS["maria"]) is False


@needs_slapd
def test_an_empty_password_is_no_sign_in(slapd, secret):
    for made in (settings(slapd, user_dn=DN), searching(slapd, secret)):
        assert DirectoryPasswords(made).check("maria", "") is False


@needs_slapd
def test_two_people_of_one_name_are_nobody(slapd, secret):
    assert DirectoryPasswords(searching(slapd, secret)).check("twin", "x") is False


@needs_slapd
def test_a_referral_is_not_followed(slapd, secret):
    made = settings(slapd, base="dc=example,dc=test", bind_dn=SERVICE, bind_password=secret)
    assert DirectoryPasswords(made).check("paul", PASSWORDS["paul"]).name == "paul"
    away = settings(slapd, base="ou=elsewhere,dc=example,dc=test", bind_dn=SERVICE, bind_password=secret)
    with pytest.raises(DirectoryDownError):
        DirectoryPasswords(away).check("paul", PASSWORDS["paul"])


@needs_slapd
@pytest.mark.parametrize("tls", [True, False])
def test_a_server_of_another_name_or_authority_gets_no_password(slapd, tmp_path, tls):
    with slapd_at(tmp_path / "other", names=("other.example",)) as other:
        named = settings(other, tls=tls, user_dn=DN)
        stranger = Directory(url=settings(slapd, tls=tls).url, ca_bundle=str(other.ca), user_dn=DN)
        system = Directory(url=settings(slapd, tls=tls).url, user_dn=DN)
        for made in (named, stranger, system):
            with pytest.raises(DirectoryDownError):
                DirectoryPasswords(made).check("maria", PASSWORDS["maria"])


@needs_slapd
def test_a_service_account_that_is_refused_is_a_fault_and_no_wrong_password(slapd, tmp_path):
    path = tmp_path / "wrong"
    path.write_text("wrong")
    path.chmod(0o600)
    with pytest.raises(DirectoryDownError):
        DirectoryPasswords(searching(slapd, str(path))).check("maria", PASSWORDS["maria"])


def ask(user, password, address="10.0.0.1"):
    sent = base64.b64encode(f"{user}:{password}".encode()).decode()
    return IdentityRequest(address, proxy_authorization=f"Basic {sent}")


@needs_slapd
async def test_what_was_proven_lives_on_while_the_directory_is_down(slapd, tmp_path):
    with slapd_at(tmp_path / "own") as own, ThreadPoolExecutor(4) as threads:
        clock = [0.0]
        source = DirectoryPasswords(settings(own, user_dn=DN), clock=lambda: clock[0])
        who = BasicAuthenticator(source, threads, cache_s=60.0, method="ldap")
        known = await who.identify(ask("maria", PASSWORDS["maria"]), 0.0)
        assert (known.name, known.method, set(known.groups)) == ("maria", "ldap", {"dev", "Ops, night"})
        assert isinstance(await who.identify(ask("maria", "wrong"), 0.0), Challenge)
        own.stop()
        assert await who.identify(ask("maria", PASSWORDS["maria"]), 59.0) == known
        for now in (1.0, 61.0):
            answer = await who.identify(ask("paul", PASSWORDS["paul"]), now)
            assert isinstance(answer, Refusal)
            assert (answer.status, answer.reason) == (503, RefusalReason.IDENTITY_UNAVAILABLE)
        assert isinstance(await who.identify(ask("maria", PASSWORDS["maria"]), 61.0), Refusal)
        own.start()
        clock[0] += 10
        assert isinstance(await who.identify(ask("paul", PASSWORDS["paul"]), 62.0), Principal)


def test_a_directory_that_says_nothing_is_left_after_its_time():
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        port = mute.getsockname()[1]
        passwords = DirectoryPasswords(Directory(url=f"ldaps://{HOST}:{port}", user_dn=DN, timeout_s=0.5))
        with pytest.raises(DirectoryDownError):
            passwords.check("maria", "x")
        with pytest.raises(DirectoryDownError) as told:  # nobody is sent there for a while
            passwords.check("paul", "x")
        assert 1 <= told.value.retry_after <= 3


@pytest.mark.parametrize("password", ["\u00ad", "\ue000x", "x\u0627y", "x\0"])
def test_what_cannot_be_a_password_is_wrong_and_takes_no_directory_down(password):
    passwords = DirectoryPasswords(Directory(url=f"ldaps://{HOST}:1", user_dn=DN))
    assert passwords.check("maria", password) is False
    assert passwords.problem == ""


class Answering:
    """A directory that knows everybody: `maria` with too many groups, `paul` with its own limit, others with none."""

    def rebind(self, **_more):
        return True

    def search(self, base, query, *_places, **_more):
        groups = [f"cn=g{number},dc=x".encode() for number in range(300)] if "maria" in base else []
        entry = {"type": "searchResEntry", "dn": "cn=one", "raw_attributes": {"memberOf": groups}}
        self.response, self.result = [entry], {"result": 4 if "paul" in query else 0}

    def unbind(self):
        pass


@pytest.mark.parametrize(
    ("user", "more"), [("maria", {}), ("paul", {"groups_base": "dc=x", "groups_search": "{user}"})]
)
def test_who_cannot_be_judged_takes_no_directory_down(monkeypatch, user, more):
    monkeypatch.setattr(DirectoryPasswords, "_open", lambda _self: Answering())
    passwords = DirectoryPasswords(Directory(url=f"ldaps://{HOST}:1", user_dn=DN, **more))
    with pytest.raises(DirectoryDownError):
        passwords.check(user, "x")
    assert "identity.ldap" in passwords.problem
    assert passwords.check("eva", "x").name == "eva"


def test_nothing_is_sent_in_clear_to_a_server_that_refuses_tls():
    """ldap:// where the answer to StartTLS is a refusal: no password follows."""
    refusal = bytes.fromhex("300c02010178070a0135040004 00".replace(" ", ""))
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        got = []

        def serve():
            connection, _ = server.accept()
            connection.settimeout(10)
            with connection:
                got.append(connection.recv(4096))
                connection.sendall(refusal)
                while piece := connection.recv(4096):
                    got.append(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        passwords = DirectoryPasswords(
            Directory(url=f"ldap://{HOST}:{server.getsockname()[1]}", user_dn=DN, timeout_s=5)
        )
        with pytest.raises(DirectoryDownError):
            passwords.check("maria", "correct horse")
        thread.join(10)
    assert b"1.3.6.1.4.1.1466.20037" in got[0]
    assert b"correct horse" not in b"".join(got)


def test_files_that_are_no_use_are_told(tmp_path):
    bad = tmp_path / "bad"
    bad.write_text("nothing")
    bad.chmod(0o644)
    url = "ldaps://ldap.example.test"
    with pytest.raises(OperatorError, match="ca_bundle"):
        DirectoryPasswords(Directory(url=url, ca_bundle=str(bad), user_dn=DN))
    with pytest.raises(OperatorError, match="chmod 600"):
        DirectoryPasswords(Directory(url=url, base=PEOPLE, bind_dn=SERVICE, bind_password=str(bad)))
    bad.chmod(0o600)
    for text in ("", "a\nb", "\x00"):
        bad.write_text(text)
        with pytest.raises(OperatorError, match="one line"):
            DirectoryPasswords(Directory(url=url, base=PEOPLE, bind_dn=SERVICE, bind_password=str(bad)))


@given(st.text(max_size=60))
def test_escaping_leaves_nothing_that_means_something(text):
    made = escaped(text)
    assert not set(made) & set('*()\x00,+"<>;=# ')
    octets = bytearray()
    place = 0
    while place < len(made):
        if made[place] == "\\":
            octets.append(int(made[place + 1 : place + 3], 16))
            place += 3
        else:
            octets.append(ord(made[place]))
            place += 1
    assert octets.decode("utf-8") == text


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("cn=dev,ou=groups,dc=example,dc=test", "dev"),
        (r"CN=Ops\2c night,OU=Groups", "Ops, night"),
        (r"cn=Ops\, night,ou=groups", "Ops, night"),
        (r"cn=K\c3\b6ln,ou=x", "Köln"),
        ("cn=a+ou=b,dc=x", "a"),
        ("plain", "plain"),
        ("cn=,ou=x", None),
        ("", None),
        ("a\nb", None),
        (r"cn=a\0ab,ou=x", None),
        ("cn=" + "a" * 300, None),
    ],
)
def test_a_group_is_named_by_its_first_component(value, name):
    assert group_name(value) == name


def test_addresses_and_templates():
    assert host_and_port("ldaps://ldap.example.test") == ("ldap.example.test", 636, True)
    assert host_and_port("ldap://[::1]:1389") == ("::1", 1389, False)
    assert attribute_of("(&(objectClass=person)(mail={user}))") == "mail"
    assert attribute_of(DN) == "uid"
    assert attribute_of("(objectClass=*)") is None


@needs_slapd
@pytest.mark.parametrize("tls", [True, False])
def test_connections_are_told_before_tls_begins_on_them(slapd, tls):
    told = []
    directory = DirectoryPasswords(
        settings(slapd, tls=tls, user_dn=DN), opened=lambda near, far: told.append((near[0], far))
    )
    assert directory.check("maria", PASSWORDS["maria"])
    assert told == [("127.0.0.1", ("127.0.0.1", slapd.tls if tls else slapd.clear))]


def gone(server, uid) -> None:
    """Take a person out of a directory, as its administrator does."""
    tls = ldap3.Tls(ca_certs_file=str(server.ca), validate=ssl.CERT_REQUIRED)
    where = ldap3.Server(HOST, port=server.tls, use_ssl=True, tls=tls, get_info=ldap3.NONE)
    connection = ldap3.Connection(where, "cn=root,dc=example,dc=test", "root", auto_bind=True)
    assert connection.delete(f"uid={uid},{PEOPLE}")
    connection.unbind()


@needs_slapd
async def test_who_leaves_the_directory_is_known_for_the_life_of_the_cache_and_no_longer(tmp_path):
    """Asked again, as an open tunnel is: at once from what is remembered, then by the directory itself."""
    with slapd_at(tmp_path / "slapd") as server, ThreadPoolExecutor(1) as threads:
        source = DirectoryPasswords(settings(server, user_dn=DN))
        who = BasicAuthenticator(source, threads, cache_s=60.0, method="ldap", backoff=BackOff(free=0, first=50.0))
        word = base64.b64encode(f"paul:{PASSWORDS['paul']}".encode()).decode()
        first = IdentityRequest("10.0.0.1", proxy_authorization=f"Basic {word}")
        again = replace(first, again=True)
        assert isinstance(await who.identify(first, 1_000.0), Principal)
        gone(server, "paul")
        wrong = base64.b64encode(b"maria:wrong").decode()
        guess = IdentityRequest("10.0.0.1", proxy_authorization=f"Basic {wrong}")
        assert isinstance(await who.identify(guess, 1_058.0), Challenge)
        assert isinstance(await who.identify(guess, 1_058.0), Refusal)  # whoever is new at this address waits
        assert isinstance(await who.identify(again, 1_059.0), Principal)
        answer = await who.identify(again, 1_060.0)
        assert (answer.reason, answer.lapsed) == (RefusalReason.IDENTITY_FAILED, False)
        maria = base64.b64encode(f"maria:{PASSWORDS['maria']}".encode()).decode()
        other = IdentityRequest("10.0.0.1", proxy_authorization=f"Basic {maria}")
        assert isinstance(await who.identify(other, 1_109.0), Principal)  # as after one failure, not two
        server.stop()
        answer = await who.identify(replace(other, again=True), 1_200.0)
        assert isinstance(answer, Refusal)
        assert answer.passing
