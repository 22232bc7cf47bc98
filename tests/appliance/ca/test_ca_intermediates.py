"""Sets of intermediates: one key, a group each, kept where they serve; and what strict clients say of their leaves."""

import shutil
import subprocess
import time

import pytest
from cryptography.hazmat.primitives import serialization

from appliance.ca.authority import DAY, expires, make_intermediate, make_leaf, make_root
from appliance.ca.groups import grouped
from appliance.ca.intermediates import Need, issued, reach_of_all, renewal
from appliance.ca.leaf_cache import LeafCache
from appliance.ca.reach import UNCONSTRAINED, reach_in, reach_of
from appliance.config.catalogue import load_catalogue
from appliance.model.errors import OperatorError

NOW = float(int(time.time()))
ROOT = make_root(NOW)
REACH = reach_of(load_catalogue().domains())
SET = issued(ROOT, REACH, NOW)
NEW = "brand-new-service.example"
WIDER = reach_of([*REACH.domains, NEW])


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


def keys(issuers):
    return {issuer.key.private_numbers().private_value for issuer in issuers}


def certificates(issuers):
    return {issuer.certificate for issuer in issuers}


def test_a_set_has_one_key_one_end_and_a_name_for_each():
    assert len(SET) > 10
    assert len(keys(SET)) == 1
    assert len({expires(issuer.certificate) for issuer in SET}) == 1
    assert len({issuer.certificate.subject.rfc4514_string() for issuer in SET}) == len(SET)
    assert {reach_in(issuer.certificate) for issuer in SET} == set(grouped(REACH))
    assert renewal(SET, REACH, NOW) == (Need.NO, "")


def test_what_goes_out_in_a_handshake_is_small():
    # A first congestion window is ten segments (RFC 6928); Java and Schannel refuse 32,768 octets.
    assert max(len(der(issuer.certificate)) for issuer in SET) < 2_600


def test_a_leaf_is_signed_under_the_group_that_covers_it():
    cache = LeafCache(SET)
    for host in REACH.domains[::40]:
        for name in (host, "below." + host):
            issuer = cache.issuer(name)
            assert reach_in(issuer.certificate).covers(name)
            assert cache.get(name, NOW).issuer == issuer.certificate.subject
    for host in ("bank.example", "com", "xopenai.com"):
        with pytest.raises(OperatorError, match="does not cover"):
            cache.get(host, NOW)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_openssl_takes_a_leaf_of_each_group_and_none_of_another(tmp_path):
    cache = LeafCache(SET)
    (tmp_path / "root").write_bytes(pem(ROOT.certificate))
    (tmp_path / "all").write_bytes(b"".join(pem(issuer.certificate) for issuer in SET))
    for number, issuer in enumerate(SET):
        host = reach_in(issuer.certificate).domains[0]
        (tmp_path / f"good{number}").write_bytes(pem(cache.get(host, NOW)))
        # The same key, the same host, but the certificate of the next group.
        stray = make_leaf(SET[number - 1], host, cache.key.public_key(), NOW)
        (tmp_path / f"stray{number}").write_bytes(pem(stray))

    def verify(kind):
        command = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", "root", "-untrusted", "all"]
        command += [f"{kind}{number}" for number in range(len(SET))]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.stdout.count(": OK"), done.stderr.count("permitted subtree violation")

    assert verify("good") == (len(SET), 0)
    assert verify("stray") == (0, len(SET))


def test_a_new_name_issues_the_certificate_of_its_group():
    need, reason = renewal(SET, WIDER, NOW + DAY)
    assert need is Need.NOW
    assert NEW in reason
    wider = issued(ROOT, WIDER, NOW + DAY, SET)
    made = certificates(wider) - certificates(SET)
    assert 1 <= len(made) <= 2  # two where the group has parted
    assert keys(wider) == keys(SET)
    assert {expires(issuer.certificate) for issuer in wider} == {expires(SET[0].certificate)}
    assert NEW in reach_of_all(wider).domains
    assert renewal(wider, WIDER, NOW + DAY) == (Need.NO, "")
    assert renewal(wider, REACH, NOW + DAY)[0] is Need.SOON


def test_names_that_go_take_the_key_with_them():
    # The certificate that permits a name which is no longer opened lives on: its key must not be the one in use.
    wider = issued(ROOT, WIDER, NOW, SET)
    anew = issued(ROOT, REACH, NOW + DAY, wider)
    assert reach_of_all(anew) == REACH
    assert not keys(anew) & keys(wider)
    assert not certificates(anew) & certificates(wider)


@pytest.mark.parametrize("age", [61 * DAY, 91 * DAY, -3 * DAY])
def test_near_its_end_all_is_issued_anew_under_a_fresh_key(age):
    anew = issued(make_root(NOW - 10 * DAY), REACH, NOW + age, SET)
    assert len(keys(anew)) == 1
    assert not keys(anew) & keys(SET)
    assert not certificates(anew) & certificates(SET)
    assert len({expires(issuer.certificate) for issuer in anew}) == 1


def test_one_of_a_set_that_ends_early_renews_them_all():
    early = make_intermediate(ROOT, reach_in(SET[0].certificate), NOW, key=SET[0].key, until=NOW + 20 * DAY)
    mixed = (early, *SET[1:])
    assert renewal(mixed, REACH, NOW) == (Need.SOON, "it ends in 20 days")
    assert not keys(issued(ROOT, REACH, NOW, mixed)) & keys(SET)


def test_everything_is_one_intermediate():
    (issuer,) = issued(ROOT, UNCONSTRAINED, NOW, SET)
    assert "UNCONSTRAINED" in issuer.certificate.subject.rfc4514_string()
    assert renewal([issuer], UNCONSTRAINED, NOW) == (Need.NO, "")
    assert "unconstrained" in renewal([issuer], REACH, NOW)[1]
    assert "none covers every name" in renewal(SET, UNCONSTRAINED, NOW)[1]
    # Its key could sign for everything while its certificate lives: no constrained one may have it.
    assert not keys(issued(ROOT, REACH, NOW, [issuer])) & keys([issuer])


def test_none_is_due_at_once_and_many_missing_names_are_counted():
    assert renewal((), REACH, NOW) == (Need.NOW, "there is none")
    missing = renewal(issued(ROOT, reach_of(["a.example"]), NOW), REACH, NOW)[1]
    assert f"and {len(REACH.domains) - 5} more" in missing
