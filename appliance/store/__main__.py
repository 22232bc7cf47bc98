"""`python -m appliance.store --run-dir DIR`: the store's process.

Rules: everything but the folder comes from DIR/effective.json; ready is told through
`appliance/bus/lifeline.py` and one line on stderr; SIGTERM, SIGINT and the supervisor's death write what was taken,
fold the write-ahead file in, exit 0; a database that cannot write ends the process with 1, so that it is started anew;
a file or configuration that cannot be opened is told in one line and exits 2.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from appliance.bus.lifeline import on_parent_gone, tell_ready
from appliance.config.effective import read_effective
from appliance.model.errors import EvidenceError, OperatorError
from appliance.store.service import Store

_log = logging.getLogger("gnomon.store")


def main() -> int:
    """Run until told to stop; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m appliance.store")
    parser.add_argument("--run-dir", type=Path, required=True)
    run_dir: Path = parser.parse_args().run_dir
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
    os.umask(0o077)
    try:
        return asyncio.run(_serve(run_dir))
    except OperatorError as error:
        _log.error("%s", error)
        return 2
    except EvidenceError as error:
        _log.error("%s", error)
        return 1


async def _serve(run_dir: Path) -> int:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    failures: list[BaseException] = []

    def failed(error: BaseException) -> None:
        failures.append(error)
        _log.error("the database cannot write, stopping: %s", error)
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    store = Store(read_effective(run_dir), failed)
    try:
        await store.start()
        _log.info("ready")
        on_parent_gone(stop.set)
        tell_ready()
        await stop.wait()
    finally:
        await store.close()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
