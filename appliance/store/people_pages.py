"""Requests and rows of the verbs about people and about held keys, shared by clients and the store.

Rules: as in appliance/store/pages.py; a person is a digest, whose clear name comes by verb `persons` alone; nothing of
a key but its name, its provider and its fingerprint is ever in an answer.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.model.finding import Finding
from appliance.store.exposure_pages import ExposedKey
from appliance.store.pages import Filter, Limit
from appliance.store.wire import Name, Request

MOST_LISTED: Final = 100  # services, keys, signals and findings of one person
MOST_HELD: Final = 200


class PeopleOrder(StrEnum):
    """By what people are sorted, the largest first."""

    LAST_SEEN = "seen"
    EXCHANGES = "exchanges"
    COST = "cost"
    SIGNALS = "signals"


class PeopleRequest(Request, frozen=True):
    """Verb `people`: who asked since `since`. `text`: in name, department or service; `own`: personal or no account."""

    since: Annotated[float, Meta(ge=0)]
    limit: Limit = 500
    order: PeopleOrder = PeopleOrder.LAST_SEEN
    text: Filter = None
    own: bool = False


class PeopleHead(msgspec.Struct, frozen=True):
    """Head of the answer to `people`; the body is a JSON array of `PersonUse`. `total`: of all that fit."""

    rows: int
    total: int


class PersonUse(msgspec.Struct, frozen=True):
    """One person. `personal`, `anonymous`, `corporate`: exchanges by whose account, where that is known.

    `stopped`: exchanges that policy turned away. `cost_micros` None: no price is known of any; `unpriced`: exchanges
    that are in no sum. `signals`: signs of model extraction or overload that name this person.
    """

    person: str
    department: str | None
    exchanges: int
    stopped: int
    services: tuple[str, ...]
    personal: int
    anonymous: int
    corporate: int
    cost_micros: int | None
    unpriced: int
    signals: int
    first_seen: float
    last_seen: float


class PersonRequest(Request, frozen=True):
    """Verb `person`: everything about one. Answered with `PersonDetail` as head, no body; 404: never seen since."""

    person: Name
    since: Annotated[float, Meta(ge=0)]


class AccountUse(msgspec.Struct, frozen=True):
    """By whose account a service was used. `account` empty: nothing tells. `people`: how many different ones."""

    service: str
    surface: str
    account: str
    exchanges: int
    people: int
    last_seen: float


class PersonService(msgspec.Struct, frozen=True):
    """What one person used of one service. Tokens are of those exchanges whose usage is known."""

    service: str
    surface: str
    exchanges: int
    stopped: int
    models: tuple[str, ...]
    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    unpriced: int
    last_seen: float


class SignalSeen(msgspec.Struct, frozen=True):
    """A sign of model extraction or overload, in words. `kind`: the finding's; `subject`: the service."""

    ts: float
    finding: str
    kind: str
    subject: str
    text: str
    person: str = ""


class PersonDetail(msgspec.Struct, frozen=True):
    """One person: what was used, by whose accounts and keys, and what stands out; the newest first, bounded."""

    use: PersonUse
    identity: tuple[str, ...]  # how it was known who asked
    services: tuple[PersonService, ...]
    accounts: tuple[AccountUse, ...]
    keys: tuple[ExposedKey, ...]
    signals: tuple[SignalSeen, ...]
    findings: tuple[Finding, ...]


class HeldRequest(Request, frozen=True):
    """Verb `held_keys`: the keys that the appliance holds, as its register has them."""


class HeldKeyState(msgspec.Struct, frozen=True):
    """A held key. `state`: of its newest generation; `since`: in use; `due`: when it must be changed.

    `problems`: what should have been done by now, in words; `lies`: its file lies as it must, None: no route asks.
    """

    name: str
    provider: str
    state: str
    since: float | None
    due: float | None
    problems: tuple[str, ...]
    lies: bool | None = None


class HeldHead(msgspec.Struct, frozen=True):
    """Head of the answer to `held_keys`; the body is a JSON array of `HeldKeyState`, overdue ones first.

    `problem`: why the register cannot be read, in words.
    """

    rows: int
    total: int
    problem: str = ""
