"""Evidence handed out as files: one export at a time, made beside the writer, read in pieces, gone afterwards.

Owns: the folder of exports and what lies in it. Rules: an export belongs to the connection that asked for it and to
nobody else; it goes when that connection ends, when its caller says so, or after `keep_s`. The making has a connection
and a thread of its own and is interrupted at its bounds: time, size, and room on the disk that is kept for the evidence
itself. What was handed out, to whom, is recorded before the caller hears that it lies ready.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from appliance.bus.peer import Peer
from appliance.bus.tasks import cancel, spawn
from appliance.model.catalogue import Catalogue
from appliance.model.errors import EvidenceError, OperatorError, PeerError
from appliance.store.connection import Connection
from appliance.store.export_build import Built, Plan, build
from appliance.store.export_copy import Bounds, Stopped
from appliance.store.export_wire import (
    CHUNK_BYTES,
    KEEP_S,
    ExportDone,
    Exported,
    ExportFile,
    ExportPiece,
    ExportRead,
    ExportRequest,
)
from appliance.store.owner import INTERRUPTED, STORE_ERROR

NOTE: Final = "evidence_exported"
NICENESS: Final = 10
_HASH_BYTES: Final = 1 << 20


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one export. Times in seconds, sizes in bytes; `reserve_bytes` of the disk stay free."""

    build_s: float = 600.0
    keep_s: float = KEEP_S
    max_bytes: int = 8 << 30
    reserve_bytes: int = 1 << 30
    watch_s: float = 0.1


class _Kept:
    """An export that is being made or lies ready."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        self.peer, self.folder, self.id = peer, folder, folder.name
        self.bounds = Bounds()
        self.files: dict[str, ExportFile] = {}
        self.expiry: asyncio.TimerHandle | None = None


class Exporter:
    """Makes exports in `folder`. `record(note, detail)` writes a notice; `public`: names of the catalogue."""

    def __init__(
        self,
        connection: Connection,
        folder: Path,
        record: Callable[[str, str], Awaitable[object]],
        public: tuple[str, ...],
        clock: Callable[[], float],
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._connection, self._folder = connection, folder
        self._record, self._public, self._clock, self._limits = record, public, clock, limits
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="store-export", initializer=_yield_to_others)
        self._kept: _Kept | None = None
        self._making: asyncio.Task[Exported] | None = None

    async def export(self, request: ExportRequest, peer: Peer, role: str) -> Exported:
        """Make the files. PeerError: another export lies there (429), the span is empty (422), a bound (503)."""
        if self._kept is not None:
            raise PeerError(f"an export for user {self._kept.peer.user} is under way; try again when it is done", 429)
        made = self._clock()
        until = made if request.until is None else min(request.until, made)
        if request.since >= until:
            raise PeerError("export: nothing can lie in that span: it ends before it begins, or begins later", 422)
        self._check_room()
        kept = self._kept = _Kept(peer, self._folder / secrets.token_hex(8))
        plan = Plan(
            folder=kept.folder,
            formats=tuple(dict.fromkeys(request.formats)),
            since=request.since,
            until=until,
            made=made,
            author=peer.user,
            role=role,
            key=secrets.token_hex(32) if request.pseudonymise else None,
            public=self._public,
        )
        self._making = spawn(self._make(kept, plan), "export", lambda _: None)  # its caller is told
        try:
            # The making runs to its end and cleans up, also when the caller is gone.
            return await asyncio.shield(self._making)
        except asyncio.CancelledError:
            kept.bounds.stop("the caller has left")
            raise

    async def read(self, request: ExportRead, peer: Peer) -> tuple[ExportPiece, bytes]:
        """A piece of a file. PeerError (404) when there is no such file for this connection."""
        kept = self._of(peer, request.id)
        if kept is None or request.file not in kept.files:
            raise PeerError("export_read: there is no such export on this connection, or no longer", 404)
        data = await asyncio.to_thread(_piece, kept.folder / request.file, request.offset)
        return ExportPiece(len(data)), data

    async def done(self, request: ExportDone, peer: Peer) -> None:
        """Let the files go; nothing happens when they are gone."""
        if (kept := self._of(peer, request.id)) is not None:
            await self._drop(kept)

    def gone(self, peer: Peer) -> None:
        """Called when a connection has ended: what was made for it goes."""
        kept = self._kept
        if kept is None or kept.peer is not peer:
            return
        kept.bounds.stop("the caller has left")
        if kept.files:
            spawn(self._drop(kept), "export drop")

    def stop(self) -> None:
        """End what is being made; its caller is told."""
        if self._kept is not None:
            self._kept.bounds.stop("the store is stopping")

    async def close(self) -> None:
        """End what is being made, remove what lies there."""
        self.stop()
        if (kept := self._kept) is not None:
            if self._making is not None:
                await asyncio.wait((self._making,))
            await self._drop(kept)
        await asyncio.to_thread(self._pool.shutdown)
        self._connection.close()

    def _of(self, peer: Peer, export: str) -> _Kept | None:
        kept = self._kept
        return kept if kept is not None and kept.peer is peer and secrets.compare_digest(kept.id, export) else None

    async def _make(self, kept: _Kept, plan: Plan) -> Exported:
        loop = asyncio.get_running_loop()
        watch = spawn(self._watch(kept), "export watch")
        try:
            built, files = await loop.run_in_executor(self._pool, self._run, plan, kept.bounds)
            await self._record(NOTE, _told(plan, files))
            kept.bounds.check()
        except BaseException as error:  # noqa: BLE001 - whatever it is, nothing of it may stay
            await self._drop(kept)
            raise _as_told(error, kept.bounds) from None
        finally:
            await cancel(watch)
        kept.files = {file.name: file for file in files}
        kept.expiry = loop.call_later(self._limits.keep_s, lambda: spawn(self._drop(kept), "export drop"))
        return Exported(kept.id, plan.made, files, built.rows)

    def _run(self, plan: Plan, bounds: Bounds) -> tuple[Built, tuple[ExportFile, ...]]:
        """On the thread: the files, and what can be said of them."""
        plan.folder.mkdir(mode=0o700)
        built = build(self._connection, plan, bounds)
        for path in set(plan.folder.iterdir()) - set(built.files):  # what it was made of
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return built, tuple(_described(path, bounds) for path in built.files)

    async def _watch(self, kept: _Kept) -> None:
        """Stop at the bounds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.build_s
        while True:
            await asyncio.sleep(self._limits.watch_s)
            if loop.time() > deadline:
                kept.bounds.stop(f"it took longer than {self._limits.build_s:g} s; narrow --since")
            if await asyncio.to_thread(_size, kept.folder) > self._limits.max_bytes:
                kept.bounds.stop(f"it grew beyond {self._limits.max_bytes >> 20} MiB; narrow --since")
            if self._free() < self._limits.reserve_bytes:
                kept.bounds.stop(self._no_room())
            kept.bounds.press()

    def _check_room(self) -> None:
        if self._free() < self._limits.reserve_bytes:
            raise PeerError(f"export: {self._no_room()}", 503)

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _no_room(self) -> str:
        return f"less than {self._limits.reserve_bytes >> 20} MiB are free at {self._folder}; the evidence needs them"

    async def _drop(self, kept: _Kept) -> None:
        if kept.expiry is not None:
            kept.expiry.cancel()
        kept.files = {}
        await asyncio.to_thread(shutil.rmtree, kept.folder, ignore_errors=True)
        if self._kept is kept:
            self._kept = None


def _yield_to_others() -> None:
    """On Linux a priority belongs to a thread: this one waits where the writer and the readers want the processor."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def public_names(catalogue: Catalogue) -> tuple[str, ...]:
    """What may stand in a pseudonymised export because the catalogue says it: ids, names, owners, exact hosts."""
    names = {
        name.lower()
        for service in catalogue.services.values()
        for name in (service.id, service.name, service.owner, *(domain.lstrip(".") for domain in service.domains))
    }
    return tuple(sorted(names))


def _as_told(error: BaseException, bounds: Bounds) -> BaseException:
    """What the caller hears."""
    if isinstance(error, Stopped | INTERRUPTED):
        return PeerError(f"export: {bounds.reason or error}", 503)
    if isinstance(error, STORE_ERROR) and "No space left" in str(error):
        return PeerError("export: the disk of the evidence is full; nothing of the export was kept", 503)
    if isinstance(error, STORE_ERROR):
        return EvidenceError(f"export: the store could not make it: {str(error).partition(chr(10))[0][:300]}")
    if isinstance(error, OSError):
        return OperatorError(f"export: {error.filename or 'the folder of exports'}: {error.strerror}")
    return error


def _told(plan: Plan, files: tuple[ExportFile, ...]) -> str:
    """The audit notice's text. A user name is the system's, so the text holds nothing from the network."""
    since, until = (
        datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds") for at in (max(plan.since, 0.0), plan.until)
    )
    kind = "pseudonymised" if plan.key is not None else "with clear names"
    named = ", ".join(f"{file.name} sha256 {file.sha256}" for file in files[:4])
    return f"{plan.author} ({plan.role}): {'+'.join(plan.formats)} {since} to {until}, {kind}: {named}"[:1024]


def _described(path: Path, bounds: Bounds) -> ExportFile:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while data := file.read(_HASH_BYTES):
            bounds.check()
            digest.update(data)
            size += len(data)
    return ExportFile(path.name, size, digest.hexdigest())


def _piece(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(CHUNK_BYTES)
    except FileNotFoundError:
        raise PeerError("export_read: the export is gone; make it again", 404) from None


def _size(folder: Path) -> int:
    size = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                size += entry.stat().st_size
    return size
