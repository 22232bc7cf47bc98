"""Whether what an analyst proposes can work here: the service, the route, its key.

Owns: the reasons why `decide` refuses a sound proposal. Rules: nothing is put in force that policy could not follow; an
undo stays possible whatever services and routes there are by now. Keys are looked at and never kept.
"""

from collections.abc import Callable, Collection, Mapping

from appliance.config.schema import RouteEntry
from appliance.model.catalogue import Catalogue
from appliance.model.decision import Proposal
from appliance.model.names import DecisionKind
from appliance.route.redirection import why_not
from appliance.store.connection import Connection


class Feasible:
    """Judges proposals. `held()`: names of the held keys that are there now; `portal`: there is an approved one."""

    def __init__(
        self,
        catalogue: Catalogue,
        routes: Mapping[str, RouteEntry],
        held: Callable[[], Collection[str]],
        *,
        portal: bool = False,
    ) -> None:
        self._portal = portal
        self._catalogue = catalogue
        self._routes = routes
        self._held = held

    def why_not(self, connection: Connection, proposal: Proposal) -> str | None:
        """Why it cannot work; None: it can."""
        if proposal.decision is DecisionKind.DISMISS and (proposal.undoes is not None or _found(connection, proposal)):
            return None
        service = self._catalogue.services.get(proposal.service)
        if service is None:
            return f"the catalogue knows no service {proposal.service[:80]!r}; write its id, e.g. openai"
        if proposal.decision is not DecisionKind.REDIRECT:
            return None
        return why_not(service, proposal.route or "", self._routes, self._catalogue, self._held(), portal=self._portal)


def _found(connection: Connection, proposal: Proposal) -> bool:
    """There is a finding on that subject: any may be dismissed, even one on a host that no catalogue knows."""
    return bool(connection.execute("SELECT 1 FROM findings WHERE subject = ? LIMIT 1", [proposal.service]).fetchall())
