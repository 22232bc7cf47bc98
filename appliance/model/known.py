"""What is known of AI software: how it shows itself, and which of it is bad; the program's own lists and a site's.

Rules: records only. Confidences are 0-1 and say how sure one sign alone makes it that traffic is of that service; user
agents and software are in lower case. The fields of the files are explained in discovery/known/README.md.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from appliance.model.names import FindingKind, Severity

MAX_TEXT = 200

type Sure = Annotated[float, Meta(gt=0, le=1)]
type Port = Annotated[int, Meta(ge=1, le=65_535)]
type Word = Annotated[str, Meta(min_length=1, max_length=64)]
type Path = Annotated[str, Meta(pattern="^/", max_length=128)]
type Version = Annotated[str, Meta(pattern=r"^\d{1,9}(\.\d{1,9}){0,4}$")]
type Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
type Source = Annotated[str, Meta(pattern="^https://", max_length=300)]
type Date = Annotated[str, Meta(pattern=r"^20\d\d(-[01]\d(-[0-3]\d)?)?$")]
# The format of FoxIO's JA4; the third part may be left out: what it counts differs from host to host.
type Ja4 = Annotated[str, Meta(pattern=r"^[tqd][0-9a-z]{9}_[0-9a-f]{12}(_[0-9a-f]{12})?$")]


class Show(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that an answer shows; exactly one of the first six is set.

    `json`: members with their values, `*` at the end of one: it begins so, empty: any. `version`: the member or header
    that tells it, `value`: the header itself.
    """

    json: dict[Word, str] | None = None
    header: Word | None = None
    headers: tuple[Word, ...] = ()
    text: Word | None = None
    title: Word | None = None
    metric: Word | None = None
    begins: str = ""
    version: Word | None = None
    sure: Sure


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Software that people run themselves."""

    service: Word
    ports: tuple[Port, ...]
    alone: Sure
    paths: tuple[Path, ...]
    common: tuple[Path, ...] = ()
    versions: tuple[Path, ...] = ()
    api: bool = False
    port_alone: Sure | None = None
    software: Word | None = None  # as advisories call it; None: as the service
    shows: tuple[Show, ...] = ()


class Client(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program by how its user agent begins, in lower case. `service` None: any AI software."""

    agent: Word
    service: Word | None = None


class Handshake(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program by the JA4 of its TLS hello. `ai`: it does nothing but AI, so that its hello alone is a weak hint."""

    ja4: Ja4
    program: Word
    ai: bool = False


class Range(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Releases from `since` (None: from the first) up to `last`, or those before `before`."""

    since: Version | None = None
    last: Version | None = None
    before: Version | None = None


class Advisory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of them. `names`: hosts, `.name` with all below."""

    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{4,40}$")]
    title: Text
    kind: Literal["compromise", "vulnerability", "caution"]
    severity: Literal["critical", "high", "medium"]
    published: Date
    sources: Annotated[tuple[Source, ...], Meta(min_length=1)]
    software: Text | None = None
    affected: tuple[Range, ...] = ()
    names: tuple[Text, ...] = ()
    categories: tuple[Text, ...] = ()

    @property
    def finding(self) -> FindingKind | None:
        """The finding that it raises; None: it stands in the evidence only."""
        if self.kind == "compromise":
            return FindingKind.COMPROMISED
        urgent = Severity(self.severity).rank >= Severity.HIGH.rank
        return FindingKind.VULNERABLE if self.kind == "vulnerability" and urgent else None

    @property
    def text(self) -> str:
        """As it stands in evidence."""
        return f"advisory {self.id} ({self.severity}, {self.published}): {self.title}"


class AdvisoriesFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site's advisories. `withdraw`: ids of the program's own that do not hold at this site."""

    advisories: tuple[Advisory, ...] = ()
    withdraw: tuple[Text, ...] = ()


class OwnServer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server of a site's own, by ports and request paths; what answers show needs the program's own parsers."""

    service: Word
    ports: tuple[Port, ...] = ()
    paths: tuple[Path, ...] = ()
    common: tuple[Path, ...] = ()
    alone: Sure = 0.7
    api: bool = False
    port_alone: Sure | None = None

    @property
    def server(self) -> Server:
        """As the program's own lists have it."""
        return Server(
            service=self.service,
            ports=self.ports,
            paths=self.paths,
            common=self.common,
            alone=self.alone,
            api=self.api,
            port_alone=self.port_alone,
        )


class FingerprintsFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A site's fingerprints. `withdraw`: user agents of the program's own list that say nothing at this site."""

    clients: tuple[Client, ...] = ()
    servers: tuple[OwnServer, ...] = ()
    handshakes: tuple[Handshake, ...] = ()
    withdraw: tuple[Word, ...] = ()


class SiteKnown(msgspec.Struct, frozen=True, kw_only=True):
    """Both files as they were read, and a digest of them; empty: there is none."""

    advisories: AdvisoriesFile = AdvisoriesFile()
    fingerprints: FingerprintsFile = FingerprintsFile()
    version: str = ""
