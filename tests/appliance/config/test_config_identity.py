"""The section `identity`: what is refused, at which key, and paths made absolute."""

import pytest

from appliance.config.identity_checks import directory_fault, jwks_fault
from appliance.config.load import load
from appliance.model.errors import OperatorError

TOKENS = "identity:\n  tokens:\n  - issuer: https://login.example.test\n    audience: [gnomon]\n    jwks: https://login.example.test/keys\n"
LDAP = "identity:\n  ldap:\n    url: ldaps://ldap.example.test\n    user_dn: uid={user},ou=people\n"
CERTIFICATES = "listen: {certificate: c.pem, key: c.pem}\nidentity:\n  certificates:\n    ca: c.pem\n"


OTHER = "  - issuer: https://login.partner.test\n    audience: [gnomon]\n    jwks: https://login.partner.test/keys\n"


def loaded(tmp_path, text):
    (tmp_path / "c.pem").write_text("x")
    path = tmp_path / "gnomon.yaml"
    path.write_text(text)
    return load(path)


@pytest.mark.parametrize(
    "text",
    [
        TOKENS,
        LDAP,
        CERTIFICATES,
        "identity: {required: true, virtual_keys: true}\n",
        TOKENS + "    kind: access\n",
        TOKENS + "    prefix: ''\n" + OTHER + "    prefix: partner/\n",
        TOKENS + "    prefix: ''\n" + LDAP.partition("identity:\n")[2] + "    prefix: ''\n",
        TOKENS + "    prefix: ''\n  htpasswd: c.pem\n",
        TOKENS + "  virtual_keys: true\n",
    ],
)
def test_what_is_sound(tmp_path, text):
    assert loaded(tmp_path, text).identity.proves


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        (TOKENS.replace("[gnomon]", "[]"), "identity.tokens.0.audience", "at least one"),
        (TOKENS.replace("issuer: https://login.example.test", "issuer: ' '"), "identity.tokens.0.issuer", "empty"),
        (
            TOKENS.replace("https://login.example.test/keys", "http://login.example.test"),
            "identity.tokens.0.jwks",
            "https",
        ),
        (TOKENS.replace("https://login.example.test/keys", "nowhere.json"), "identity.tokens.0.jwks", "no such file"),
        (TOKENS + "    algorithms: [none]\n", "identity.tokens.0.algorithms", "RS256"),
        (TOKENS + "    algorithms: [HS256]\n", "identity.tokens.0.algorithms", "RS256"),
        (TOKENS + "    algorithms: []\n", "identity.tokens.0.algorithms", "at least one"),
        (TOKENS + "    leeway_s: 3600\n", "identity.tokens.0.leeway_s", "300"),
        (TOKENS + "    kept_s: 1\n", "identity.tokens.0.kept_s", "refresh_s"),
        (TOKENS + "    secret: x\n", "identity.tokens.0.secret", "unknown"),
        (TOKENS + TOKENS.partition("tokens:\n")[2], "identity.tokens.1.issuer", "twice"),
        (TOKENS + "    kind: refresh\n", "identity.tokens.0.kind", "access"),
        (TOKENS + "    prefix: partner\n", "identity.tokens.0.prefix", "slash"),
        (TOKENS + "    prefix: a/b/\n", "identity.tokens.0.prefix", "slash"),
        (TOKENS + "    prefix: Partner/\n", "identity.tokens.0.prefix", "slash"),
        (TOKENS + OTHER, "identity.tokens.0.prefix", "alice of one"),
        (TOKENS + "    prefix: partner/\n" + OTHER, "identity.tokens.1.prefix", "prefix: ''"),
        (TOKENS + LDAP.partition("identity:\n")[2], "identity.ldap.prefix", "alice of one"),
        (TOKENS + "  htpasswd: c.pem\n", "identity.tokens.0.prefix", "alice of one"),
        (CERTIFICATES + LDAP.partition("identity:\n")[2], "identity.certificates.prefix", "alice of one"),
        (LDAP.replace("ldaps://", "http://"), "identity.ldap.url", "ldaps"),
        (LDAP.replace("{user}", "maria"), "identity.ldap.user_dn", "{user}"),
        (LDAP.replace("{user}", "{user.__class__}"), "identity.ldap.user_dn", "{user}"),
        (LDAP.replace("{user}", "{user!r}"), "identity.ldap.user_dn", "{user}"),
        (LDAP.replace("{user}", "{"), "identity.ldap.user_dn", "brace"),
        (LDAP + "    base: ou=people\n", "identity.ldap.user_dn", "base"),
        (LDAP + "    bind_dn: cn=x\n", "identity.ldap.bind_dn", "together"),
        (LDAP + "    timeout_s: 0\n", "identity.ldap.timeout_s", "60"),
        (LDAP + "    ca_bundle: gone.pem\n", "identity.ldap.ca_bundle", "no such file"),
        (LDAP + "  htpasswd: c.pem\n", "identity.ldap", "not by both"),
        ("identity: {ldap: {url: 'ldaps://a.test', base: 'ou=x'}}\n", "identity.ldap.base", "account"),
        ("identity: {certificates: {ca: c.pem}}\n", "identity.certificates", "listen.certificate"),
        (CERTIFICATES + "    crl: gone.pem\n", "identity.certificates.crl", "no such file"),
        (CERTIFICATES + "    pattern: '('\n", "identity.certificates.pattern", "regular expression"),
        (CERTIFICATES + "    pattern: '.+'\n", "identity.certificates.pattern", "group"),
        (CERTIFICATES + "    user_from: name\n", "identity.certificates.user_from", "common_name"),
        ("identity: {required: true}\n", "identity.required", "nobody"),
        ("identity: {members: gone.yaml}\n", "identity.members", "no such file"),
    ],
)
def test_what_is_not_sound_is_told_at_its_key(tmp_path, text, place, words):
    with pytest.raises(OperatorError) as told:
        loaded(tmp_path, text)
    assert place in str(told.value)
    assert words in str(told.value)


def test_inner_paths_start_at_the_files_folder(tmp_path):
    identity = loaded(tmp_path, TOKENS + "    ca_bundle: c.pem\n").identity
    assert identity.tokens[0].ca_bundle == str(tmp_path / "c.pem")
    assert identity.tokens[0].jwks == "https://login.example.test/keys"
    assert loaded(tmp_path, CERTIFICATES + "    crl: ./c.pem\n").identity.certificates.crl == str(tmp_path / "c.pem")


@pytest.mark.parametrize(
    "address",
    [
        "https://",
        "https://a b/",
        "https://user:pw@a.test/",
        "https://a.test/#x",
        "https://a.test:0/",
        "https://a.test:x/",
        "ftp://a.test/",
        "https://ä.test/",
        "https://a.test/\n",
    ],
)
def test_addresses_of_keys(address):
    assert jwks_fault(address)
    assert jwks_fault("https://[::1]:8443/keys?x=1") == ""


@pytest.mark.parametrize(
    "url",
    ["ldap:/", "ldaps://u:p@a.test", "ldaps://a.test/dc=x", "ldaps://a.test?x", "ldaps://a.test:0", "ldaps://a.test:x"],
)
def test_addresses_of_directories(url):
    assert directory_fault(url)
    assert directory_fault("ldap://[::1]:389") == directory_fault("ldaps://a.test/") == ""
