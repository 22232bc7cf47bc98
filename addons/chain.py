"""The composition root of a worker: which addons there are, in which order, with which collaborators.

Rules: the order is the order of the hooks and is stated once, here; every addon goes through the guard; whatever cannot
be made stops the worker before it listens. On the way up: edges knows whom a peer vouches for, identity who asks, the
gateway gives a destination, egress checks names, the portal answers for our own pages, exchange judges; on the way down
streaming passes and closes the record.
"""

import contextlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from mitmproxy import connection, http

from addons.acknowledged import Acknowledgements
from addons.analysing import Analyser, AnalysingAddon
from addons.answer_events import EventsAnswer
from addons.central import Hop
from addons.classifying import classifying
from addons.conversing import ConversingAddon
from addons.costs import CostsAddon
from addons.dialling import dialler_of
from addons.edges import EdgesAddon, HopHeadersAddon
from addons.egress import EgressAddon
from addons.endings import FAULT
from addons.exchange import ExchangeAddon
from addons.external import External
from addons.failclosed import Guard
from addons.faults import fault_of
from addons.follow import FollowAddon
from addons.gateway import GatewayAddon, keeps_callers_keys
from addons.habits import FOLDER as HABITS
from addons.habits import Habits, HabitsAddon
from addons.identity import IdentityAddon
from addons.issuers import IssuerKeys
from addons.keys import OverdueAddon, loaded
from addons.learning import LearningAddon
from addons.listener_tls import ListenerTls
from addons.names_beside import NamesReader
from addons.naming import NamingAddon
from addons.notices import Notices
from addons.ongoing import exchange_of
from addons.peer_tls import hop_context, peers_context, signing_key
from addons.portal import PortalAddon
from addons.probing import ProbingAddon
from addons.refusals import RefusalsAddon, stranger, turned_away
from addons.rejecting import RejectingAddon
from addons.remembering import Remembering, RememberingAddon
from addons.routing import Routing
from addons.shipping import ShippingAddon
from addons.standing import StandingAddon
from addons.streaming import StreamingAddon
from addons.target_health import target_health
from addons.telemetry import Telemetry
from addons.tls import TlsAddon, listener_context
from addons.upstream import cancel_stream
from addons.upstream.dial import Opened
from addons.websocket import WebsocketAddon
from addons.worker import Worker
from appliance.bus import programs, rejected
from appliance.bus.control import TargetHealth
from appliance.bus.ownflows import region_of
from appliance.bus.programs import Programs
from appliance.bus.rejected import Rejected
from appliance.ca.files import load_intermediates
from appliance.ca.leaf_cache import LeafCache
from appliance.config.catalogue import load_catalogue
from appliance.config.detection import detection_settings, has_more
from appliance.config.kept_names import KeptNames
from appliance.config.schema import Config
from appliance.config.site_key import derive, load_site_key
from appliance.config.tables import tables_folder
from appliance.confine import privileges
from appliance.identity.assemble import make_identification
from appliance.identity.edges import Edges
from appliance.identity.virtual_key_file import VirtualKeyFile
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.dialects import Dialect
from appliance.inspect.dialects.registry import choose
from appliance.inspect.inspection import Inspector, Limits
from appliance.inspect.output.canary import Canaries
from appliance.inspect.output.expected import Expectations
from appliance.inspect.stream.warming import warm
from appliance.inspect.stream.watching import Watching
from appliance.journal.writer import Journal
from appliance.ledger.ledger import Ledger
from appliance.model.catalogue import Catalogue
from appliance.model.errors import OperatorError
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason
from appliance.model.pseudonym import Pseudonyms
from appliance.net.intercept import Interception
from appliance.policy.answers import hidden_of, hides_answers
from appliance.policy.disk import read_current
from appliance.policy.engine import Policy, compile_policy
from appliance.policy.snapshot import PolicySnapshot

PASSWORD_THREADS = 2
DIRECTORY_THREADS = 8  # they wait for a directory and need no processor


class Faults:
    """Counts and journals faults of ours; never raises. Only the type and place of an exception are told."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def fault(self, where: str, error: BaseException) -> None:
        """One fault."""
        self._telemetry.counts["faults"] += 1
        try:
            self._telemetry.notice("alarm", "guard_fault", f"{where}: {type(error).__name__}")
        except BaseException as again:  # noqa: BLE001 - the journal may be what failed; the guard closes all the same
            fault_of(again)
            self._telemetry.counts["faults_untold"] = self._telemetry.counts.get("faults_untold", 0) + 1


class Compiler:
    """Makes a policy out of a snapshot, with this site's keys."""

    def __init__(self, catalogue: Catalogue, site_key: bytes, pseudonyms: Pseudonyms) -> None:
        self._catalogue = catalogue
        self._percent_key = derive(site_key, b"gnomon-percent")
        self._person = pseudonyms.person

    def __call__(self, snapshot: PolicySnapshot) -> Policy:
        """OperatorError: the snapshot holds an unsound rule."""
        return compile_policy(snapshot, self._catalogue, self._percent_key, self._person)


def build_chain(config: Config, name: str, opened: Opened | None = None) -> list[object]:
    """All addons of worker `name`, guarded, in order. `opened` hears of connections beside those of exchanges."""
    state = Path(config.state_dir)
    site_key = load_site_key(state)
    pseudonyms = Pseudonyms(site_key)
    catalogue = load_catalogue(Path(config.catalogue.override) if config.catalogue.override else None)
    compiler = Compiler(catalogue, site_key, pseudonyms)
    journal = Journal(state / "journal", name, time.time_ns(), max_bytes=config.journal.max_bytes)
    telemetry = Telemetry(name, journal, pseudonyms, config.journal.sync_ms)
    identity = _identity(config, telemetry, site_key, catalogue, opened)
    detectors = Detectors.load(tables_folder(state), settings=detection_settings(config))
    inspector = Inspector(detectors, _limits(config))
    worker = Worker(
        config,
        telemetry,
        catalogue,
        compiler(_first_snapshot(state)),
        inspector,
        Watching(detectors),
        Ledger(state / "ledger" / "counters.map", make=False, zone=ZoneInfo(config.site.timezone)),
        (derive(site_key, b"gnomon-keyprint"), derive(site_key, b"gnomon-accounts")),
        derive(site_key, b"gnomon-names"),
        identity.principal,
    )
    worker.expectations = Expectations(config.inspect.links_allowed, Canaries(derive(site_key, b"gnomon-canary")))
    warm(worker.watcher, tuple(hidden_of(rule) for rule in worker.policy.snapshot.rules if hides_answers(rule)))
    worker.external = External(config.inspect.icap) if config.inspect.icap else None
    kept = KeptNames(state, site_key, config.inspect.pseudonyms_kept_s, telemetry.clock)
    worker.remembering = Remembering(kept, telemetry)
    faults = Faults(telemetry)
    guard = Guard(faults, lambda: worker.stage, _cut, partial(turned_away, worker))
    streaming = StreamingAddon(worker, guard)
    guard.forsaken = streaming.forsaken
    sender = loaded(config, telemetry)
    acknowledgements = _acknowledgements(config, worker, site_key)
    analyser = _analyser(config, state)
    routing = Routing(config, catalogue, sender, derive(site_key, b"gnomon-sticky"))
    exchanges = ExchangeAddon(worker, sender, Notices(worker, acknowledgements, sender), routing)
    addons = [
        *_who(config, worker, identity),
        GatewayAddon(worker, sender, routing),
        EgressAddon(worker, Interception(config.egress.intercept, config.egress.never, catalogue)),
        _tls(config, worker),
        PortalAddon(worker, acknowledgements),
        exchanges,
        ConversingAddon(worker, exchanges.request),
        streaming,
        WebsocketAddon(worker, guard),
        RefusalsAddon(worker, identity.of_client),
        FollowAddon(worker, compiler, streaming, lambda: journal.fill, _targets(worker, routing)),
        StandingAddon(worker.running, streaming.farewell, faults.fault),
        HabitsAddon(Habits(state / HABITS, name, derive(site_key, b"gnomon-habits"), telemetry.clock), worker),
        RememberingAddon(worker.remembering),
        CostsAddon(worker, analyser),
        ShippingAddon(worker, journal),
        AnalysingAddon(worker, analyser),
        NamingAddon(worker, NamesReader(_reading_user(config), config.inspect.names_s)),
        *_aside(config, worker, routing, opened),
    ]
    return [*(guard.wrap(addon) for addon in addons), *_hop(config, worker)]


def _aside(config: Config, worker: Worker, routing: Routing, opened: Opened | None) -> list[object]:
    """What no exchange waits for."""
    keys = OverdueAddon(config, worker.telemetry)
    edge = config.role == "edge"  # which dials no provider, to see how it is either
    probing = () if edge else (ProbingAddon(config, routing, opened=opened),)
    classifiers = classifying(worker, _reading_user(config))
    return [*classifiers, keys, *probing, *_learning(config, worker), *_rejecting(config, worker)]


def _who(config: Config, worker: Worker, identity: IdentityAddon) -> list[object]:
    """What knows who asks."""
    return [EdgesAddon(worker, _edges(config)), identity, HopHeadersAddon()]


def _edges(config: Config) -> Edges | None:
    """Whom this appliance believes as an edge; None: it has no listener for edges."""
    if config.peers is None or config.peers.exchanges is None:
        return None
    return Edges(config.peers.accept, required=config.identity.required)


def _hop(config: Config, worker: Worker) -> list[Hop]:
    """Of an edge, what the seam asks before it dials (`launch.hop_of`)."""
    if config.role != "edge" or config.central is None:
        return []
    return [Hop(worker, config.central, signing_key(config.central))]


def _targets(worker: Worker, routing: Routing) -> Callable[[], tuple[TargetHealth, ...]]:
    """How the targets of routes are, whenever the supervisor is told."""
    return partial(target_health, routing, worker.config.gateway.routes, worker.telemetry.clock)


def _learning(config: Config, worker: Worker) -> list[object]:
    """What tells sensors of programs; none where there is no table: no reason not to serve."""
    name = worker.telemetry.worker
    try:
        table = Programs(Path(config.run_dir) / programs.NAME, region_of(name), write=True)
    except (OSError, OperatorError):
        return []
    catalogue, product = worker.catalogue, worker.inspector.heads.product
    return [LearningAddon(table, lambda host: catalogue.match(host) is not None, product, worker.telemetry.clock)]


def _rejecting(config: Config, worker: Worker) -> list[object]:
    """What tells sensors of clients that reject our certificate; none where there is no table, likewise."""
    try:
        table = Rejected(Path(config.run_dir) / rejected.NAME, region_of(worker.telemetry.worker), write=True)
    except (OSError, OperatorError):
        return []

    def service(host: str) -> str | None:
        found = worker.catalogue.match(host)
        return None if found is None else found.id

    return [RejectingAddon(table, service, worker.telemetry.clock)]


def _first_snapshot(state: Path) -> PolicySnapshot:
    snapshot = read_current(state / "policy")
    if snapshot is None:
        raise OperatorError(f"{state / 'policy'}: no policy snapshot; start the appliance with `gnomon up`")
    return snapshot


def _acknowledgements(config: Config, worker: Worker, site_key: bytes) -> Acknowledgements:
    made = Acknowledgements(
        Path(config.state_dir),
        derive(site_key, b"gnomon-portal"),
        config.portal.acknowledged_s,
        worker.telemetry.clock,
    )
    worker.acknowledged = made.hold
    return made


def _identity(
    config: Config, telemetry: Telemetry, site_key: bytes, catalogue: Catalogue, opened: Opened | None
) -> IdentityAddon:
    def report(reason: RefusalReason, principal: Principal, host: str, port: int, detail: str, listener: str) -> None:
        telemetry.refused(reason, principal, host, port, detail=detail, listener=listener)

    settings, egress, state = config.identity, config.egress, Path(config.state_dir)
    count = DIRECTORY_THREADS if settings.ldap is not None else PASSWORD_THREADS
    threads = ThreadPoolExecutor(count, thread_name_prefix="password")
    keys = VirtualKeyFile(state, site_key) if settings.virtual_keys else None
    fetch = None
    if settings.tokens:
        fetch = IssuerKeys(dialler_of(config, opened=opened), egress.ca_bundle)
    identification = make_identification(settings, threads, virtual_keys=keys, fetch=fetch, opened=opened, state=state)
    keeps = keeps_callers_keys(config)
    trouble = partial(telemetry.notice, "alarm", "identity_trouble")
    told = partial(_spoken, catalogue)
    return IdentityAddon(
        identification, report, keeps=keeps, tokens=bool(settings.tokens), trouble=trouble, dialect=told
    )


def _spoken(catalogue: Catalogue, flow: http.HTTPFlow) -> Dialect | None:
    """What a request to a service speaks by its address; None: it is no service's, or no call."""
    service = catalogue.match(flow.request.host)
    return choose(flow.request.method, flow.request.path, service.dialect) if service is not None else None


def _analyser(config: Config, state: Path) -> Analyser:
    told = Path(config.run_dir) if has_more(config) else None
    return Analyser(tables_folder(state), _limits(config), _reading_user(config), config.inspect.analyse_s, told)


def _reading_user(config: Config) -> tuple[int, int] | None:
    """Whom a process becomes that reads hostile bytes."""
    return privileges.user_ids(config.sensor.user) if os.geteuid() == 0 else None


def _limits(config: Config) -> Limits:
    inspect = config.inspect
    return Limits(
        max_body=inspect.max_decoded_bytes,
        max_ratio=inspect.max_ratio,
        max_text=inspect.max_text_chars,
        max_scanned=inspect.max_text_chars,
        max_time_s=inspect.max_time_s,
    )


def _tls(config: Config, worker: Worker) -> TlsAddon:
    def unservable(client: connection.Client, host: str, detail: str) -> None:
        worker.telemetry.refused(RefusalReason.OUTSIDE_INTERCEPT, stranger(client), host, 0, detail=detail)

    bundle = Path(config.egress.ca_bundle) if config.egress.ca_bundle else None
    leaves, listen = LeafCache(load_intermediates(config.ca_dir)), config.listen
    listener = None
    if listen.certificate and listen.key:
        clients = config.identity.certificates
        listener = ListenerTls(Path(listen.certificate), Path(listen.key), clients, listener_context).context
    peers = peers_context(config.peers) if config.peers and config.peers.exchanges else None
    hop = hop_context(config.central) if config.role == "edge" and config.central else None
    return TlsAddon(leaves, unservable=unservable, ca_bundle=bundle, listener=listener, peers=peers, hop=hop)


def _cut(flow: http.HTTPFlow) -> bytes:
    """A fault ends the flow; where a dialect can say so in a stream, these are its words.

    They go out with the piece at hand: when the flow is cancelled, its end may have come.
    """
    exchange, words = exchange_of(flow), b""
    if exchange is not None and isinstance(exchange.answer, EventsAnswer):
        with contextlib.suppress(Exception):  # its reader may be what failed
            words = exchange.answer.torn_words(FAULT)
    cancel_stream(flow, b"", FAULT)
    return words
