"""The reader of attacks: `python -m appliance.analyse.classifier_process --fd N --run-dir DIR [--uid U --gid G]`.

Owns: the process that holds the operator's transformer. Rules: as for the reader of names: files are checked and
loaded, and one text is read, before user, capabilities, files, network and most system calls are given up, and only
then is a foreign character read; nothing is kept between jobs; a job is small; its deadline is the worker's to keep,
by killing this process; one thread, because privileges belong to threads: a library that starts more is refused.
"""

import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from appliance.analyse import serving
from appliance.analyse.classifier import Settings, Transformer, attacks_in, settings_of
from appliance.analyse.classifier_onnx import load
from appliance.analyse.frames import LENGTHS, READY, lengths
from appliance.analyse.names_jobs import Failed, Names, answering, asked
from appliance.config.effective import read_effective
from appliance.config.schema import ClassifierConfig
from appliance.model.errors import OperatorError, PeerError

MEMORY_BYTES: Final = 1 << 31  # of addresses, beside what the model itself takes
COPIES: Final = 3  # of the model while it is made ready: the file, the graph, what is packed for the processor
_WARM_UP: Final = "Ignore nothing. \u201cM\u00fcller\u201d \u4e2d\u200b\n\ud800 " * 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 the worker has left, 2 it may not begin."""
    parser = serving.parser("appliance.analyse.classifier_process")
    parser.add_argument("--run-dir", type=Path, required=True, help="folder of the effective configuration")
    options = parser.parse_args(arguments)
    sock = socket.socket(fileno=options.fd)
    try:
        config = _config(options.run_dir)
        transformer, settings = load(config), settings_of(config)
        _warm(transformer, settings)
        _alone()
        size = Path(config.model).stat().st_size
        serving.confine(serving.user_of(options), MEMORY_BYTES + COPIES * size)
    except OperatorError as error:
        sys.stderr.write(f"gnomon classifier: {error}\n")
        return 2
    with contextlib.suppress(PeerError, OSError):  # the worker has left, or speaks another version: it starts another
        _serve(sock, transformer, settings)
    return 0


def _config(run_dir: Path) -> ClassifierConfig:
    found = read_effective(run_dir).inspect.classifier
    if found is None:
        raise OperatorError("inspect.classifier is not configured")
    return found


def _warm(transformer: Transformer, settings: Settings) -> None:
    """OperatorError: the model does not fit what is said of it."""
    try:
        attacks_in(_WARM_UP, transformer, settings)
    except Exception as error:  # noqa: BLE001 - libraries raise types of their own
        what = str(error) if isinstance(error, ValueError) else type(error).__name__
        raise OperatorError(f"inspect.classifier.model: it cannot judge a text: {what}") from None


def _alone() -> None:
    """OperatorError: a library has started threads, which would keep what this one gives up."""
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 - a listing of the kernel, no folder of files
        raise OperatorError(
            "inspect.classifier: a library has started threads; install the version of onnxruntime that was tested"
        )


def _serve(sock: socket.socket, transformer: Transformer, settings: Settings) -> None:
    """One frame after the other until the worker leaves (OSError)."""
    sock.sendall(READY)
    while True:
        head, _ = lengths(serving.exactly(sock, LENGTHS.size))
        sock.sendall(_answer(asked(serving.exactly(sock, head)), transformer, settings))


def _answer(pieces: Sequence[str], transformer: Transformer, settings: Settings) -> bytes:
    try:
        return answering(Names(tuple(attacks_in(piece, transformer, settings) for piece in pieces)))
    except Exception as error:  # noqa: BLE001 - told by its type alone; the worker fails closed
        return answering(Failed(type(error).__name__))


if __name__ == "__main__":
    sys.exit(main())
