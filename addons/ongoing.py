"""One exchange while it runs, and the account that is given of its answer.

Rules: an exchange hangs on its flow under `EXCHANGE` and nowhere else; what policy wants of the answer is asked of the
verdict that it began with, and nothing of it acts in stage observe.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mitmproxy import http

from appliance.inspect.dialects import Call, Dialect
from appliance.inspect.output.expected import NOTHING, Expected
from appliance.inspect.pseudonyms import Restoration
from appliance.inspect.states import NONE, States
from appliance.model.catalogue import Service
from appliance.model.detection import Coverage, Label, Selector
from appliance.model.event import Attempt, Cost, Usage
from appliance.model.facts import Facts, Principal, Verdict
from appliance.model.names import Stage

if TYPE_CHECKING:
    import asyncio

    from addons.booked import Booking
    from addons.carrying import Carrying
    from addons.limits_told import Turned
    from appliance.route.translate import Loss

EXCHANGE = "gnomon.exchange"
INSPECTION_FAILED = "inspection_failed"
WAIT, LATE = "wait", "late"


class How(NamedTuple):
    """How the processes that read texts are asked about a request: `wait`, `late`, or not at all."""

    names: str = ""
    classifier: str = ""


NOT_ASKED = How()


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is written down of an answer. `chars`: code points of its model text; `sample`: how it begins.

    `lost`: what was not carried over to the client's dialect.
    """

    coverage: Coverage
    model: str | None = None
    usage: Usage | None = None
    labels: tuple[Label, ...] = ()
    redactions: int = 0
    edits: tuple[str, ...] = ()
    tools_called: tuple[str, ...] = ()
    finish: tuple[str, ...] = ()
    gone_bytes: int | None = None
    chars: int = 0
    sample: str = ""
    lost: "tuple[Loss, ...]" = ()


class Answer(Protocol):
    """Follows one answer on its way to the client. `taken`: bytes that came from upstream so far."""

    taken: int

    def account(self) -> Account:
        """What it was, once nothing more comes. Raises what a detector raises."""


@dataclass(slots=True)
class Exchange:
    """What the worker knows about one exchange while it runs. Times are `time.perf_counter` seconds."""

    id: str
    service: Service
    principal: Principal
    stage: Stage
    started: float
    host: str
    call: Call = field(default_factory=lambda: Call("", ""))
    dialect: Dialect | None = None
    facts: Facts | None = None
    verdict: Verdict | None = None
    booking: "Booking | None" = None  # what is reserved for it in budgets
    refused: "Turned | None" = None  # the budget that has no room at the target that was to be tried next
    usage: Usage | None = None  # as its record tells it
    cost: Cost | None = None  # likewise
    told: bool = False  # its record has been made
    stream: bool = False
    declared: frozenset[str] = frozenset()  # names of functions that the request declared
    asked_chars: int = 0  # code points of the request's texts
    asked_sample: str = ""  # some of them
    drop_usage: bool = False  # usage was asked for here, so its chunk does not go on
    opened: bool = False
    closed: bool = False
    first_byte: float | None = None
    expected: Expected = NOTHING  # what its request tells of the answer
    answer: Answer | None = None
    answering: bool = False  # the head of the answer has gone to the client
    framed: bool = True  # the head of the answer says how its end is told; else only the connection's end tells it
    cut: str = ""  # why the appliance ended it: see addons/endings.py
    cut_detail: str = ""  # more of that, for the record
    sent: Coverage | None = None  # what the client sent after the opening
    beside: How = NOT_ASKED  # whether its request waits for what other processes read in it
    late: "tuple[asyncio.Task[tuple[Label, ...]], ...]" = ()  # what is read beside the exchange
    odd: tuple[Label, ...] = ()  # that its request is unusual, told when it had gone
    moved: str = ""  # the route that a redirect sent it to
    handed: bool = False  # what goes on goes to a central appliance, whose record tells what was used
    served: Attempt | None = None  # which of a route's targets has answered
    carrying: "Carrying | None" = None  # for targets that speak another dialect; None: all take it as it is
    restoration: Restoration | None = None  # what names in the answer stand for; None: nothing was named
    states: States = NONE  # memories of the provider's that it builds on, adds to, or begins
    recalled: frozenset[str] = frozenset()  # names that are kept for those memories already
    begun: tuple[str, ...] = ()  # ids by which its answer is remembered

    @property
    def hides(self) -> tuple[Selector, ...]:
        """What is hidden in the answer."""
        return self.verdict.answer_hides if self._acts and self.verdict else ()

    @property
    def ends(self) -> tuple[Selector, ...]:
        """What ends the answer."""
        return self.verdict.answer_ends if self._acts and self.verdict else ()

    @property
    def guards_answer(self) -> bool:
        """Something of the answer may have to be held back."""
        return bool(self.hides or self.ends)

    @property
    def edits_answer(self) -> bool:
        """The answer may not go on as it comes: something is held back, or put back."""
        return self.guards_answer or self.restoration is not None

    @property
    def api(self) -> str | None:
        """The dialect that its bodies are read as."""
        return self.dialect.api if self.dialect else None

    @property
    def _acts(self) -> bool:
        return self.verdict is not None and self.verdict.stage is Stage.ENFORCE


def exchange_of(flow: http.HTTPFlow) -> Exchange | None:
    """The exchange of a flow."""
    found = flow.metadata.get(EXCHANGE)
    return found if isinstance(found, Exchange) else None


def unread(size: int, reason: str = INSPECTION_FAILED) -> Account:
    """An answer that nobody could read."""
    return Account(coverage=Coverage(size, opaque={reason: size} if size else {}))
