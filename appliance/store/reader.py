"""Reads beside the writer: a few connections of their own, on threads, each query with a deadline.

Rules: a read never waits for the writer nor the writer for a read (MVCC); a query past its deadline is interrupted and
told as such; the pool is bounded, callers wait their turn.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from appliance.model.errors import PeerError
from appliance.store.connection import Connection
from appliance.store.owner import INTERRUPTED

QUERY_S: Final = 10.0
READERS: Final = 2


class Reader:
    """Runs queries on connections of its own."""

    def __init__(self, connection: Connection, query_s: float = QUERY_S) -> None:
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(READERS):
            self._free.put_nowait(connection.cursor())
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._query_s = query_s

    async def run[T](self, query: Callable[[Connection], T]) -> T:
        """The query's answer; PeerError (503) when it takes too long."""
        connection = await self._free.get()
        loop = asyncio.get_running_loop()
        deadline = loop.call_later(self._query_s, connection.interrupt)
        try:
            return await asyncio.shield(loop.run_in_executor(self._pool, query, connection))
        except INTERRUPTED:
            raise PeerError(f"the query took longer than {self._query_s:g} s; narrow its time span", 503) from None
        finally:
            deadline.cancel()
            self._free.put_nowait(connection)

    async def close(self) -> None:
        """Wait for running queries and let the connections go."""
        await asyncio.to_thread(self._pool.shutdown)
        while not self._free.empty():
            self._free.get_nowait().close()
