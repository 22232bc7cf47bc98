"""Which servers are followed on the second ring: the set, and its way into the kernel.

Owns: the addresses of interest and the second ring's filter. It is the recording process that exchanges the filter: it
reads no foreign bytes, and the one that does may not call setsockopt(2), so that whoever takes that one over sees no
more than the heads of what was asked for. Rules: bounded, the newest of each kind stay, and a flood of connections
that name nobody drives out no service; the kernel exchanges one program for the next at once and nothing passes in
between; at most one exchange per `PAUSE_S`. A kernel that has no room for the program is given fewer addresses.
"""

import errno
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final, NamedTuple

from discovery.follow_filter import program

PAUSE_S: Final = 1.0
MAX_SERVICES: Final = 32  # addresses of AI services
MAX_NAMELESS: Final = 32  # addresses spoken to without a name


class Interest(NamedTuple):
    """A server that a connection goes on to. `nameless`: the connection named nobody; else it is an AI service."""

    address: str
    nameless: bool = False


class Following:
    """The set, and `attach(program)` for each part of the second ring. `nameless`: those are followed, too."""

    def __init__(self, attach: Sequence[Callable[[bytes], None]], linktype: int, *, nameless: bool) -> None:
        self._attach, self._linktype = attach, linktype
        limits = {False: MAX_SERVICES, True: MAX_NAMELESS if nameless else 0}
        self._limits, self._held = limits, {kind: OrderedDict[str, None]() for kind in limits}
        self._changed, self._renewed = False, float("-inf")

    @property
    def addresses(self) -> tuple[str, ...]:
        """All that are followed, once `renew` has told the kernel; of each kind the newest last."""
        return tuple(dict.fromkeys(address for held in self._held.values() for address in held))

    def note(self, wanted: Iterable[Interest]) -> None:
        """These are of interest from now on."""
        for one in wanted:
            held = self._held[one.nameless]
            if not self._limits[one.nameless] or not _is_address(one.address):
                continue
            self._changed |= one.address not in held
            held[one.address] = None
            held.move_to_end(one.address)
            if len(held) > self._limits[one.nameless]:
                held.popitem(last=False)

    def renew(self, now: float) -> bool:
        """Tell the kernel what has changed, unless that was done just now (`now`: seconds). OSError: it will not."""
        if not self._changed or 0 <= now - self._renewed < PAUSE_S:
            return False
        self._changed, self._renewed = False, now
        while True:
            code = program(self._linktype, self.addresses)
            try:
                for attach in self._attach:
                    attach(code)
            except OSError as error:
                if error.errno != errno.ENOMEM or not self.addresses:
                    raise
                self._halve()
            else:
                return True

    def _halve(self) -> None:
        """The kernel allows a socket less (net.core.optmem_max): the older half of each kind goes, and stays away."""
        for kind, held in self._held.items():
            self._limits[kind] = len(held) // 2
            while len(held) > self._limits[kind]:
                held.popitem(last=False)


def _is_address(text: str) -> bool:
    try:
        inet_pton(AF_INET6 if ":" in text else AF_INET, text)
    except (OSError, ValueError):
        return False
    return True
