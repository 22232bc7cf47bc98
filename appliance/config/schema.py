"""What may stand in the configuration file: one frozen record per section, one line per key.

Owns: names, types and defaults of every key. Rules: unknown keys are refused; paths are text here and absolute after
`load`; sizes are bytes, times are seconds unless the name ends in `_ms`, ages are days; the comment after a field is
its line in docs/reference/config.md, so it is written for the operator.
"""

import os
from pathlib import Path
from typing import Literal

import msgspec

from appliance.config.account_schema import Accounts, Sealing
from appliance.config.budget_schema import BudgetEntry, BudgetMatch, Metering, PricesConfig, Site
from appliance.config.identity_schema import AddressEntry, Identity
from appliance.config.placement_schema import Central, Peers, Role
from appliance.config.route_schema import Health, ProviderEntry, RouteEntry, TargetEntry, Tries, ViaEntry, filled
from appliance.config.section import Section
from appliance.config.signals_schema import BaselineEntry, LogConfig, MetricsConfig, OtelConfig, SignalsConfig
from appliance.model.names import Stage

__all__ = [
    "AddressEntry",
    "BudgetEntry",
    "BudgetMatch",
    "Identity",
    "ProviderEntry",
    "RouteEntry",
    "Section",
    "TargetEntry",
]  # defined beside this file, and read from here

MIB = 1 << 20
GIB = 1 << 30

# Tables of the store that hold dated rows, with the days they are kept unless the configuration says otherwise.
RETENTION_DAYS: dict[str, int] = {
    "exchanges": 90,
    "refusals": 90,
    "notices": 90,
    "tunnels": 30,
    "detectors": 365,
    "losses": 30,
    "observations": 30,
    "findings": 365,
    "hosts": 90,
    "persons": 90,
}


def default_state_dir() -> str:
    """/var/lib/gnomon for root, else $XDG_STATE_HOME/gnomon or ~/.local/state/gnomon."""
    if os.geteuid() == 0:
        return "/var/lib/gnomon"
    base = os.environ.get("XDG_STATE_HOME")
    return str((Path(base) if base else Path.home() / ".local" / "state") / "gnomon")


def default_run_dir(state_dir: str) -> str:
    """/run/gnomon for root, else $XDG_RUNTIME_DIR/gnomon, else `run` inside the state folder.

    Only with the default state folder: a state folder of one's own keeps its sockets with it, so that two appliances
    on one machine never share them.
    """
    if state_dir != default_state_dir():
        return str(Path(state_dir) / "run")
    if os.geteuid() == 0:
        return "/run/gnomon"
    base = os.environ.get("XDG_RUNTIME_DIR")
    return str(Path(base) / "gnomon") if base else str(Path(state_dir) / "run")


class Listen(Section, frozen=True):
    """Where clients reach the appliance."""

    proxy: str = "127.0.0.1:8080"  # address and port of the forward proxy
    gateway: str = "127.0.0.1:4000"  # address and port of the gateway
    clients: tuple[str, ...] = ()  # networks that may connect; off loopback this or an identity method is needed
    certificate: str | None = None  # PEM chain for TLS towards clients; needed off loopback for gateway and passwords
    key: str | None = None  # PEM private key of that certificate


class PrivateException(Section, frozen=True):
    """A private destination that may be dialled although private addresses are refused."""

    network: str  # e.g. 10.9.0.0/16 or 127.0.0.1
    port: int  # the one port that may be dialled there
    purpose: str  # why; shown in reports, never empty


class Egress(Section, frozen=True):
    """How the appliance reaches upstreams, and what it opens on the way."""

    hosts: dict[str, str] = {}  # dial another place: "api.openai.com:443": "127.0.0.1:9443"
    ca_bundle: str | None = None  # PEM file of authorities trusted for upstreams instead of the system's
    allow_private: tuple[PrivateException, ...] = ()  # exceptions to the refusal of private and metadata addresses
    intercept: Literal["ai", "ai+unclassified", "all"] = "ai"  # which TLS is opened: AI names, also unknown names, all
    never: tuple[str, ...] = ()  # names never opened: exact, or .suffix for a whole domain; always wins
    via: tuple[ViaEntry, ...] = ()  # parent proxies, the first that fits a destination
    connect_timeout_s: float = 10  # for one dial, name look-up included
    idle_timeout_s: float = 600  # a connection without a byte for so long is closed
    max_body_bytes: int = 32 * MIB  # larger request bodies are refused with 413
    max_head_bytes: int = 64 * 1024  # larger request heads are refused with 431


def default_routes() -> dict[str, RouteEntry]:
    """Only OpenAI: the one dialect that is fully read."""
    return {"openai": RouteEntry(service="openai", target="https://api.openai.com")}


class Gateway(Section, frozen=True):
    """The listener that SDKs use as base URL."""

    routes: dict[str, RouteEntry] = msgspec.field(default_factory=default_routes)  # route name to its target
    default_route: str = "openai"  # the route behind /v1/*, /chat/completions and /models
    tries: Tries = Tries()  # how often and how long targets are tried
    health: Health = Health()  # when a target comes last
    credentials_dir: str | None = None  # folder of held keys, one file NAME (0600) each; else state_dir/credentials
    sealing: Sealing | None = None  # what held keys are sealed with; without it a key derived from the site key


class JournalConfig(Section, frozen=True):
    """The write-ahead audit journal of each worker."""

    max_bytes: int = GIB  # per worker; alarm at 80 %, at 100 % AI traffic fails closed in stage enforce
    sync_ms: float = 50  # longest time between a write and its fdatasync


class StoreConfig(Section, frozen=True):
    """The DuckDB store."""

    retention: dict[str, int] = {}  # table to days; tables not named keep their default
    analyst_group: str | None = None  # system group that may use analyst.sock
    memory_limit: str = "512MB"  # DuckDB's own memory limit

    def days(self, table: str) -> int:
        """How many days rows of `table` are kept; KeyError for a table without retention."""
        return self.retention.get(table, RETENTION_DAYS[table])


class PolicyConfig(Section, frozen=True):
    """Which rules hold."""

    file: str | None = None  # policy file; without it the embedded default policy holds


class CatalogueConfig(Section, frozen=True):
    """Which names are AI services."""

    override: str | None = None  # YAML file or folder that adds, changes and removes services, by id


class CaConfig(Section, frozen=True):
    """The certificate authority."""

    dir: str | None = None  # folder of root and intermediate; without it state_dir/ca


type ClassifierLabel = Literal["benign", "injection", "jailbreak"]


class IcapConfig(Section, frozen=True):
    """An external data-loss system over ICAP (RFC 3507, REQMOD). What it finds is the label EXTERNAL_DLP."""

    address: str  # e.g. icap://dlp.example.com:1344/reqmod
    deadline_s: float = 5  # what it may take for one request
    on_failure: Literal["close", "pass"] = "close"  # pass: the request carries the label EXTERNAL_DLP_FAILED


class ClassifierConfig(Section, frozen=True):
    """A transformer of your own that looks for prompt injection in requests: an ONNX file, read in a process apart."""

    model: str  # ONNX file of a classifier of texts, its weights inside
    tokenizer: str  # its tokenizer.json
    sha256: str  # of the model, as `sha256sum` prints it; another file is refused
    tokenizer_sha256: str  # of the tokenizer
    labels: tuple[ClassifierLabel, ...] = ("benign", "injection")  # what its outputs mean, in their order
    threshold: float = 0.5  # from which probability on it is a finding
    max_tokens: int = 512  # of one window; longer texts are read in several
    when: Literal["wait", "late"] = "late"  # wait: before the verdict; late: told with the close record
    deadline_s: float = 5  # what it may take for one request that waits
    on_failure: Literal["close", "pass"] = "close"  # pass: what waited goes on with the label CLASSIFIER_FAILED


type SensitivityLevel = Literal["public", "internal", "confidential", "restricted"]


class InspectConfig(Section, frozen=True):
    """How bodies are read. A detector that fails never lets text pass unmarked."""

    max_text_chars: int = 2_000_000  # code points scanned per body; of what is longer, the beginning only
    max_decoded_bytes: int = 64 * MIB  # a body that decompresses to more is treated as a bomb and refused
    max_ratio: int = 200  # highest ratio of decoded to encoded bytes
    analyse_s: float = 20  # what the process that reads large bodies and documents may take for one before it is ended
    recognisers: str | None = None  # YAML file of own patterns to be found, with examples that are tried at the start
    sensitivity: dict[str, SensitivityLevel] = {}  # guid of a Microsoft sensitivity label: what it means here
    names: Literal["off", "late"] = "off"  # names of people, places, organisations where no rule asks: late tells them
    names_s: float = 5  # what reading a request for names may take where a rule waits for them
    max_time_s: float = 10  # for all texts of one body; what is left then counts as unscanned, out_of_time
    early_exit: bool = False  # stop reading a request at the first finding that has it blocked; the record says so
    links_allowed: tuple[str, ...] = ()  # hosts that answers may link to: exact, .suffix of a domain, with *
    classifier: ClassifierConfig | None = None  # a transformer of your own that reads requests for injections
    packages: str | None = None  # file of known package names (`gnomon packages build`), to tell those that are none
    icap: IcapConfig | None = None  # an external data-loss system that is asked about every request to an AI service
    pseudonyms_kept_s: float = 86400  # how long names in memories that providers keep come back as values; 0: never
    canaries: bool = False  # mark each application's instructions with a token of its own, to know them when they leak


class SensorConfig(Section, frozen=True):
    """The passive sensor. It reads copies of packets and sends none."""

    interfaces: tuple[str, ...] = ()  # network interfaces to watch, e.g. a mirrored port; needs CAP_NET_RAW
    captures: tuple[str, ...] = ()  # capture files (pcap, pcapng) to read once at start
    folder: str | None = None  # folder into which captures are rotated: each whole file is read once, over restarts too
    folder_settled_s: float = 10  # a file there counts as whole when it has not changed for so long, or was renamed
    advisories: str | None = None  # YAML file: what is bad at this site, and which known advisories do not hold here
    fingerprints: str | None = None  # YAML file of the site's own: programs by user agent, path, port and TLS handshake
    user: str = "nobody"  # whom processes that parse packets, documents and large bodies become when started as root
    processes: int = 1  # that share the packets of each interface, a flow staying with one of them; 1 to 16
    suppression_s: float = 300  # repeated sightings of one client, service and kind become one record in this time
    hosts: bool = True  # keep an inventory of private addresses: what hosts are called, and by which hardware address
    cadence: bool = False  # a weak hint where no name is told: encrypted answers that come word by word


class FindingsConfig(Section, frozen=True):
    """Findings, made of what proxy and sensor saw."""

    suppression_s: float = 3600  # the same evidence is not kept again within this time


class Portal(Section, frozen=True):
    """The appliance's own pages: what people read when something was stopped."""

    contact: str = ""  # whom to ask, as it stands on the pages, e.g. a mail address or a channel
    address: str | None = None  # how clients reach the gateway, e.g. https://ai.example.com; without it as they came
    approved: str | None = None  # the approved chat, e.g. https://chat.example.com: where redirects of web chats lead
    acknowledged_s: float = 28800  # how long an acknowledged notice lets its reader go on


class Config(Section, frozen=True):
    """The whole configuration."""

    role: Role = "appliance"  # appliance: by itself, or central; edge, sidecar: works with a central one
    listen: Listen = Listen()  # where clients reach the appliance
    state_dir: str = msgspec.field(default_factory=default_state_dir)  # journals, store, policy, authority
    run_dir: str = ""  # sockets and effective configuration; empty: derived from state_dir
    workers: int = 1  # proxy workers; 0: one per processor core
    stage: Stage = Stage.OBSERVE  # observe records would-be verdicts and changes no byte; enforce acts
    drain_s: float = 60  # how long a stopping worker lets exchanges finish
    identity: Identity = Identity()  # how callers are known
    egress: Egress = Egress()  # how upstreams are reached
    providers: dict[str, ProviderEntry] = {}  # places that answer, by name; targets of routes name them
    gateway: Gateway = Gateway()  # routes of the gateway
    journal: JournalConfig = JournalConfig()  # the audit journal
    store: StoreConfig = StoreConfig()  # the evidence store
    policy: PolicyConfig = PolicyConfig()  # rules
    catalogue: CatalogueConfig = CatalogueConfig()  # AI services
    ca: CaConfig = CaConfig()  # certificate authority
    inspect: InspectConfig = InspectConfig()  # reading bodies
    sensor: SensorConfig = SensorConfig()  # what is watched on the wire
    findings: FindingsConfig = FindingsConfig()  # what analysts decide about
    site: Site = Site()  # where the appliance stands
    metering: Metering = Metering()  # what is reserved of budgets
    budgets: tuple[BudgetEntry, ...] = ()  # quotas and budgets
    prices: PricesConfig = PricesConfig()  # what tokens cost
    portal: Portal = Portal()  # pages for people whose requests were stopped
    signals: SignalsConfig = SignalsConfig()  # model extraction and overload
    metrics: MetricsConfig = MetricsConfig()  # the endpoint for Prometheus
    otel: OtelConfig = OtelConfig()  # OpenTelemetry
    log: LogConfig = LogConfig()  # log lines
    neutrality: dict[str, BaselineEntry] = {}  # catalogue id to how that service does without the appliance
    accounts: Accounts = Accounts()  # accounts with providers
    central: Central | None = None  # of an edge or a sidecar: the central appliance
    peers: Peers | None = None  # of a central appliance: its edges and sidecars

    def __post_init__(self) -> None:
        """Fill the run folder and what routes take from their targets, so that every holder sees the real ones."""
        if not self.run_dir:
            msgspec.structs.force_setattr(self, "run_dir", default_run_dir(self.state_dir))
        if any(route.targets for route in self.gateway.routes.values()):
            routes = {name: filled(route, self.providers) for name, route in self.gateway.routes.items()}
            gateway = msgspec.structs.replace(self.gateway, routes=routes)
            msgspec.structs.force_setattr(self, "gateway", gateway)

    @property
    def ships_records(self) -> bool:
        """Records go to a central appliance, and no store runs here."""
        return self.central is not None and self.central.journal is not None

    @property
    def ca_dir(self) -> Path:
        """The folder of the certificate authority."""
        return Path(self.ca.dir) if self.ca.dir else Path(self.state_dir) / "ca"

    @property
    def credentials_dir(self) -> Path:
        """The folder of held keys."""
        given = self.gateway.credentials_dir
        return Path(given) if given else Path(self.state_dir) / "credentials"

    @property
    def worker_count(self) -> int:
        """Workers to start: `workers`, or one per processor that this process may use."""
        return self.workers or max(1, len(os.sched_getaffinity(0)))
