"""The reader of names: `python -m appliance.analyse.names_process --fd N [--uid U --gid G]`, started by a worker.

Owns: the process that holds the model of names. Rules: the weights are verified and loaded, and one text is read,
before it has given up user, capabilities, files, network and most system calls; only then does it read a foreign
character; it keeps nothing between jobs; a job is small (`MOST_CHARS`), so that none waits long behind another; its
deadline is the worker's to keep, by killing this process; it has one thread, because privileges belong to threads.
"""

import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from typing import Final

from appliance.analyse import serving
from appliance.analyse.frames import LENGTHS, READY, lengths
from appliance.analyse.names import Model, names_in
from appliance.analyse.names_jobs import ONE_THREAD, Failed, Names, answering, asked
from appliance.analyse.names_lists import lists
from appliance.analyse.names_spacy import load
from appliance.model.errors import OperatorError, PeerError

MEMORY_BYTES: Final = 1 << 30  # of addresses; resident are below 450 MB
_WARM_UP: Final = (
    "My name is Ada Lovelace, I live in London and work for Example Ltd. \u201cDr. M\u00fcller\u201d \u4e2d\n\ud800"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 the worker has left, 2 it may not begin."""
    options = serving.parser("appliance.analyse.names_process").parse_args(arguments)
    sock = socket.socket(fileno=options.fd)
    try:
        model = load()
        names_in(_WARM_UP, model, lists())
        _alone()
        serving.confine(serving.user_of(options), MEMORY_BYTES, nice=0)  # small requests wait for it
    except OperatorError as error:
        sys.stderr.write(f"gnomon names: {error}\n")
        return 2
    with contextlib.suppress(PeerError, OSError):  # the worker has left, or speaks another version: it starts another
        _serve(sock, model)
    return 0


def _alone() -> None:
    """OperatorError: a library has started threads, which would keep what this one gives up."""
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - a listing of the kernel, no folder of files
        raise OperatorError(f"names: the model runs in threads; set {', '.join(ONE_THREAD)} to 1")


def _serve(sock: socket.socket, model: Model) -> None:
    """One frame after the other until the worker leaves (OSError)."""
    sock.sendall(READY)
    while True:
        head, _ = lengths(serving.exactly(sock, LENGTHS.size))
        sock.sendall(_answer(asked(serving.exactly(sock, head)), model))


def _answer(pieces: Sequence[str], model: Model) -> bytes:
    known = lists()
    try:
        return answering(Names(tuple(names_in(piece, model, known) for piece in pieces)))
    except Exception as error:  # noqa: BLE001 - told by its type alone; the worker fails closed
        return answering(Failed(type(error).__name__))


if __name__ == "__main__":
    sys.exit(main())
