"""Exchanges of two workers in any order, with failovers and deaths: no budget grants more than it has."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addons.booked import Way
from addons.metering import Metering
from addons.ongoing import Exchange
from appliance.config.budget_schema import BudgetMatch
from appliance.config.budget_schema import Metering as MeteringConfig
from appliance.config.schema import BudgetEntry, Config
from appliance.ledger.budgets import Budgets
from appliance.ledger.file import create
from appliance.ledger.ledger import Ledger
from appliance.model.event import Attempt, Usage
from appliance.model.facts import Facts
from appliance.model.names import Stage

NOON = 1_700_000_000.0
SERVICES = ("openai", "groq", "mistral")
BUDGETS = (
    BudgetEntry(name="requests", what="requests", amount=6, window="day"),
    BudgetEntry(name="made", what="output_tokens", amount=60, window="day"),
    BudgetEntry(name="each", what="output_tokens", amount=30, window="month", per="service"),
    BudgetEntry(name="groq", what="requests", amount=2, window="day", match=BudgetMatch(service=("groq",))),
    BudgetEntry(name="streams", what="streams", amount=3),
)
CONFIG = Config(budgets=BUDGETS, metering=MeteringConfig(output_tokens=9, step_tokens=4))
BODY = SimpleNamespace(body=b"", problem=None, api=None, segments=(), view=SimpleNamespace(opaque=()))
ASKING = SimpleNamespace(**{**vars(BODY), "body": b"x"})
WORKER, WHICH, SERVICE = st.integers(0, 1), st.integers(0, 9), st.sampled_from(SERVICES)
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), WORKER, SERVICE),
        st.tuples(st.just("grow"), WORKER, WHICH, st.integers(1, 25)),
        st.tuples(st.just("fail_over"), WORKER, WHICH, SERVICE, st.booleans()),
        st.tuples(st.just("end"), WORKER, WHICH, st.booleans()),
        st.tuples(st.just("die"), WORKER),
    ),
    min_size=15,
    max_size=40,
)


def telemetry():
    return SimpleNamespace(
        clock=lambda: NOON,
        pseudonyms=SimpleNamespace(person=str),
        notice=lambda *_: None,
        counts={"faults": 0},
    )


class Site:
    """What clients have seen, beside what the budgets stand at. Running: exchange, service, tokens, whether billed."""

    def __init__(self, path):
        self.path = path
        self.ledgers = [Ledger(path), Ledger(path)]
        self.meters = [Metering(CONFIG, one, telemetry()) for one in self.ledgers]
        self.running = [[], []]
        self.seen = {}  # tokens that clients have seen or that were billed, by service
        self.begun = 0  # requests that are running, or went out

    def begin(self, worker, service):
        facts = Facts(
            principal="p", client="a", service=service, stream=True, host="h", port=1, method="POST", path="/"
        )
        exchange = Exchange("x", None, None, Stage.ENFORCE, 0.0, "h", facts=facts)
        if self.meters[worker].book(exchange, facts, ASKING, editable=False) is None:
            self.running[worker].append([exchange, service, 0, False])
            self.begun += 1
        else:
            self.meters[worker].settle(exchange, used=False)

    def one(self, worker, which):
        running = self.running[worker]
        return running[which % len(running)] if running else None

    def grow(self, worker, which, more):
        one = self.one(worker, which)
        if one is not None and one[0].booking.reservation and self.meters[worker].grows(one[0], one[2] + more):
            one[2] += more

    def fail_over(self, worker, which, service, sent):
        one = self.one(worker, which)
        if one is None or one[2]:  # never after the first byte
            return
        sent = sent and one[0].booking.reservation is not None  # where it was denied it has not gone
        attempts = [*getattr(one[0], "late", ()), Attempt("h", 0, service=one[1], sent=sent)]
        one[0].late = tuple(attempts)
        one[3] = one[3] or sent
        if self.meters[worker].admits(one[0], Way(service), attempts):
            one[1] = service

    def end(self, worker, which, used):
        one = self.one(worker, which)
        if one is None:
            return
        self.running[worker].remove(one)
        exchange, service, tokens, billed = one
        exchange.told, exchange.usage = True, Usage(0, tokens) if tokens else None
        gone = bool(tokens) or used
        self.meters[worker].settle(exchange, used=gone)
        self.seen[service] = self.seen.get(service, 0) + tokens
        self.begun -= not (gone or billed)

    def die(self, worker):
        self.begun -= sum(not billed for *_, billed in self.running[worker])
        self.running[worker] = []
        self.ledgers[worker].close()
        self.ledgers[worker] = Ledger(self.path)
        self.meters[worker] = Metering(CONFIG, self.ledgers[worker], telemetry())

    def check(self):
        budgets = {one.name: one for one in Budgets(BUDGETS, str).all}
        ledger = self.ledgers[0]
        visible = dict(self.seen)
        for service, tokens in ((one[1], one[2]) for running in self.running for one in running):
            visible[service] = visible.get(service, 0) + tokens
        for service in SERVICES:
            stands = ledger.used(budgets["each"].counter(service), NOON)
            assert visible.get(service, 0) <= stands <= 30
        stands = ledger.used(budgets["made"].counter(""), NOON)
        assert sum(visible.values()) <= stands <= 60
        assert ledger.used(budgets["requests"].counter(""), NOON) == self.begun <= 6
        assert ledger.used(budgets["groq"].counter(""), NOON) <= 2
        assert ledger.used(budgets["streams"].counter(""), NOON) <= 3


@pytest.fixture(scope="module")
def empty():
    with TemporaryDirectory() as folder:
        create(Path(folder) / "empty", slots=256, workers=4, notes=256)
        yield Path(folder)


@settings(max_examples=80, deadline=None)
@given(acts=ACTS)
def test_nothing_is_granted_or_seen_beyond_a_budget(empty, acts):
    site = Site(Path(shutil.copy(empty / "empty", empty / "c")))
    try:
        for name, *told in acts:
            getattr(site, name)(*told)
            site.check()
        for worker in (0, 1):
            while site.running[worker]:
                site.end(worker, 0, used=True)
                site.check()
        budgets = {one.name: one for one in Budgets(BUDGETS, str).all}
        assert site.ledgers[0].used(budgets["streams"].counter(""), NOON) == 0
        assert site.ledgers[0].used(budgets["made"].counter(""), NOON) == sum(site.seen.values())
    finally:
        for ledger in site.ledgers:
            ledger.close()
