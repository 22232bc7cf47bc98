"""The analyser: `python -m appliance.analyse.process --fd N --tables DIR [--uid U --gid G]`, started by a worker.

Owns: reading what is large or a document. Rules: everything it will ever need is loaded before it has given up user,
capabilities, files, network and most system calls, and only then does it read a foreign byte; it holds no key and keeps
nothing between jobs but the cache of detections; one job at a time, whose deadline is the worker's to keep, by killing
this process; it ends when the other end of its socket does.
"""

import argparse
import codecs
import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from appliance.analyse.jobs import LENGTHS, Failed, Job, Settings, asked, frame, lengths, pared
from appliance.analyse.samples import samples
from appliance.confine import privileges
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspector
from appliance.model.errors import OperatorError, PeerError

MEMORY_BYTES: Final = 3 << 30  # a body of 64 MiB in all its forms, with room
READY: Final = b"ready"
NICE: Final = 5  # small requests go first
CODECS: Final = ("ascii", "latin-1", "utf-8", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "cp1252", "idna")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0 the worker has left, 2 it may not begin."""
    options = _options(arguments)
    sock = socket.socket(fileno=options.fd)
    try:
        detectors = Detectors.load(options.tables)
        _warm(Inspector(detectors))
        _confine((options.uid, options.gid) if options.uid is not None else None)
    except OperatorError as error:
        sys.stderr.write(f"gnomon analyser: {error}\n")
        return 2
    with contextlib.suppress(PeerError, OSError):  # the worker has left, or speaks another version: it starts another
        _serve(sock, detectors)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="appliance.analyse.process", allow_abbrev=False)
    parser.add_argument("--fd", type=int, required=True, help="socket to the worker")
    parser.add_argument("--tables", type=Path, help="folder of the detection tables")
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    return parser.parse_args(arguments)


def _warm(inspector: Inspector) -> None:
    """Whatever is imported or looked up at the first use is so now: afterwards no file can be opened."""
    for codec in CODECS:
        codecs.lookup(codec)
    for content_type, body in samples():
        inspector.request(Call("POST", "/", content_type), None, body, None)


def _confine(user: tuple[int, int] | None) -> None:
    os.nice(NICE)
    privileges.drop_bounding()
    if user is not None:
        privileges.become(*user)
    privileges.hide()
    privileges.die_with_parent()
    privileges.silence()
    privileges.bound(MEMORY_BYTES)
    privileges.drop_capabilities()
    privileges.only_reading()


def _serve(sock: socket.socket, detectors: Detectors) -> None:
    """One frame after the other until the worker leaves (OSError)."""
    inspector = Inspector(detectors)
    sock.sendall(READY)
    while True:
        head, body = lengths(_exactly(sock, LENGTHS.size))
        asked_for = asked(_exactly(sock, head))
        if isinstance(asked_for, Settings):
            inspector = Inspector(detectors, asked_for.limits)
        else:
            sock.sendall(_answer(inspector, asked_for, _exactly(sock, body)))


def _answer(inspector: Inspector, job: Job, body: bytes) -> bytes:
    try:
        return frame(pared(inspector.request(job.call, job.content_encoding, body, job.service_dialect)))
    except Exception as error:  # noqa: BLE001 - told by its type alone; the worker fails closed
        return frame(Failed(type(error).__name__))


def _exactly(sock: socket.socket, size: int) -> bytes:
    """That many bytes. OSError: the worker has left."""
    data = bytearray(size)
    view = memoryview(data)
    while view:
        got = sock.recv_into(view)
        if not got:
            raise ConnectionResetError
        view = view[got:]
    return bytes(data)


if __name__ == "__main__":
    sys.exit(main())
