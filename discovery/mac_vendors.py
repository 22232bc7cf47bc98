"""Who makes a network card, by its hardware address: facts of the IEEE's public registry, in compact form.

Owns: the look-up, and the form of discovery/known/mac_vendors.json: a maker's name to its blocks, six hexadecimal
digits each, one behind the other. Rules: pure but for reading that file once; makers of fewer than three blocks are
left out; an address that its owner made up is `random`, and of what is not known the first three bytes are told.
"""

from functools import cache
from importlib import resources
from typing import Final

import msgspec

from appliance.model.errors import OperatorError

FILE: Final = "mac_vendors.json"
RANDOM: Final = "random"
_BLOCK: Final = 6  # hexadecimal digits
_MADE_UP: Final = 0x02  # the bit of the first byte that says so (IEEE 802, local administration)


def vendor(mac: str) -> str:
    """The maker of `02:00:5e:00:53:01`; empty: that is no hardware address."""
    block = mac.replace(":", "")[:_BLOCK].lower()
    try:
        first = bytes.fromhex(block)[0]
    except (ValueError, IndexError):
        return ""
    if len(block) < _BLOCK:
        return ""
    known = _makers().get(block)
    if known is not None:
        return known
    return RANDOM if first & _MADE_UP else f"{block[:2]}:{block[2:4]}:{block[4:]}"


def read(data: bytes) -> dict[str, str]:
    """Block to maker. OperatorError: the file is damaged, or gives a block to two."""
    try:
        makers = msgspec.json.decode(data, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise OperatorError(f"discovery/known/{FILE}: {error}; install the program anew") from error
    found: dict[str, str] = {}
    for maker, blocks in makers.items():
        for at in range(0, len(blocks), _BLOCK):
            if found.setdefault(blocks[at : at + _BLOCK], maker) != maker:
                raise OperatorError(f"discovery/known/{FILE}: block {blocks[at : at + _BLOCK]} has two makers")
    return found


@cache
def _makers() -> dict[str, str]:
    return read((resources.files("discovery") / "known" / FILE).read_bytes())
