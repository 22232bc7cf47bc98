"""Verbs of analyst.sock about what governance comes to: budgets, people, keys that the appliance holds.

Rules: reads on the reader's connections, and changes nothing; the configuration is the one in force, as the supervisor
wrote it, so that a reload shows at once; the counter file is opened for each answer, because a start may replace it.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from appliance.bus.peer import Peer
from appliance.bus.server import Reply, Verb
from appliance.config.effective import read_effective
from appliance.config.schema import Config
from appliance.config.site_key import load_site_key
from appliance.ledger.budgets import NOBODY, Budgets
from appliance.ledger.ledger import Ledger
from appliance.ledger.standing import standings_of
from appliance.model.errors import EvidenceError, OperatorError
from appliance.model.pseudonym import Pseudonyms
from appliance.store.budget_pages import BudgetRequest, BudgetsRequest
from appliance.store.budgets import Site, budget, budgets
from appliance.store.connection import Connection
from appliance.store.held import held_keys
from appliance.store.people import people, person
from appliance.store.people_pages import HeldRequest, PeopleRequest, PersonRequest
from appliance.store.reader import Reader


class GovernanceVerbs:
    """Handlers. `config`: where none is written yet. `clock` gives epoch seconds."""

    def __init__(self, config: Config, reader: Reader, clock: Callable[[], float]) -> None:
        self._config, self._reader, self._clock = config, reader, clock

    def for_analysts(self) -> dict[str, Verb]:
        """Verbs of analyst.sock."""
        return {
            "budgets": Verb(BudgetsRequest, self._budgets),
            "budget": Verb(BudgetRequest, self._budget),
            "people": Verb(PeopleRequest, self._people),
            "person": Verb(PersonRequest, self._person),
            "held_keys": Verb(HeldRequest, self._held),
        }

    async def _budgets(self, request: BudgetsRequest, _body: bytes, _peer: Peer) -> Reply:
        now = self._clock()
        head, rows = await self._read(
            lambda connection: self._with_site(connection, lambda asked, site: budgets(asked, request, site, now))
        )
        return Reply(head, msgspec.json.encode(rows))

    async def _budget(self, request: BudgetRequest, _body: bytes, _peer: Peer) -> Reply:
        now = self._clock()
        return Reply(
            await self._read(
                lambda connection: self._with_site(
                    connection, lambda asked, site: budget(asked, request.budget, site, now)
                )
            )
        )

    async def _people(self, request: PeopleRequest, _body: bytes, _peer: Peer) -> Reply:
        head, rows = await self._read(lambda connection: people(connection, request))
        return Reply(head, msgspec.json.encode(rows))

    async def _person(self, request: PersonRequest, _body: bytes, _peer: Peer) -> Reply:
        return Reply(await self._read(lambda connection: person(connection, request)))

    async def _held(self, _request: HeldRequest, _body: bytes, _peer: Peer) -> Reply:
        now = self._clock()
        head, rows = await self._read(lambda _connection: held_keys(self._now_in_force(), now))
        return Reply(head, msgspec.json.encode(rows))

    def _read[T](self, query: Callable[[Connection], T]) -> Awaitable[T]:
        return self._reader.run(query)

    def _now_in_force(self) -> Config:
        try:
            return read_effective(Path(self._config.run_dir))
        except OperatorError:
            return self._config

    def _with_site[T](self, connection: Connection, query: Callable[[Connection, Site], T]) -> T:
        """The answer over budgets as configured and their counters; over none, with the fault, where none are there."""
        config = self._now_in_force()
        zone, state = ZoneInfo(config.site.timezone), Path(config.state_dir)
        try:
            with Ledger(state / "ledger" / "counters.map", claim=False, make=False, zone=zone) as ledger:
                made = Budgets(config.budgets, Pseudonyms(load_site_key(state)).person)
                return query(connection, Site(made, zone, partial(standings_of, ledger)))
        except (OperatorError, EvidenceError) as error:
            return query(connection, Site(Budgets(config.budgets, _somebody), zone, None, str(error)))


def _somebody(_name: str) -> str:
    """Whoever a budget names, where digests cannot be made."""
    return NOBODY
