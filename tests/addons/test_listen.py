"""A listener that stops: what was accepted is served, and what comes next waits for another worker."""

import asyncio
import contextlib
import socket

import pytest
from seam_world import TestAuthority, running

CLIENTS = 5
TURNS = range(5)  # of the loop, from a connection in the queue to one that is being served


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("turns", TURNS)
async def test_no_accepted_connection_is_dropped_when_a_drain_begins(authority, tmp_path, turns):
    async with running(authority, tmp_path, {}) as world, asyncio.timeout(20):
        clients = [knock(world.listener.address) for _ in range(CLIENTS)]
        number = world.listener._socket.fileno()
        with socket.socket(fileno=socket.dup(number)) as another:  # what the next worker inherits
            for _ in range(turns):
                await asyncio.sleep(0)
            await world.listener.drain(5)
            waiting = take_over(another)
        assert sum(answered(client) for client in clients) == CLIENTS - waiting


def knock(address) -> socket.socket:
    client = socket.create_connection(address, 2)
    client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    return client


def take_over(listening: socket.socket) -> int:
    """How many connections nobody had accepted."""
    listening.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listening.accept()[0].close()
            count += 1
    return count


def answered(client: socket.socket) -> bool:
    with client, contextlib.suppress(ConnectionError, TimeoutError):
        return client.recv(100).startswith(b"HTTP/1.1 400 ")
    return False
