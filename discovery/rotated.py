"""A sensor over a folder into which another program rotates its captures: each whole file once, then the next.

Owns: the order of things from a file that is whole to the note that it was read. Rules: a file is judged by itself, so
that it gives the same records whenever it is read; it counts as read when all its records are journalled, and that is
on disk in the state folder, never in the folder itself; a death in between repeats at most one record (see
`progress`). A file that cannot be read is told and left out; one whose reader dies is tried `TRIES` times.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from typing import TYPE_CHECKING, Final

from appliance.journal.writer import JournalFull
from appliance.model.errors import OperatorError
from appliance.model.event import Notice
from appliance.sanitise import one_line
from discovery import folder as folders
from discovery.folder import Found, Memory, Waiting, listing
from discovery.keeper import FULL_S, Keeper

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from discovery.keeper import Journalling
    from discovery.progress import Progress
    from discovery.sensor import Sensor

LOOK_S: Final = 1.0  # between two looks into the folder
TRIES: Final = 3
FOLDER: Final = "read"  # below state_dir
_ANEW: Final = 1_000  # files, after which what is remembered of files that are gone is forgotten
_NAME: Final = 60


def remembered(state: Path, folder: Path) -> Memory:
    """What was read of that folder, beside the evidence. OperatorError: the state folder cannot be written."""
    place = state / FOLDER
    try:
        place.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OperatorError(f"{place}: cannot be made: {error.strerror}; check state_dir") from None
    name = hashlib.blake2b(os.fsencode(folder), digest_size=16).hexdigest()
    return Memory(place / f"{name}.jsonl", "check state_dir")


class Rotated:
    """One folder. `name`: the sensor's.

    `start`: what reads a file, as its socket; `make`: a sensor for the records of a file of that name.
    """

    def __init__(
        self,
        folder: Path,
        memory: Memory,
        start: Callable[[str], socket.socket],
        make: Callable[[str], Sensor],
        noted: Callable[[Found], Progress],
        journal: Journalling,
        name: str,
        *,
        settled_s: float = folders.SETTLED_S,
    ) -> None:
        self._folder, self._memory, self._start, self._make = folder, memory, start, make
        self._noted, self._journal, self._name, self._settled_s = noted, journal, name, settled_s
        self._waiting = Waiting(settled_s=settled_s)
        self._tried: dict[tuple[int, int, int], int] = {}
        self._stopped = asyncio.Event()
        self._keeper: Keeper | None = None
        self._reading = self._last = ""
        self.files = self.left = self._recalled = 0

    def stop(self) -> None:
        """Have the file that is being read, and the rest, be read another time."""
        self._stopped.set()
        if self._keeper is not None:
            self._keeper.stop()

    @property
    def means(self) -> str:
        """How it stands, for people."""
        told = [f"reading rotated captures: {self.files} read"]
        if self._last:
            told.append(f"last {self._last}")
        if self._reading:
            told.append(f"now {self._reading}")
        if self.left:
            told.append(f"{self.left} wait")
        return ", ".join(told)

    async def run(self, begun: Callable[[], None]) -> None:
        """Until stopped. OperatorError: the folder, what opens its files, or what remembers them cannot be used."""
        await self._recall()
        begun()
        while not self._stopped.is_set():
            present = await asyncio.to_thread(listing, self._folder)
            ready = self._waiting.ready(present, self._now())
            self._still_there(present)
            for number, found in enumerate(ready, 1):
                self.left = len(ready) - number
                if self._tried.get(found.content, 0) < TRIES:
                    await self._read(found)
                if self._stopped.is_set():
                    return
                if self.files - self._recalled >= _ANEW:
                    await self._recall()
            await self._pause()

    async def _recall(self) -> None:
        """What was read of what is there; the rest is forgotten, so that neither memory nor its file grows."""
        present = await asyncio.to_thread(listing, self._folder)
        self._waiting = Waiting(self._memory.load(present), self._settled_s)
        self._recalled = self.files

    def _still_there(self, present: Sequence[Found]) -> None:
        """Files that cannot be read come and go, too."""
        if self._tried:
            here = {found.content for found in present}
            self._tried = {content: tries for content, tries in self._tried.items() if content in here}

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._stopped.wait()
        except TimeoutError:
            pass

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _read(self, found: Found) -> None:
        progress = self._noted(found)
        try:
            if progress.done or await self._whole(found, progress):
                self._memory.add(found)
                self._waiting.done(found)
                progress.forget()
                self.files += 1
                self._last = one_line(found.name, _NAME)
        finally:
            self._reading, self._keeper = "", None
            if not progress.records:  # nothing to leave out another time: names that come and go leave nothing behind
                progress.forget()
            progress.close()

    async def _whole(self, found: Found, progress: Progress) -> bool:
        """Whether it needs no further reading."""
        name = one_line(found.name, _NAME)
        self._reading = name
        try:
            sock = await asyncio.to_thread(self._start, found.name)
        except FileNotFoundError:
            return False  # rotated away; the next look knows
        except OperatorError as error:
            await self._left_out(found, str(error))
            return False
        keeper = self._keeper = Keeper(self._make(name), self._journal, sock, progress=progress)
        if self._stopped.is_set():
            keeper.stop()
        try:
            sound = await keeper.run()
        except OperatorError as error:
            await self._left_out(found, str(error))
            return False
        if self._stopped.is_set() and not progress.done:
            return False
        if not sound:
            self._tried[found.content] = self._tried.get(found.content, 0) + 1
            if self._tried[found.content] >= TRIES:
                await self._tell("alarm", "capture_given_up", f"{name}: its reader died {TRIES} times")
        return sound

    async def _left_out(self, found: Found, why: str) -> None:
        """Told once in the life of this process; the next one tries again, for the reason may be gone."""
        self._tried[found.content] = TRIES
        await self._tell("warning", "capture_refused", one_line(why, 300))

    async def _tell(self, severity: str, note: str, detail: str) -> None:
        while not self._stopped.is_set():
            try:
                self._journal.append(Notice(time.time(), self._name, severity, note, detail), {})
            except JournalFull:
                await asyncio.sleep(FULL_S)
            else:
                return
