"""The appliance's own pages under /.well-known/gnomon/: where a lesson is acknowledged.

Theory of operation. The pages stand on the gateway and, for browsers behind the proxy, on the hosts of AI services
themselves, so that they work over the connection that is open already. GET shows a page with one button and changes
nothing; POST acknowledges. Rules: a path of ours is answered here whatever goes wrong and never forwarded, in any
stage; an acknowledgement is journalled before it holds; only the caller that a notice was shown to can acknowledge it.
"""

from datetime import UTC, datetime

import msgspec
from mitmproxy import http

from addons.acknowledged import Acknowledgements, Full
from addons.answers import answer, refuse, show, wants_page
from addons.notices import ACKNOWLEDGE, READ, UNTOLD
from addons.pages import Button, Page
from addons.worker import LISTENER, ROUTE, Worker
from appliance.model.catalogue import Service
from appliance.model.facts import Principal
from appliance.model.names import Disposition
from appliance.policy.acknowledgement import SOMEBODY_ELSE, Claim
from appliance.route.routes import PORTAL


class Done(msgspec.Struct, frozen=True):
    """What a program reads when it has acknowledged."""

    acknowledged: bool
    service: str
    until: str


class PortalAddon:
    """Between the names' agreement and the exchange."""

    def __init__(self, worker: Worker, acknowledgements: Acknowledgements) -> None:
        self._worker = worker
        self._acknowledgements = acknowledgements

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Answer what is asked of us."""
        if flow.response or flow.error or not self._is_ours(flow):
            return
        _say(flow, 503, "portal_fault", "This page cannot be shown now. Try again, then tell your administrator.")
        method, path = flow.request.method, flow.request.path.partition("?")[0]
        if not path.startswith(ACKNOWLEDGE):
            _say(flow, 404, "unknown_page", "There is no such page.")
        elif method in ("GET", "HEAD"):
            self._show(flow, path.removeprefix(ACKNOWLEDGE))
        elif method == "POST":
            self._take(flow, path.removeprefix(ACKNOWLEDGE))
        else:
            _say(flow, 405, "wrong_method", "Use GET to read and POST to acknowledge.", {"allow": "GET, HEAD, POST"})

    def _is_ours(self, flow: http.HTTPFlow) -> bool:
        if not flow.request.path.startswith(PORTAL):
            return False
        if flow.metadata.get(LISTENER) == "gateway":
            return ROUTE not in flow.metadata
        return self._worker.service_of(flow) is not None

    def _claim(self, flow: http.HTTPFlow, token: str) -> tuple[Claim, Service] | None:
        """What the token says; None: it was answered."""
        found = self._acknowledgements.claim(token)
        if isinstance(found, str):
            _say(flow, 410, "unknown_token", found[0].upper() + found[1:] + ".")
            return None
        service = self._worker.catalogue.services.get(found.service)
        pseudonyms, who = self._worker.telemetry.pseudonyms, self._worker.principal(flow)
        if service is None or not found.is_of(pseudonyms.person(who.name), pseudonyms.address(who.address)):
            _say(flow, 403, "somebody_else", SOMEBODY_ELSE[0].upper() + SOMEBODY_ELSE[1:] + ".")
            return None
        return found, service

    def _show(self, flow: http.HTTPFlow, token: str) -> None:
        known = self._claim(flow, token)
        if known is None:
            return
        claim, service = known
        hours = self._acknowledgements.life_s / 3600
        lead = f"With the button you say that you have read this. Then {service.name} works for you for {hours:g} h."
        why = self._reason(claim, service, self._worker.principal(flow))
        show(flow, 200, Page("Please read this first", lead, (("Why", why),), Button(ACKNOWLEDGE + token, READ)))

    def _reason(self, claim: Claim, service: Service, who: Principal) -> str:
        """What the lesson says now to this caller."""
        telemetry = self._worker.telemetry
        verdict = self._worker.policy.destination(
            service,
            principal=claim.who,
            client=claim.client,
            now=telemetry.clock(),
            host=service.domains[0].removeprefix(".") if service.domains else "",
            groups=who.groups,
            department=who.department,
            assurance=who.assurance,
            surface=claim.surface,
        )
        return verdict.reason if verdict.disposition is Disposition.COACH and verdict.reason else UNTOLD

    def _take(self, flow: http.HTTPFlow, token: str) -> None:
        known = self._claim(flow, token)
        if known is None:
            return
        claim, service = known
        until = datetime.fromtimestamp(self._worker.telemetry.clock() + self._acknowledgements.life_s, UTC)
        try:
            self._keep(claim)
        except (OSError, Full):
            self._worker.telemetry.notice(
                "warning", "acknowledgement_lost", "state_dir/acknowledged: full or unwritable"
            )
            _say(flow, 503, "not_kept", "It could not be kept. Try again later, or tell your administrator.")
            return
        if not wants_page(flow.request):
            done = Done(acknowledged=True, service=service.id, until=until.isoformat("T", "seconds"))
            answer(flow, 200, msgspec.json.encode(done), {"content-type": "application/json"})
            return
        lead = f"Thank you. {service.name} works for you until {until:%H:%M} UTC. Go back and load the page again."
        show(flow, 200, Page("You may go on", lead))

    def _keep(self, claim: Claim) -> None:
        """Journal it, then keep it. One that stands already is neither."""
        if self._acknowledgements.stands(claim):
            return
        detail = f"{claim.who} at {claim.client} has acknowledged {claim.service} ({claim.surface})"
        self._worker.telemetry.notice("info", "coach_acknowledged", detail)
        self._acknowledgements.take(claim)


def _say(flow: http.HTTPFlow, status: int, code: str, message: str, extra: dict[str, str] | None = None) -> None:
    refuse(flow, status, code, message, extra=extra)
