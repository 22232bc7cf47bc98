from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import OperatorError
from appliance.net.addresses import Allowance, check_bind, embedded, exemptions_of, judge, special

NOTHING = Allowance()


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("169.254.169.254", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("0.0.0.0", "unspecified"),  # noqa: S104 - an address under judgement
        ("::", "unspecified"),
        ("169.254.1.1", "link_local"),
        ("fe80::1%eth0", "link_local"),
        ("10.0.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("fd12::1", "private"),
        ("fec0::1", "private"),
        ("100.64.0.1", "carrier_nat"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("192.0.2.1", "reserved"),
        ("198.18.0.1", "reserved"),
        ("2001:db8::1", "reserved"),
        ("::ffff:93.184.216.34", "ipv4_mapped"),
        ("::ffff:127.0.0.1", "ipv4_mapped"),
        ("::7f00:1", "ipv4_compatible"),
        ("64:ff9b::7f00:1", "nat64"),
        ("64:ff9b:1::a00:1", "nat64"),
        ("2002:7f00:1::1", "6to4"),
        ("2001:0:1::1", "teredo"),
    ],
)
def test_special_addresses_are_refused(address, reason):
    verdict = judge(ip_address(address), 443, NOTHING)
    assert (verdict.allowed, verdict.reason) == (False, reason)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "172.32.0.1", "2606:4700::1", "100.128.0.1"])
def test_public_addresses_pass(address):
    assert judge(ip_address(address), 443, NOTHING).allowed


def test_an_exemption_holds_for_its_network_and_port_only():
    allowance = Allowance(exemptions_of([("10.1.0.0/16", 8443, "model server")]))
    verdict = judge(ip_address("10.1.2.3"), 8443, allowance)
    assert (verdict.allowed, verdict.reason, verdict.purpose) == (True, "exempt", "model server")
    assert not judge(ip_address("10.1.2.3"), 443, allowance).allowed
    assert not judge(ip_address("10.2.2.3"), 8443, allowance).allowed
    assert not judge(ip_address("::ffff:10.1.2.3"), 8443, allowance).allowed


def test_a_wrapped_address_must_be_allowed_inside_and_outside():
    allowance = Allowance(exemptions_of([("64:ff9b::/96", 443, "IPv6-only site")]))
    assert judge(ip_address("64:ff9b::1.1.1.1"), 443, allowance).allowed
    assert judge(ip_address("64:ff9b::169.254.169.254"), 443, allowance).reason == "metadata"


@pytest.mark.parametrize(
    ("own", "asked"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("93.184.216.34", "93.184.216.34"),
        ("93.184.216.34", "::ffff:93.184.216.34"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104 - an address under judgement
        ("127.0.0.1", "0.0.0.0"),  # noqa: S104 - an address under judgement
    ],
)
def test_own_listeners_are_refused_whatever_is_exempt(own, asked):
    everything = exemptions_of([("0.0.0.0/0", 8080, "lab"), ("::/0", 8080, "lab")])
    allowance = Allowance(everything, frozenset({(ip_address(own), 8080)}))
    assert judge(ip_address(asked), 8080, allowance).reason == "own_listener"
    assert judge(ip_address("10.0.0.1"), 8080, allowance).allowed
    assert not judge(ip_address("224.0.0.1"), 8080, allowance).allowed


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_no_ipv6_spelling_of_a_refused_ipv4_address_passes(address):
    if judge(address, 443, NOTHING).allowed:
        return
    allowance = Allowance(exemptions_of([("64:ff9b::/96", 443, "site"), ("2002::/16", 443, "site")]))
    packed = address.packed
    for spelling in (b"\0" * 10 + b"\xff\xff" + packed, b"\0" * 12 + packed, b"\0\x64\xff\x9b" + b"\0" * 8 + packed):
        assert not judge(IPv6Address(spelling), 443, allowance).allowed
    assert not judge(IPv6Address(b"\x20\x02" + packed + b"\0" * 10), 443, allowance).allowed


@given(st.ip_addresses())
def test_what_is_not_global_is_special(address):
    if not address.is_global:
        assert special(address) is not None
    inner = embedded(address)
    assert inner is None or isinstance(inner, IPv4Address)


@pytest.mark.parametrize(
    ("entry", "word"),
    [
        (("10.0.0.1/8", 443, "x"), "network"),
        (("nonsense", 443, "x"), "network"),
        (("10.0.0.0/8", 0, "x"), "port"),
        (("10.0.0.0/8", 65536, "x"), "port"),
        (("10.0.0.0/8", 443, " "), "purpose"),
    ],
)
def test_a_bad_exemption_is_refused_by_name(entry, word):
    with pytest.raises(OperatorError, match=word) as caught:
        exemptions_of([entry])
    assert "egress.allow_private" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "clients", "identity", "tls", "listener", "safe"),
    [
        ("127.0.0.1", (), False, False, "proxy", True),
        ("::1", (), False, False, "gateway", True),
        ("localhost", (), False, False, "proxy", True),
        ("0.0.0.0", (), False, False, "proxy", False),  # noqa: S104 - an address under judgement
        ("10.0.0.1", (), False, True, "proxy", False),
        ("10.0.0.1", ("10.0.0.0/8",), False, False, "proxy", True),
        ("10.0.0.1", ("0.0.0.0/0",), False, False, "proxy", False),
        ("10.0.0.1", ("::/0",), False, False, "proxy", False),
        ("10.0.0.1", (), True, False, "proxy", False),
        ("10.0.0.1", (), True, True, "proxy", True),
        ("::", ("10.0.0.0/8",), False, False, "gateway", False),
        ("::", ("10.0.0.0/8",), False, True, "gateway", True),
        ("example.com", ("10.0.0.0/8",), False, True, "gateway", False),
    ],
)
def test_only_safe_binds_pass(host, clients, identity, tls, listener, safe):
    if safe:
        check_bind(host, 8080, clients=clients, identity=identity, tls=tls, listener=listener)
        return
    with pytest.raises(OperatorError, match=f"listen.{listener}"):
        check_bind(host, 8080, clients=clients, identity=identity, tls=tls, listener=listener)


def test_passwords_that_nobody_must_give_need_tls_as_well():
    given = {"clients": ("10.0.0.0/8",), "identity": False, "passwords": True}
    check_bind("10.0.0.1", 8080, tls=True, **given)
    check_bind("127.0.0.1", 8080, tls=False, **given)
    with pytest.raises(OperatorError, match="credentials in clear text"):
        check_bind("10.0.0.1", 8080, tls=False, **given)


def test_a_port_out_of_range_is_refused():
    with pytest.raises(OperatorError, match="port"):
        check_bind("127.0.0.1", 70000, clients=(), identity=False, tls=False)
