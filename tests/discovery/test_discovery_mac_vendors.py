"""Makers of network cards."""

import pytest

from appliance.model.errors import OperatorError
from discovery.mac_vendors import read, vendor


@pytest.mark.parametrize(
    ("mac", "maker"),
    [
        ("00:50:56:82:08:d1", "VMware"),
        ("B8:27:EB:00:00:01", "Raspberry Pi"),
        ("52:54:00:12:34:56", "QEMU"),
        ("02:00:5e:00:53:01", "random"),
        ("fe:ff:ff:00:00:01", "random"),
        ("00:00:5e:00:53:01", "00:00:5e"),
        ("", ""),
        ("00:5", ""),
        ("zz:zz:zz:zz:zz:zz", ""),
    ],
)
def test_a_maker_or_what_is_known_instead(mac, maker):
    assert vendor(mac) == maker


def test_a_damaged_file_is_refused_whole():
    with pytest.raises(OperatorError, match="two makers"):
        read(b'{"a": "005056", "b": "005056"}')
    with pytest.raises(OperatorError, match="install the program anew"):
        read(b"[]")
    assert read(b'{"a": "005056000c29"}') == {"005056": "a", "000c29": "a"}
