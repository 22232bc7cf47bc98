"""A supervisor's console with a stand-in child: `standin_console.py STATE_DIR PROGRAM...`; ends on Ctrl-C or STOP."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from appliance.supervisor import log
from appliance.supervisor.console import Console


async def main() -> None:
    done = asyncio.Event()
    lifeline = os.pipe()
    console = Console(sys.argv[2:], Path(sys.argv[1]), lambda: (print("told to stop", flush=True), done.set()))  # noqa: T201
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, done.set)
    console.open(lifeline[0])
    logging.getLogger("stand-in").info("a line of the log")
    await done.wait()
    await console.close()
    logging.getLogger("stand-in").info("the last line")


log.configure()
asyncio.run(main())
