"""The analyser: `python -m appliance.analyse.process --fd N --tables DIR [--uid U --gid G]`, started by a worker.

Owns: reading what is large or a document. Rules: everything it will ever need is loaded before it has given up user,
capabilities, files, network and most system calls, and only then does it read a foreign byte; it holds no key and keeps
nothing between jobs but the cache of detections; one job at a time, whose deadline is the worker's to keep, by killing
this process; it ends when the other end of its socket does.
"""

import codecs
import contextlib
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from appliance.analyse import serving
from appliance.analyse.frames import LENGTHS, READY, lengths
from appliance.analyse.jobs import Failed, Found, Job, Settings, asked, frame, pared
from appliance.analyse.samples import samples
from appliance.config.detection import detection_settings
from appliance.config.effective import read_effective
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.detect.settings import PLAIN
from appliance.inspect.detect.statistics import since
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspector, chosen_by
from appliance.model.errors import OperatorError, PeerError

MEMORY_BYTES: Final = 3 << 30  # a body of 64 MiB in all its forms, with room
CODECS: Final = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "cp1252", "idna")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 the worker has left, 2 it may not begin."""
    parser = serving.parser("appliance.analyse.process")
    parser.add_argument("--tables", type=Path, help="folder of the detection tables")
    parser.add_argument("--run-dir", type=Path, help="folder of the effective configuration")
    options = parser.parse_args(arguments)
    sock = socket.socket(fileno=options.fd)
    try:
        settings = PLAIN if options.run_dir is None else detection_settings(read_effective(options.run_dir))
        detectors = Detectors.load(options.tables, settings=settings)
        _warm(Inspector(detectors))
        serving.confine(serving.user_of(options), MEMORY_BYTES)
    except OperatorError as error:
        sys.stderr.write(f"gnomon analyser: {error}\n")
        return 2
    with contextlib.suppress(PeerError, OSError):  # the worker has left, or speaks another version: it starts another
        _serve(sock, detectors)
    return 0


def _warm(inspector: Inspector) -> None:
    """Whatever is imported or looked up at the first use is so now: afterwards no file can be opened."""
    for codec in CODECS:
        codecs.lookup(codec)
    for content_type, body in samples():
        inspector.request(Call("POST", "/", content_type), None, body, None)


def _serve(sock: socket.socket, detectors: Detectors) -> None:
    """One frame after the other until the worker leaves (OSError)."""
    inspector = Inspector(detectors)
    told = inspector.statistics()
    sock.sendall(READY)
    while True:
        head, body = lengths(serving.exactly(sock, LENGTHS.size))
        asked_for = asked(serving.exactly(sock, head))
        if isinstance(asked_for, Settings):
            inspector = Inspector(detectors, asked_for.limits)
        else:
            answer = _answer(inspector, asked_for, serving.exactly(sock, body))
            before, told = told, inspector.statistics()
            sock.sendall(frame(msgspec.structs.replace(answer, counts=since(told, before))))


def _answer(inspector: Inspector, job: Job, body: bytes) -> Found | Failed:
    try:
        enough = chosen_by(job.enough) if job.enough else None
        inspection = inspector.request(job.call, job.content_encoding, body, job.service_dialect, enough)
        return pared(inspection, texts=job.texts)
    except Exception as error:  # noqa: BLE001 - told by its type alone; the worker fails closed
        return Failed(type(error).__name__)


if __name__ == "__main__":
    sys.exit(main())
