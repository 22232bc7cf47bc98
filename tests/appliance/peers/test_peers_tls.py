"""Which peer a certificate names, and what files are no use."""

import ssl

import msgspec
import pytest

from appliance.config.placement_schema import AcceptEntry
from appliance.config.schema import Config
from appliance.model.errors import OperatorError, PeerError
from appliance.peers import tls
from appliance.peers.preflight import check

ENTRY = AcceptEntry(roles=("sidecar",))
ACCEPT = {"pod-a": ENTRY, "pod-b": ENTRY}


@pytest.mark.parametrize(
    ("certificate", "names"),
    [
        ({"subject": ((("commonName", "pod-a"),),)}, ("pod-a",)),
        ({"subject": ((("commonName", "x"),),), "subjectAltName": (("DNS", "pod-a"), ("URI", "u"))}, ("pod-a",)),
        ({"subject": ((("commonName", "x"),),), "subjectAltName": (("email", "pod-a"),)}, ("x",)),
        ({"subjectAltName": (("DNS", "a"), ("DNS", "b"))}, ("a", "b")),
        ({}, ()),
    ],
)
def test_names_of_a_certificate(certificate, names):
    assert tls.names_in(certificate) == names


@pytest.mark.parametrize(
    ("names", "name"), [(("pod-a",), "pod-a"), (("x", "POD-A"), "pod-a"), (("pod-b",) * 2, "pod-b")]
)
def test_the_one_that_is_accepted(names, name):
    assert tls.accepted_name(names, ACCEPT) == name


@pytest.mark.parametrize("names", [(), ("pod-c",), ("pod-a", "pod-b"), ("pod-a.",), ("pod-a\0",), ("*",)])
def test_none_or_several_are_nobody(names):
    with pytest.raises(PeerError):
        tls.accepted_name(names, ACCEPT)


def test_both_sides_prove_themselves_by_the_newest_tls_alone(peers, sidecar):
    taking, giving = tls.from_peers(peers), tls.to_central(sidecar(1).central)
    assert taking.verify_mode is giving.verify_mode is ssl.CERT_REQUIRED
    assert giving.check_hostname
    assert taking.minimum_version is giving.minimum_version is ssl.TLSVersion.TLSv1_3
    assert taking.num_tickets == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ca": "nothing"}, r"central\.ca: .*: not readable as PEM"),
        ({"certificate": "nothing"}, r"central\.certificate: .*: not a PEM chain"),
        ({"key": "other"}, r"central\.key: .*: does not belong"),
        ({"key": "absent"}, r"central\.certificate: .*No such file"),
        ({"name": "pod-b"}, r"central\.name: pod-b: .* says pod-a; give the name that it says"),
    ],
)
def test_what_the_files_must_hold_is_told_before_the_start(sidecar, tmp_path, peerage, change, words):
    (tmp_path / "nothing").write_text("nothing")
    paths = {"nothing": tmp_path / "nothing", "other": peerage.peer("pod-b"), "absent": tmp_path / "absent"}
    config = sidecar(1)
    changed = {key: str(paths.get(value, value)) for key, value in change.items()}
    bad = msgspec.structs.replace(config, central=msgspec.structs.replace(config.central, **changed))
    with pytest.raises(OperatorError, match=words):
        raise OperatorError("\n".join(check(bad)))
    assert list(check(config)) == []


def test_files_of_a_central_appliance_are_looked_at_too(peers, tmp_path):
    config = Config(state_dir=str(tmp_path), peers=peers)
    assert list(check(config)) == []
    bad = msgspec.structs.replace(peers, ca=str(tmp_path / "absent"))
    assert list(check(msgspec.structs.replace(config, peers=bad))) == [
        f"peers.ca: {tmp_path}/absent: not readable as PEM certificates"
    ]


def test_failures_in_words():
    assert tls.in_words(ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 1)")) == "Connection refused"
    assert tls.in_words(TimeoutError()) == "TimeoutError"
