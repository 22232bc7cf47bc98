"""Which questions clients have asked their resolvers lately, so that an answer nobody asked for can be told.

Theory of operation. Whoever can send a packet can send a DNS answer in a resolver's name, and would decide which name a
sensor believes to stand at an address. An answer counts only where its question was seen: the same two ends and ports,
over UDP the same identifier, the same name; that is what a client's own resolver library asks of it. Rules: pure, time
is that of the packets; bounded in number and time, and what is forgotten is an answer that counts for nothing. What a
capture does not hold was not seen: answers at its very beginning count for nothing either. Who sees the question on its
way can still answer it; against that there is no help from here.
"""

from collections.abc import Iterable
from typing import Final

from discovery.held import Recent

MAX_ASKED: Final = 32_768
ASKED_S: Final = 30.0  # resolvers give up before


class Asked:
    """One engine's memory. `flow`: addresses and ports as in the question's packet; `identifier`: empty over TCP."""

    def __init__(self, limit: int = MAX_ASKED, seconds: float = ASKED_S) -> None:
        self._seen: Recent[bool] = Recent(limit, seconds)

    def __len__(self) -> int:
        return len(self._seen)

    def note(self, now: float, flow: bytes, identifier: bytes, names: Iterable[str]) -> None:
        """A client asked for these names."""
        for name in names:
            self._seen.note(_key(flow, identifier, name), now, value=True)

    def knows(self, now: float, flow: bytes, identifier: bytes, name: str) -> bool:
        """Whether an answer for `name` has a question; `flow` as of that question, which is the answer's turned."""
        return self._seen.recall(_key(flow, identifier, name), now) is True

    def expire(self, now: float) -> None:
        """Forget what was asked too long ago."""
        self._seen.expire(now)


def _key(flow: bytes, identifier: bytes, name: str) -> bytes:
    """Names are compared without case: some resolvers mix it, to make answers harder to guess."""
    return b"%b%b%d" % (flow, identifier, hash(name.lower()))
