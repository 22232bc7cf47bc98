"""A stand-in for store and worker: ready at once, answers each connection with its name and pid, drains on SIGTERM.

Its behaviour is read from RUN/behave.json: {"NAME": {"exit": 2, "say": "..."}} makes it refuse to start.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

from appliance.bus.control import Health
from appliance.bus.lifeline import on_parent_gone, tell_ready
from appliance.bus.link import ControlLink


async def main(run_dir: Path, name: str, fds: list[int]) -> None:
    behaviour = json.loads((run_dir / "behave.json").read_text()).get(name, {})
    if "exit" in behaviour:
        sys.stderr.write(behaviour["say"] + "\n")
        sys.exit(behaviour["exit"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    on_parent_gone(stop.set)
    applied = [0]
    link = ControlLink(
        run_dir, lambda: Health(name, applied[0]), lambda version: applied.__setitem__(0, version) or link.tell()
    )
    servers = [await asyncio.start_server(_greet(name), sock=socket.socket(fileno=fd)) for fd in fds]
    if fds:
        link.start()
    sys.stderr.write(f"{name} \x1b[31mserves\n")
    tell_ready()
    await stop.wait()
    await _drain(servers)
    await link.close()
    with (run_dir / "ends.txt").open("a") as ends:
        ends.write(f"{name}\n")


async def _drain(servers: list[asyncio.Server]) -> None:
    """Accept no more, then let what was accepted be served: closing at once would drop connections not yet attached."""
    for server in servers:
        asyncio.get_running_loop().remove_reader(server.sockets[0].fileno())
    for _ in range(5):
        await asyncio.sleep(0)
    for server in servers:
        server.close()
        await server.wait_closed()


def _greet(name: str):
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        keys = ",".join(key for key in os.environ if "KEY" in key)
        writer.write(f"{name} {os.getpid()} {keys}\n".encode())
        await writer.drain()
        writer.close()

    return greet


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], [int(fd) for fd in sys.argv[3:]]))
