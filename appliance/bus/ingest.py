"""How a journal is sent to ingest.sock: the `send` that shippers and recovery take.

Rules: a refusal for a gap is an answer (the store's mark), damage is EvidenceError, everything else means that the
store is away and the lines stay where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.bus.errors import RemoteError
from appliance.model.errors import EvidenceError
from appliance.store.wire import Append, Appended

if TYPE_CHECKING:
    from collections.abc import Callable

    from appliance.bus.client import BlockingClient

SOCKET: Final = "ingest.sock"


def sender(client: BlockingClient) -> Callable[[str, int, int, int, bytes, int], int]:
    """`send(producer, epoch, first_seq, last_seq, lines, oldest) -> mark` over a client of ingest.sock.

    Raises EvidenceError when the store finds the lines damaged, RemoteError or Unreachable when it cannot take them.
    """

    def send(producer: str, epoch: int, first_seq: int, last_seq: int, lines: bytes, oldest: int) -> int:
        head = Append(producer=producer, epoch=epoch, first_seq=first_seq, last_seq=last_seq, oldest=oldest)
        try:
            told, _ = client.call("append", head, lines, reply=Appended)
        except RemoteError as error:
            if error.kind == "evidence":
                raise EvidenceError(error.message) from None
            raise
        return told.acked if told.expected is None else told.expected - 1

    return send
