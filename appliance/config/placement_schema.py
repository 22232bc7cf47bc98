"""The keys `role`, `central` and `peers`: one appliance among several.

Rules: as in `schema`: the comment after a field is its line in docs/reference/config.md, written for the operator; no
secret stands in the configuration, only the names of files that hold one.
"""

from typing import Literal

from appliance.config.section import Section

type Role = Literal["appliance", "edge", "sidecar"]
type PeerRole = Literal["edge", "sidecar"]
type Assertable = Literal["users", "groups", "departments"]


class Central(Section, frozen=True):
    """The central appliance of an edge or a sidecar. Both sides prove themselves by certificate, TLS 1.3 only."""

    name: str  # this appliance's own name, as its certificate says it (DNS name, else common name)
    ca: str  # PEM file of the authorities that sign the central appliance's certificate; its name is verified
    certificate: str  # PEM chain that proves this appliance
    key: str  # PEM private key of that certificate, mode 0600
    journal: str | None = None  # host and port to which records are shipped; then no store runs here
    targets: tuple[str, ...] = ()  # of an edge: hosts and ports that take its exchanges, the next where one fails


class AcceptEntry(Section, frozen=True):
    """What a peer may do here."""

    roles: tuple[PeerRole, ...]  # what it may be
    may_assert: tuple[Assertable, ...] = ()  # of an edge: what it may say about the people behind it


class Peers(Section, frozen=True):
    """The edges and sidecars of a central appliance. Both sides prove themselves by certificate, TLS 1.3 only."""

    ca: str  # PEM file of the authorities that sign certificates of peers
    certificate: str  # PEM chain that proves this appliance to them
    key: str  # PEM private key of that certificate, mode 0600
    accept: dict[str, AcceptEntry]  # names that certificates of peers may say, and what each may do
    journal: str | None = None  # address and port that take the records of edges and sidecars
    exchanges: str | None = None  # address and port that take the exchanges of edges
