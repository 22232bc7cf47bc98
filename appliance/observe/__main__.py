"""`python -m appliance.observe --run-dir DIR`: the process that tells other systems how the appliance does.

Rules: everything but the folder comes from DIR/effective.json; it asks the store and the supervisor over their sockets
and holds no evidence and no key but those of its own sending; it ends with its supervisor, and its death costs figures
and nothing else. What the operator must do is told in one line, and exit 2.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
import time
from importlib.metadata import version
from pathlib import Path

from appliance.bus.lifeline import on_parent_gone, tell_ready
from appliance.config.effective import read_effective
from appliance.model.errors import OperatorError
from appliance.observe.observer import Observer

_log = logging.getLogger("gnomon.observe")


def main() -> int:
    """Run until told to stop; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m appliance.observe")
    parser.add_argument("--run-dir", type=Path, required=True)
    run_dir: Path = parser.parse_args().run_dir
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(name)s: %(message)s")
    os.umask(0o077)
    try:
        asyncio.run(_run(run_dir))
    except OperatorError as error:
        _log.error("%s", error)
        return 2
    return 0


async def _run(run_dir: Path) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    on_parent_gone(stop.set)
    observer = Observer(read_effective(run_dir), time.time, version("gnomon"))
    try:
        where = await observer.start()
        _log.info("ready%s", f", figures at http://{where}/metrics" if where else "")
        tell_ready()
        await stop.wait()
    finally:
        await observer.close()


if __name__ == "__main__":
    sys.exit(main())
