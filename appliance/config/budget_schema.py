"""What may stand in the configuration about quotas, budgets and prices.

Rules: as in schema.py. An amount of cost is US dollars; of all else it is a whole number.
"""

from typing import Literal

from appliance.config.section import Section

type Measured = Literal["requests", "tokens", "input_tokens", "output_tokens", "cost", "streams"]
type Span = Literal["minute", "hour", "day", "month"]
type Each = Literal["organisation", "department", "user", "key", "group", "service", "model", "tool"]


class BudgetMatch(Section, frozen=True):
    """Which requests a budget is about: all that is given must fit, of each any one; without anything all requests."""

    department: tuple[str, ...] = ()  # departments of callers
    user: tuple[str, ...] = ()  # callers, by the name that identity gives them
    key: tuple[str, ...] = ()  # ids of virtual keys
    group: tuple[str, ...] = ()  # groups of callers
    model: tuple[str, ...] = ()  # models as asked for; one may begin or end with *
    service: tuple[str, ...] = ()  # catalogue ids
    tool: tuple[str, ...] = ()  # names of tools that the request declares


class BudgetEntry(Section, frozen=True):
    """A quota or budget. All that fit a request must have room for it."""

    name: str  # what records and refusals call it; a budget that is renamed begins anew
    what: Measured  # requests, tokens, input_tokens, output_tokens, cost (dollars), or streams that run at once
    amount: float  # how much; for each of `per`
    window: Span | None = None  # minute and hour flow back evenly, day and month are the calendar's; none for streams
    match: BudgetMatch = BudgetMatch()  # which requests it is about
    per: Each = "organisation"  # whose counter: one for all, or one for each; of models and tools each that match names
    warn: float = 80  # percent at which a notice is written; 100: never
    unpriced: Literal["pass", "refuse"] = "refuse"  # of cost: a request whose model has no price


class Metering(Section, frozen=True):
    """How much is reserved for a request whose tokens are limited, and how many may run at once."""

    output_tokens: int = 4096  # for the answer of a request that names no most of its own
    whole_tokens: int = 65_536  # for one in one piece; with less room the request is made to say output_tokens
    step_tokens: int = 256  # by which a running answer is extended that has come to what was reserved
    running: int = 256  # exchanges that one caller may have running in one worker; of unknown callers: one address


class PricesConfig(Section, frozen=True):
    """What tokens cost. A list comes with the program."""

    file: str | None = None  # YAML file of own prices and discounts; `gnomon prices check FILE` tries it


class Site(Section, frozen=True):
    """Where the appliance stands."""

    timezone: str = "UTC"  # whose days and months budgets count, e.g. Europe/Berlin
