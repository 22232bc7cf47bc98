"""Where the appliance listens, and which addresses are this machine's own."""

import socket

import pytest

from appliance.model.names import Leg
from discovery.box import Box, own_addresses, split

LISTENERS = {"proxy": ("0.0.0.0", 8080), "gateway": ("10.0.0.5", 4000)}  # noqa: S104 - compared
BOX = Box(LISTENERS, {"10.0.0.5", "10.0.0.6", "2001:db8::5"})


@pytest.mark.parametrize(
    ("address", "port", "listener"),
    [
        ("10.0.0.5", 8080, "proxy"),
        ("10.0.0.6", 8080, "proxy"),
        ("10.0.0.7", 8080, None),
        ("2001:db8::5", 8080, None),
        ("10.0.0.5", 4000, "gateway"),
        ("10.0.0.6", 4000, None),
        ("10.0.0.5", 443, None),
    ],
)
def test_which_listener_is_reached(address, port, listener):
    assert BOX.listener(address, port) == listener
    assert BOX.leg(address, port) is (Leg.PROXY if listener else Leg.DIRECT)


def test_a_listener_on_all_ipv6_addresses():
    box = Box({"proxy": ("::", 8080)}, {"2001:db8::5", "10.0.0.5"})
    assert box.listener("2001:db8::5", 8080) == "proxy"
    assert box.listener("10.0.0.5", 8080) is None
    assert box.ports == {8080}


def test_addresses_change_and_listeners_stay():
    box = BOX.renewed({"10.9.9.9"})
    assert box.listener("10.9.9.9", 8080) == "proxy"
    assert box.listener("10.0.0.6", 8080) is None
    assert box.listener("10.0.0.5", 4000) == "gateway"


@pytest.mark.parametrize(
    ("text", "place"),
    [("127.0.0.1:8080", ("127.0.0.1", 8080)), ("[::1]:80", ("::1", 80)), ("[2001:DB8::0:1]:5", ("2001:db8::1", 5))],
)
def test_a_listener_as_it_is_written(text, place):
    assert split(text) == place


@pytest.mark.parametrize("text", ["", "8080", "gnomon:80", "127.0.0.1:", "127.0.0.1:x"])
def test_what_is_no_listener(text):
    with pytest.raises(ValueError, match=r".*"):
        split(text)


def test_the_machine_tells_its_addresses():
    found = own_addresses()
    assert "127.0.0.1" in found
    assert all(socket.inet_pton(socket.AF_INET6 if ":" in one else socket.AF_INET, one) for one in found)
