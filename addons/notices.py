"""What a person reads when policy turned a request away: what was stopped, why, what to use instead, whom to ask.

Rules: the same words on the page of a browser and in the error of an API; reasons are the analysts' own, everything
else is ours; a lesson carries the address where it can be acknowledged, anything else none; the exchange's id is the
reference to quote.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from mitmproxy import http

from addons.acknowledged import Acknowledgements
from addons.keys import Sender
from addons.pages import Button, Page
from addons.worker import Worker
from appliance.model.catalogue import Service
from appliance.model.facts import Facts, Verdict
from appliance.model.names import Disposition
from appliance.policy.instead import Alternative, alternatives
from appliance.route.routes import PORTAL
from appliance.route.targets import HostPort, parse_host_port

ACKNOWLEDGE = PORTAL + "acknowledge/"
UNTOLD = "Not allowed by your organisation's policy"
SOMEBODY = "whoever runs the AI gateway in your organisation"
APPROVED = "Please use the approved service"
READ = "I have read this and want to go on"
_TITLES: Mapping[Disposition, str] = {
    Disposition.COACH: "Please read this first",
    Disposition.BLOCK: "Not allowed here",
    Disposition.HOLD: "A person must allow this first",
    Disposition.REDIRECT: "This could not go to the approved service",
}


@dataclass(frozen=True, slots=True)
class Told:
    """The same words twice: `page` for a browser, `message` for an API. `address`: where a lesson is acknowledged."""

    page: Page
    message: str
    address: str = ""


class Notices:
    """Finds the words."""

    def __init__(self, worker: Worker, acknowledgements: Acknowledgements, sender: Sender) -> None:
        self._worker = worker
        self._acknowledgements = acknowledgements
        routes = worker.config.gateway.routes.items()
        self._routes = {name: entry.service for name, entry in routes if sender.missing(entry.credential) is None}

    def of(
        self,
        flow: http.HTTPFlow,
        service: Service,
        facts: Facts,
        verdict: Verdict,
        reference: str,
        detail: str = "",
        portal: str = "",
    ) -> Told:
        """`reference`: the exchange's id; `detail`: why a redirect could not be followed; `portal`: where it leads."""
        lesson = verdict.effective is Disposition.COACH
        token = self._acknowledgements.token(facts) if lesson else ""
        address = self._address(flow, facts) + token if lesson else ""
        why = verdict.reason or UNTOLD
        rows = [("Why", why), *((("What stood in the way", detail),) if detail else ())]
        rows += [("Use instead", portal), self._questions()] if portal else self._help(facts)
        rows += [("Reference to quote", f"{reference} ({verdict.rule})" if verdict.rule else reference)]
        page = Page(
            APPROVED if portal else _TITLES.get(verdict.effective, "Not allowed here"),
            f"Your request to {service.name} ({service.owner}) was stopped here. Nothing of it was sent.",
            tuple(rows),
            Button(ACKNOWLEDGE + token, READ) if lesson else None,
            portal,
        )
        return Told(page, _message(why, detail, address, rows), address)

    def _help(self, facts: Facts) -> list[tuple[str, str]]:
        worker = self._worker
        found = alternatives(worker.policy, facts, self._routes, worker.telemetry.clock())
        instead = [("Use instead", ", ".join(map(_named, found)))] if found else []
        return [*instead, self._questions()]

    def _questions(self) -> tuple[str, str]:
        return "Questions", self._worker.config.portal.contact or SOMEBODY

    def _address(self, flow: http.HTTPFlow, facts: Facts) -> str:
        """Where the caller reaches our pages: the gateway where it can, else the stopped host through the proxy."""
        config = self._worker.config
        if config.portal.address is not None:
            return config.portal.address.rstrip("/") + ACKNOWLEDGE
        scheme = "https" if config.listen.certificate else "http"
        came = HostPort(*flow.client_conn.sockname[:2])
        if facts.listener == "gateway":
            return f"{scheme}://{came}{ACKNOWLEDGE}"
        gateway = parse_host_port(config.listen.gateway, any_port=True)
        if gateway.port and _answers(gateway.host, came.host):
            return f"{scheme}://{HostPort(came.host, gateway.port)}{ACKNOWLEDGE}"
        return f"{flow.request.scheme}://{HostPort(facts.host, facts.port)}{ACKNOWLEDGE}"


def _answers(bound: str, asked: str) -> bool:
    """Whether a listener bound to the address `bound` answers at `asked`."""
    return bound == asked or ip_address(bound).is_unspecified


def _named(found: Alternative) -> str:
    return f"{found.name} (gateway route {found.route})" if found.route else found.name


def _message(why: str, detail: str, address: str, rows: list[tuple[str, str]]) -> str:
    told = [why.rstrip(".") + "."]
    if detail:
        told.append(f"It could not be sent on: {detail}.")
    if address:
        told.append(f"Read and acknowledge it at {address} (in a browser, or by a POST), then try again.")
    told += [f"{word}: {text}." for word, text in rows if word in ("Use instead", "Questions", "Reference to quote")]
    return " ".join(told)
