"""What all addons of one worker share: its collaborators, and the few questions that several addons ask.

Owns: the mapping from a flow to `Facts`. Rules: made once by `addons/chain.py`; collaborators are never replaced,
except the policy, which `adopt` swaps in one assignment.
"""

import ipaddress
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import msgspec
from mitmproxy import http

from addons.accounts import AccountBook, Told
from addons.metering import Metering
from addons.telemetry import Telemetry
from appliance.config.schema import Config
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspection, Inspector
from appliance.inspect.output.expected import Expectations, Expected
from appliance.inspect.pseudonyms import Renaming, Restoration
from appliance.inspect.scanning import merged
from appliance.inspect.stream.watch import Watcher
from appliance.ledger.ledger import Ledger
from appliance.model.catalogue import Catalogue, Service
from appliance.model.detection import Coverage, Label, Selector
from appliance.model.facts import Facts, Principal, Verdict
from appliance.model.names import Stage
from appliance.model.paths import plain_path
from appliance.policy.engine import Policy
from appliance.route.tenants import Tenants

if TYPE_CHECKING:
    from addons.external import External
    from addons.naming import Naming
    from addons.remembering import Remembering

MAX_TOOLS, MAX_SERVERS, MAX_PATH, MAX_BESIDE = 128, 64, 512, 32
MAX_TOKENS = 2**31 - 1


class Analyse(Protocol):
    """`Inspector.request`, elsewhere. `texts`: with every text, also those without findings.

    `enough`: findings any one of which makes reading on needless.
    """

    def __call__(
        self,
        call: Call,
        content_encoding: str | None,
        raw: bytes,
        dialect: str | None,
        *,
        texts: bool = False,
        enough: tuple[Selector, ...] = (),
    ) -> Awaitable[Inspection]:
        """Raises where it could not be read."""


LISTENER = "gnomon.listener"  # flow.metadata: proxy (absent) or gateway
ROUTE = "gnomon.route"  # flow.metadata: name of the gateway route
SNI_HOST = "gnomon.host"  # flow.metadata: the agreed host name, where it is not the dialled one


class Worker:
    """Collaborators of one proxy worker."""

    def __init__(
        self,
        config: Config,
        telemetry: Telemetry,
        catalogue: Catalogue,
        policy: Policy,
        inspector: Inspector,
        watcher: Watcher,
        ledger: Ledger,
        account_keys: tuple[bytes, bytes],
        names_key: bytes,
        identify: Callable[[http.HTTPFlow], Principal],
    ) -> None:
        self.config = config
        self.telemetry = telemetry
        self.catalogue = catalogue
        self.policy = policy
        self.inspector = inspector
        self.watcher = watcher  # what the texts of streamed answers go through
        self.analyse: Analyse | None = None  # reads large bodies and documents in another process; None: on a thread
        self.naming: Naming | None = None  # reads names in requests; None: nobody asks for them
        self.adopted: Callable[[], None] = lambda: None  # told of another policy
        self.external: External | None = None  # an external data-loss system; None: nobody else is asked
        self.remembering: Remembering | None = None  # names in memories of providers; None: nothing is kept
        self.meter = Metering(config, ledger, telemetry)
        self.accounts = AccountBook(config.accounts, account_keys)
        self.tenants = Tenants(config.accounts.tenants)
        self._identify = identify
        self._names_key = names_key
        self.habit: Callable[[Facts, Inspection], Facts] = lambda facts, _: facts  # adds a label to unusual requests
        self.habit_later: Callable[[Facts, Inspection], tuple[Label, ...]] = (
            lambda _facts, _: ()
        )  # the same, where nobody waits for it
        self.expectations = Expectations()  # what a request tells of its answer
        self.counted = inspector.statistics  # what detectors have cost and found and the journal does not hold yet
        self.acknowledged: Callable[[Facts], bool] = lambda _: False  # whether a lesson has been read by its caller
        self.running: dict[str, http.HTTPFlow] = {}  # exchanges that were let go upstream and have no end yet, by id

    @property
    def stage(self) -> Stage:
        """The site's stage now."""
        return self.policy.stage

    def adopt(self, policy: Policy) -> None:
        """Use another policy for every exchange that begins from now on."""
        self.policy = policy
        self.adopted()

    def principal(self, flow: http.HTTPFlow) -> Principal:
        """Who asks; anonymous with the peer's address where no method knew it."""
        return self._identify(flow)

    def listener(self, flow: http.HTTPFlow) -> str:
        """Proxy or gateway."""
        return str(flow.metadata.get(LISTENER, "proxy"))

    def named_host(self, flow: http.HTTPFlow) -> str:
        """The host by which a flow is judged: the agreed name, not the address that is dialled."""
        return str(flow.metadata.get(SNI_HOST) or flow.request.host)

    def service_of(self, flow: http.HTTPFlow) -> Service | None:
        """The service by which a flow is governed: its route's or its host's; None: not AI."""
        route = flow.metadata.get(ROUTE)
        if route is not None:
            return self.catalogue.services[self.config.gateway.routes[route].service]
        return self.catalogue.match(self.named_host(flow))

    def facts(
        self, flow: http.HTTPFlow, service: Service, principal: Principal, inspection: Inspection, size: int
    ) -> Facts:
        """The typed facts of one exchange. Raises what a detector raises: names and heads are scanned as well."""
        request, pseudonyms, view = flow.request, self.telemetry.pseudonyms, inspection.view
        heads, account = self.inspector.heads, self.account(flow, service)
        name, version = heads.product(request.headers.get("user-agent", ""))
        return Facts(
            principal=pseudonyms.person(principal.name),
            client=pseudonyms.address(principal.address),
            groups=principal.groups,
            department=principal.department,
            identity_method=principal.method,
            assurance=principal.assurance,
            virtual_key=principal.key,
            key_services=principal.key_services,
            key_models=principal.key_models,
            service=service.id,
            category=service.category,
            surface=service.surface,
            listener=self.listener(flow),
            route=flow.metadata.get(ROUTE),
            host=self.named_host(flow),
            port=request.port,
            method=request.method[:16],
            path=self._path(request.path, inspection.model),
            api=inspection.api,
            model=self._model(inspection),
            models_beside=tuple(map(heads.model, _some(view.models_beside))),
            stream=inspection.stream,
            request_bytes=size,
            labels=inspection.labels,
            coverage=inspection.coverage,
            detector_version=inspection.detector_version,
            catalogue_version=self.catalogue.version,
            policy_version=self.policy.version,
            client_name=name,
            client_version=version,
            key_fingerprint=account.fingerprint,
            key_shape=account.shape,
            account=account.kind,
            account_id=account.id,
            conversation=self._conversation(principal, service, inspection),
            max_tokens=view.max_tokens if view.max_tokens and 0 < view.max_tokens <= MAX_TOKENS else None,
            tools_declared=tuple(map(heads.word, self.policy.foremost(view.tools_declared, MAX_TOOLS))),
            hosted_mcp=tuple(heads.word(host, 255) for host in self.policy.foremost(view.hosted_mcp, MAX_SERVERS)),
            uploads=inspection.uploads,
        )

    def _path(self, target: str, model: str | None) -> str:
        """As it may be written down. A long one in its plain form, so that what pads it hides no end of it."""
        path = self.inspector.heads.path(target, model)
        return path if len(path) <= MAX_PATH else plain_path(path)[:MAX_PATH]

    def _model(self, inspection: Inspection) -> str | None:
        """As asked for. What stood in a body is hidden as policy says (hiding.as_told), what stood in a path here."""
        model = inspection.model
        if not model:
            return None
        if any(segment.text == model for segment in inspection.segments):
            return model.encode("utf-8", "replace").decode()[:128]
        return self.inspector.heads.model(model)

    def _conversation(self, principal: Principal, service: Service, inspection: Inspection) -> str | None:
        """A digest of the protocol's own id, else of what opens the conversation."""
        view = inspection.view
        told = f"id|{view.conversation}" if view.conversation else view.conversation_seed
        return self.telemetry.pseudonyms.conversation(f"{principal.name}|{service.id}|{told}") if told else None

    def account(self, flow: http.HTTPFlow, service: Service) -> Told:
        """Whose account a request uses, as far as it is known by now."""
        route = flow.metadata.get(ROUTE)
        credential = "" if route is None else self.config.gateway.routes[route].credential
        return self.accounts.asked(flow.request, service, self.named_host(flow), credential)

    def known_facts(self, flow: http.HTTPFlow, service: Service, principal: Principal) -> Facts:
        """What is known of an exchange before its request has been read, for rules that ask for no more."""
        return Facts(
            principal=self.telemetry.pseudonyms.person(principal.name),
            client=self.telemetry.pseudonyms.address(principal.address),
            groups=principal.groups,
            department=principal.department,
            identity_method=principal.method,
            assurance=principal.assurance,
            virtual_key=principal.key,
            key_services=principal.key_services,
            key_models=principal.key_models,
            service=service.id,
            category=service.category,
            surface=service.surface,
            listener=self.listener(flow),
            route=flow.metadata.get(ROUTE),
            host=self.named_host(flow),
            port=flow.request.port,
            method=flow.request.method[:16],
            path="",
        )

    def bare_facts(self, flow: http.HTTPFlow, service: Service, principal: Principal, size: int) -> Facts:
        """What is known of an exchange that could not be inspected; nothing that it holds."""
        return Facts(
            principal=self.telemetry.pseudonyms.person(principal.name),
            client=self.telemetry.pseudonyms.address(principal.address),
            identity_method=principal.method,
            assurance=principal.assurance,
            virtual_key=principal.key,
            key_services=principal.key_services,
            key_models=principal.key_models,
            service=service.id,
            category=service.category,
            surface=service.surface,
            listener=self.listener(flow),
            host=self.named_host(flow),
            port=flow.request.port,
            method=flow.request.method[:16],
            path="",
            request_bytes=size,
            coverage=Coverage(size, opaque={"inspection_failed": size} if size else {}),
            catalogue_version=self.catalogue.version,
            policy_version=self.policy.version,
        )

    def renaming(self, verdict: Verdict, restoration: Restoration) -> Renaming | None:
        """What gives names to what a verdict pseudonymises; None: nothing is."""
        return Renaming(self._names_key, frozenset(verdict.named), restoration) if verdict.named else None

    def expected(self, service: Service, host: str, inspection: Inspection) -> Expected:
        """What a request tells of its answer: the provider's own hosts, those that it names, its instructions."""
        return self.expectations.of(inspection.segments, (*service.domains, *service.patterns, host))

    def with_leaks(self, inspection: Inspection) -> Inspection:
        """With what a request carries on of instructions that have leaked before: canaries of this site."""
        labels = self.expectations.leaked(inspection.segments)
        if not labels:
            return inspection
        return msgspec.structs.replace(inspection, labels=merged(inspection.labels, labels))

    def canary(self, facts: Facts) -> str:
        """What marks the instructions of the application that asks; empty: nothing does."""
        canaries = self.expectations.canaries
        if not self.config.inspect.canaries or canaries is None:
            return ""
        return canaries.token(f"{facts.service}|{facts.client_name}|{facts.key_fingerprint}")

    def judge(self, facts: Facts, service: Service) -> Verdict:
        """The verdict, now."""
        return self.policy.decide(facts, service, self.telemetry.clock(), lambda: self.acknowledged(facts))


def allowed_client(address: str, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    """Whether `listen.clients` admits a peer address; no networks: everybody (the bind rule guards that case)."""
    if not networks:
        return True
    peer = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(peer, ipaddress.IPv6Address) and peer.ipv4_mapped:
        peer = peer.ipv4_mapped
    return any(peer in network for network in networks)


def _some(models: tuple[str, ...]) -> tuple[str, ...]:
    """What is written down of many; that there were more is a name that is on no list of allowed ones."""
    return models if len(models) <= MAX_BESIDE else (*models[: MAX_BESIDE - 1], "(more)")
