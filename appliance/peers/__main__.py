"""`python -m appliance.peers --run-dir DIR`: records from or to another appliance.

Where the configuration ships records it passes them on to the central appliance (process `shipper`, in place of a
store); where it has peers it takes theirs (process `peers`). Rules: everything but the folder comes from
DIR/effective.json; it holds no evidence; it tells the supervisor how it stands; it ends with its supervisor. What the
operator must do is told in one line, and exit 2.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.bus import control
from appliance.bus.client import AsyncClient
from appliance.bus.control import Peering, PeerStanding
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.lifeline import on_parent_gone, tell_ready
from appliance.bus.tasks import cancel, spawn
from appliance.bus.verbs import Done
from appliance.config.effective import read_effective
from appliance.model.errors import OperatorError
from appliance.peers.forwarder import SHIPPER, Forwarder
from appliance.peers.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from appliance.config.schema import Config

_log = logging.getLogger("gnomon.peers")
RECEIVER: Final = "peers"
TELL_S: Final = 2.0


def main() -> int:
    """Run until told to stop; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m appliance.peers")
    parser.add_argument("--run-dir", type=Path, required=True)
    run_dir: Path = parser.parse_args().run_dir
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
    os.umask(0o077)
    try:
        asyncio.run(_run(read_effective(run_dir)))
    except OperatorError as error:
        _log.error("%s", error)
        return 2
    return 0


async def _run(config: Config) -> None:
    loop, stop, news = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    on_parent_gone(stop.set)
    serve = _ship if config.ships_records else _receive
    await serve(config, stop, news)


async def _ship(config: Config, stop: asyncio.Event, news: asyncio.Event) -> None:
    forwarder = Forwarder(config, news.set)
    try:
        await forwarder.start()
        async with _telling(config, SHIPPER, lambda: (forwarder.standing(),), news):
            tell_ready()
            await stop.wait()
    finally:
        await forwarder.close()


async def _receive(config: Config, stop: asyncio.Event, news: asyncio.Event) -> None:
    if config.peers is None or config.peers.journal is None:
        raise OperatorError("peers.journal: nothing is to be taken")
    receiver = Receiver(config.peers, Path(config.run_dir), Path(config.state_dir) / "policy")
    try:
        _log.info("takes records of peers at %s", await receiver.start())
        async with _telling(config, RECEIVER, receiver.standings, news):
            tell_ready()
            await stop.wait()
    finally:
        await receiver.close()


@contextlib.asynccontextmanager
async def _telling(
    config: Config, process: str, standings: Callable[[], tuple[PeerStanding, ...]], news: asyncio.Event
) -> AsyncIterator[None]:
    """Tell the supervisor how it stands, at every change and now and then."""
    client = AsyncClient(Path(config.run_dir) / control.SOCKET)

    async def tell() -> None:
        while True:
            news.clear()
            with contextlib.suppress(RemoteError, Unreachable):  # it asks for nothing and is told again
                await client.call("peering", Peering(process, standings()), reply=Done)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TELL_S):
                    await news.wait()

    task = spawn(tell(), "peering")
    try:
        yield
    finally:
        await cancel(task)
        await client.close()


if __name__ == "__main__":
    sys.exit(main())
