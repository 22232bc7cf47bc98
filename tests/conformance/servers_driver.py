"""Runs a server and its client alone in a network namespace and writes what crosses its loopback: a mirrored port.

`unshare --net python servers_driver.py litellm|mcp|mcp_sse PYTHON FILE.pcap`; PYTHON: of tests/conformance/servers.
"""

import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent / "servers"
PORTS = {"litellm": 4010, "mcp": 3010, "mcp_sse": 3011}  # none that tells anything
KEY = "sk-conformance-0123456789abcdef"
ALL, OUTGOING, LONGEST = 0x0003, 4, 262_144
START_S = 90.0


def main(kind: str, python: str, out: str) -> int:
    """0 when the client was answered."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL))
    tap.bind(("lo", 0))
    tap.settimeout(0.2)
    done = threading.Event()
    with Path(out).open("wb") as file:
        reading = threading.Thread(target=record, args=(tap, file, done))
        port, home = PORTS[kind], str(Path(out).parent)
        server = subprocess.Popen(command(kind, python, port), env=environment(home), stdout=sys.stderr)
        try:
            wait(port)
            reading.start()  # what asked whether it is up is none of it
            asked = subprocess.run([python, HERE / "client.py", kind, str(port)], env=environment(home), check=False)
            time.sleep(0.5)
        finally:
            done.set()
            server.kill()
            server.wait()
        reading.join()
    return asked.returncode


def command(kind: str, python: str, port: int) -> list[str]:
    """The server's command line."""
    if kind != "litellm":
        transport = "sse" if kind == "mcp_sse" else "streamable-http"
        return [python, str(HERE / "mcp_server.py"), str(port), transport]
    litellm = str(Path(python).with_name("litellm"))
    place = ["--host", "127.0.0.1", "--port", str(port)]
    return [litellm, "--config", str(HERE / "litellm.yaml"), *place, "--telemetry", "False"]


def environment(home: str) -> dict[str, str]:
    """Nothing of ours, and no reason to look anything up."""
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": KEY, "NO_PROXY": "*"}
    return {"PATH": "/usr/bin:/bin", "HOME": home, **quiet}


def wait(port: int) -> None:
    """Until somebody listens there."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(port)


def record(tap: socket.socket, file, done: threading.Event) -> None:
    """Write packets as they come, each once."""
    file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, LONGEST, 1))
    while not done.is_set():
        try:
            frame, (_, _, direction, *_) = tap.recvfrom(LONGEST)
        except TimeoutError:
            continue
        if direction != OUTGOING:
            now = time.time()
            file.write(struct.pack("<IIII", int(now), int(now % 1 * 1e6), len(frame), len(frame)) + frame)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
