"""Certificates as real TLS stacks see them: Python's ssl in its strict mode, and the openssl command."""

import contextlib
import shutil
import ssl
import subprocess
import time
from datetime import timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.ca.authority import DAY, expires, make_intermediate, make_leaf, make_root, new_key
from appliance.ca.leaf_cache import LeafCache
from appliance.ca.reach import UNCONSTRAINED, Reach, reach_in, reach_of
from appliance.model.errors import OperatorError

NOW = float(int(time.time()))
ROOT = make_root(NOW)
CONSTRAINED = make_intermediate(ROOT, reach_of(["api.openai.com", "openai.azure.com"]), NOW)
OPEN = make_intermediate(ROOT, UNCONSTRAINED, NOW)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def shake_hands(tmp_path, issuer, leaf, key, host):
    """A TLS handshake in memory; raises what the client raises."""
    chain = tmp_path / "chain.pem"
    chain.write_bytes(key_pem(key) + pem(leaf) + pem(issuer.certificate))
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(chain)
    client_context = ssl.create_default_context(cadata=pem(ROOT.certificate).decode())
    assert client_context.verify_flags & ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(3):
        for side in (client, server):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return client.getpeercert()


@pytest.mark.parametrize(
    "host", ["api.openai.com", "eu.api.openai.com", "x.openai.azure.com", "a" * 60 + ".openai.azure.com"]
)
def test_a_covered_name_is_accepted_in_strict_mode(tmp_path, host):
    key = new_key()
    leaf = make_leaf(CONSTRAINED, host, key.public_key(), NOW)
    assert shake_hands(tmp_path, CONSTRAINED, leaf, key, host)["subjectAltName"] == (("DNS", host),)


def test_a_name_outside_the_constraint_is_rejected(tmp_path):
    key = new_key()
    leaf = make_leaf(CONSTRAINED, "bank.example", key.public_key(), NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        shake_hands(tmp_path, CONSTRAINED, leaf, key, "bank.example")
    leaf = make_leaf(OPEN, "bank.example", key.public_key(), NOW)
    assert shake_hands(tmp_path, OPEN, leaf, key, "bank.example")


@pytest.mark.parametrize("issuer", [CONSTRAINED, OPEN], ids=["constrained", "unconstrained"])
def test_an_address_is_rejected_even_where_someone_signs_it(tmp_path, issuer):
    key = new_key()
    leaf = sign_address(issuer, key)
    with pytest.raises(ssl.SSLCertVerificationError, match="excluded subtree violation"):
        shake_hands(tmp_path, issuer, leaf, key, "127.0.0.1")


def sign_address(issuer, key):
    good = make_leaf(issuer, "api.openai.com", key.public_key(), NOW)
    builder = x509.CertificateBuilder(
        good.issuer, good.subject, key.public_key(), 77, good.not_valid_before_utc, good.not_valid_after_utc
    )
    for extension in good.extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
            builder = builder.add_extension(names, critical=False)
        else:
            builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(issuer.key, good.signature_hash_algorithm)


@pytest.mark.parametrize("host", ["10.0.0.1", "[::1]", "*.openai.com", "a..b", "", "127.1"])
def test_no_leaf_for_what_is_no_name(host):
    with pytest.raises(OperatorError, match="not a DNS name"):
        make_leaf(CONSTRAINED, host, new_key().public_key(), NOW)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
@pytest.mark.parametrize(("host", "accepted"), [("api.openai.com", True), ("bank.example", False)])
def test_openssl_verify_says_the_same(tmp_path, host, accepted):
    leaf = make_leaf(CONSTRAINED, host, new_key().public_key(), NOW)
    for name, certificate in (("root", ROOT.certificate), ("mid", CONSTRAINED.certificate), ("leaf", leaf)):
        (tmp_path / name).write_bytes(pem(certificate))
    command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", host]
    command += ["-CAfile", "root", "-untrusted", "mid", "leaf"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (result.returncode == 0) is accepted, result.stdout + result.stderr
    assert accepted or "permitted subtree violation" in result.stdout + result.stderr


def test_an_intermediate_cannot_make_another():
    constraint = CONSTRAINED.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraint.critical, constraint.value.ca, constraint.value.path_length) == (True, True, 0)
    names = CONSTRAINED.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    assert "serverAuth" in str(CONSTRAINED.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_the_name_tells_an_unconstrained_intermediate():
    assert "UNCONSTRAINED" in OPEN.certificate.subject.rfc4514_string()
    assert "UNCONSTRAINED" not in CONSTRAINED.certificate.subject.rfc4514_string()
    assert reach_in(OPEN.certificate) == UNCONSTRAINED
    assert reach_in(CONSTRAINED.certificate).domains == ("api.openai.com", "openai.azure.com")


@pytest.mark.parametrize("age", [0.0, 50 * DAY, 89.9 * DAY])
def test_validity_nests(age):
    leaf = make_leaf(CONSTRAINED, "api.openai.com", new_key().public_key(), NOW + age)
    for inner, outer in ((leaf, CONSTRAINED.certificate), (CONSTRAINED.certificate, ROOT.certificate)):
        assert inner.not_valid_before_utc >= outer.not_valid_before_utc
        assert inner.not_valid_after_utc <= outer.not_valid_after_utc
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=90)
    assert leaf.not_valid_before_utc.timestamp() <= NOW + age < expires(leaf)


@pytest.mark.parametrize("age", [91 * DAY, -3 * DAY])
def test_an_issuer_outside_its_validity_signs_nothing(age):
    with pytest.raises(OperatorError, match="valid from"):
        make_leaf(CONSTRAINED, "api.openai.com", new_key().public_key(), NOW + age)


def test_no_key_shows_in_a_repr():
    assert "key" not in repr(CONSTRAINED).lower()


@pytest.mark.parametrize("domains", [[], [""], ["com"], ["10.0.0.1"], ["*.x.example"], ["a b.example"]])
def test_a_reach_that_says_nothing_or_everything_is_refused(domains):
    with pytest.raises(OperatorError, match="certificate authority"):
        reach_of(domains)


def test_a_reach_is_normal():
    assert reach_of([".B.example", "a.b.example", "c.example", "b.example."]).domains == ("b.example", "c.example")


hosts = st.lists(st.sampled_from(["a", "b", "c"]), min_size=2, max_size=4).map(".".join)


@settings(max_examples=60)
@given(st.lists(hosts, min_size=1, max_size=6), hosts)
def test_a_normal_reach_covers_what_its_domains_cover(domains, host):
    assert reach_of(domains).covers(host) is any(host == item or host.endswith("." + item) for item in domains)


def test_the_cache_signs_once_and_again_before_the_end():
    cache = LeafCache((CONSTRAINED,))
    first = cache.get("api.openai.com", NOW)
    assert cache.get("API.openai.com.", NOW + 12 * DAY) is first
    second = cache.get("api.openai.com", NOW + 13.5 * DAY)
    assert second is not first
    last = cache.get("api.openai.com", NOW + 89.9 * DAY)
    assert cache.get("api.openai.com", NOW + 89.95 * DAY) is last
    with pytest.raises(OperatorError):
        cache.get("api.openai.com", NOW + 90.1 * DAY)


def test_the_leaf_key_is_its_own():
    cache = LeafCache((CONSTRAINED,))
    leaves = [cache.get(host, NOW) for host in ("api.openai.com", "x.openai.azure.com")]
    assert {leaf.public_key() == cache.key.public_key() for leaf in leaves} == {True}
    assert cache.key.public_key() != CONSTRAINED.key.public_key()
    assert LeafCache((CONSTRAINED,)).key.public_key() != cache.key.public_key()


def test_the_cache_is_bounded_and_refuses_what_clients_would_reject():
    cache = LeafCache((CONSTRAINED,), limit=3)
    for number in range(6):
        cache.get(f"h{number}.openai.azure.com", NOW)
    assert len(cache) == 3
    with pytest.raises(OperatorError, match="does not cover"):
        cache.get("bank.example", NOW)
    assert Reach(domains=("a.example",)).covers("ba.example") is False
