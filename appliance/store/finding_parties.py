"""Whom a finding affects: each person and host once.

Owns: table finding_parties. Rules: appended only; who is in it is kept in memory as numbers, as long as they are few
enough; beyond that the table is asked for those not remembered. A number is a hash of 64 bits: among 200,000 parties
one is missed with a chance of one in a thousand million.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from appliance.store.connection import Connection

MAX_KNOWN: Final = 200_000
_INSERT: Final = """INSERT INTO finding_parties
SELECT ?, unnest(from_json(?, '["VARCHAR"]')), ?, unnest(from_json(?, '["DOUBLE"]'))"""
_FOUND: Final = "SELECT digest FROM finding_parties WHERE finding = ? AND digest IN (SELECT unnest(?::VARCHAR[]))"
_encode: Final = msgspec.json.Encoder().encode


class Parties:
    """Tells who is new to a finding. Used on the writer's thread."""

    def __init__(self, connection: Connection, most: int = MAX_KNOWN) -> None:
        self._connection = connection
        self._most = most
        self._known: dict[int, None] = {}
        self._whole = False  # the memory holds every row
        self._read()

    def _read(self) -> None:
        count = self._connection.execute("SELECT count(*) FROM finding_parties").fetchall()[0][0]
        self._whole = msgspec.convert(count, int) <= self._most
        if self._whole:
            rows = self._connection.execute("SELECT finding, digest FROM finding_parties").fetchall()
            self._known = dict.fromkeys(map(hash, rows))

    def meet(self, finding: str, kind: str, met: Mapping[str, float]) -> int:
        """Keep those that are new; how many. `kind`: person or host. `met`: digest to when it was first seen.

        Inside the caller's transaction; after a rollback this object is not to be used any more.
        """
        known = self._known
        new = {digest: key for digest in met if (key := hash((finding, digest))) not in known}
        if new and not self._whole:
            for (digest,) in self._connection.execute(_FOUND, [finding, list(new)]).fetchall():
                known[new.pop(str(digest))] = None
        known.update(dict.fromkeys(new.values()))
        self._bound()
        if not new:
            return 0
        times = [met[digest] for digest in new]
        self._connection.execute(_INSERT, [finding, _encode(list(new)).decode(), kind, _encode(times).decode()])
        return len(new)

    def _bound(self) -> None:
        over = len(self._known) - self._most
        if over > 0:
            self._whole = False
            for key in list(self._known)[:over]:
                del self._known[key]
