"""An analyst's decision: append-only; undo is a new decision that names the old one.

Rules: author and role come from the socket's peer credentials, never from the message.
"""

import msgspec

from appliance.model.names import DecisionKind, Surface


class Scope(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a decision binds; all empty: everyone. Several fields: any of them."""

    principals: tuple[str, ...] = ()  # principal digests
    groups: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()  # address digests

    @property
    def everyone(self) -> bool:
        """No narrowing at all."""
        return not (self.principals or self.groups or self.clients)


class Proposal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an analyst asks for, before the store has stamped it."""

    decision: DecisionKind
    service: str
    surface: Surface | None = None  # None: every surface
    scope: Scope = Scope()
    route: str | None = None
    reason: str = ""
    expires: float | None = None
    undoes: int | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A proposal with number, time and author."""

    number: int
    ts: float
    author: str
    role: str
    decision: DecisionKind
    service: str
    surface: Surface | None = None
    scope: Scope = Scope()
    route: str | None = None
    reason: str = ""
    expires: float | None = None
    undoes: int | None = None
