"""What it costs to decide about a request: who asks, what holds, whether there is room.

Owns: the measurement behind `gnomon bench decide`. Rules: processor time of one thread, request by request: a proven
identity found in the cache, the verdict of 1,000 rules and of the destination, a reservation of every counter that
fits; the ledger is a real file. What a request costs to settle is told apart: it happens when the answer has gone.
"""

import asyncio
import random
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from appliance.config.budget_schema import BudgetEntry, BudgetMatch
from appliance.config.catalogue import load_catalogue
from appliance.identity.authenticator import BasicAuthenticator
from appliance.identity.method import Identification, IdentityRequest
from appliance.ledger.booking import Wanted, amounts
from appliance.ledger.budgets import Budgets
from appliance.ledger.ledger import Ledger
from appliance.ledger.levels import request_keys
from appliance.ledger.table import Denied
from appliance.model.catalogue import Catalogue
from appliance.model.detection import Coverage, Label
from appliance.model.facts import Facts, Principal
from appliance.model.names import Assurance, DetectionKind, Disposition, Stage
from appliance.model.pseudonym import Pseudonyms
from appliance.policy.engine import Policy, compile_policy
from appliance.policy.rules import LabelMatch, Match, Rule, Then
from appliance.policy.snapshot import PolicySnapshot

RULES: Final = 1_000
IDENTITIES: Final = 10_000
GROUPS: Final = 200
DEPARTMENTS: Final = 40
REQUESTS_PER_S: Final = 2_000
_MOST: Final = 50_000
_KEY: Final = bytes(range(32))
_MODELS: Final = ("gpt-5", "gpt-5-mini", "claude-sonnet-4", "gemini-2.5-pro", "mistral-large")
_ENTITIES: Final = ("EMAIL_ADDRESS", "IBAN_CODE", "PHONE_NUMBER", "CREDIT_CARD", "US_SSN")


class _Everybody:
    """Passwords that are all right: what is measured is what comes after the first proof."""

    problem = ""

    @property
    def passwords(self) -> "_Everybody":
        """Itself."""
        return self

    def refresh(self, _now: float) -> bool:
        """Never changed."""
        return False

    def check(self, _user: str, _password: str) -> bool:
        """Right."""
        return True


def run(seconds: float) -> dict[str, float]:
    """Microseconds of processor time: the whole, its three parts, and the settlement."""
    random_ = random.Random(7)  # noqa: S311 - requests for a load, not a secret
    catalogue = load_catalogue()
    started = time.process_time_ns()
    policy = compile_policy(_snapshot(random_, catalogue), catalogue, _KEY, Pseudonyms(_KEY).person)
    compiled = (time.process_time_ns() - started) / 1e6
    now = time.time()
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as executor:
        identify = _identified(executor, now)
        with Ledger(Path(folder) / "counters") as ledger:
            for number in range(IDENTITIES):  # everybody has asked before, so their counters are there
                _one(identify, policy, ledger, random_, now, number)
            requests = min(_MOST, int(seconds * REQUESTS_PER_S))
            chosen = [random_.randrange(IDENTITIES) for _ in range(requests)]
            spent = [_one(identify, policy, ledger, random_, now + place / 50, who) for place, who in enumerate(chosen)]
    names = ("", "identity_", "policy_", "budget_", "settle_")
    told = {"rules": float(RULES), "identities": float(IDENTITIES), "compile_ms": round(compiled, 1)}
    for place, name in enumerate(names):
        values = sorted(one[place] for one in spent)
        told[f"{name}us_p50"] = round(values[len(values) // 2] / 1000, 1)
        told[f"{name}us_p99"] = round(values[len(values) * 99 // 100] / 1000, 1)
    return told


type _Identify = Callable[[str], Principal]


def _one(
    identify: _Identify, policy: Policy, ledger: Ledger, random_: random.Random, now: float, number: int
) -> tuple[int, int, int, int, int]:
    """Nanoseconds of one request: all that stands before it, identity, policy, budget; and its settlement."""
    facts, service = _facts(random_, policy.catalogue, number)
    clock = time.thread_time_ns
    began = clock()
    identify(f"user{number}")
    known = clock()
    policy.decide(facts, service, now)
    judged = clock()
    claims = _BUDGETS.claims(facts)
    keys = request_keys(facts)
    need = Wanted(800, 1000).need(1000)
    granted = ledger.reserve(
        (*keys, *(claim.key for claim in claims)), (*((1,) * len(keys)), *amounts(claims, need)), now
    )
    reserved = clock()
    if isinstance(granted, Denied):
        raise RuntimeError("a budget of the measurement is too small")  # noqa: TRY004 - no wrong type
    ledger.settle(granted, granted.amounts, now)
    return reserved - began, known - began, judged - known, reserved - judged, clock() - reserved


def _identified(executor: ThreadPoolExecutor, now: float) -> _Identify:
    """Whoever was proven once, from what the proxy's header says."""
    chain = Identification((BasicAuthenticator(_Everybody(), executor, cache_s=86_400.0),))

    def request(name: str) -> IdentityRequest:
        header = b64encode(f"{name}:correct horse battery".encode()).decode()
        return IdentityRequest(address="10.0.0.1", proxy_authorization=f"Basic {header}")

    requests = {f"user{number}": request(f"user{number}") for number in range(IDENTITIES)}

    async def prove() -> None:
        for one in requests.values():
            await chain.identify(one, now)

    asyncio.run(prove())
    return lambda name: _at_once(chain.identify(requests[name], now))


def _at_once(asked: Coroutine[Any, Any, Any]) -> Principal:
    """The answer of a coroutine that waits for nothing."""
    try:
        asked.send(None)
    except StopIteration as done:
        if isinstance(done.value, Principal):
            return done.value
    finally:
        asked.close()
    raise RuntimeError("the identity was not found in the cache")


def _snapshot(random_: random.Random, catalogue: Catalogue) -> PolicySnapshot:
    rules = tuple(_rule(number, random_, catalogue) for number in range(RULES))
    return PolicySnapshot(version=1, created=0.0, stage=Stage.ENFORCE, rules=rules)


def _rule(number: int, random_: random.Random, catalogue: Catalogue) -> Rule:
    """As large sites have them: about users, groups, departments, services and what is in a body; few about all."""
    services = sorted(catalogue.services)
    labels = LabelMatch(entities=(random_.choice(_ENTITIES),), min_score=0.5)
    kinds: tuple[Match, ...] = (
        Match(users=tuple(f"user{random_.randrange(IDENTITIES)}" for _ in range(5)), services=("openai",)),
        Match(groups=(f"group{random_.randrange(GROUPS)}",), models=("gpt-*",)),
        Match(departments=(f"department{random_.randrange(DEPARTMENTS)}",), labels=labels),
        Match(services=tuple(random_.sample(services, 3)), labels=labels),
        Match(services=tuple(random_.sample(services, 3)), groups=(f"group{random_.randrange(GROUPS)}",)),
    )
    match = Match(ai=True, labels=labels) if number % 50 == 0 else kinds[number % len(kinds)]
    disposition = Disposition.REDACT if match.labels else Disposition.OBSERVE
    return Rule(id=f"rule-{number}", match=match, then=Then(disposition=disposition), reason="measured")


def _facts(random_: random.Random, catalogue: Catalogue, number: int) -> tuple[Facts, Any]:
    service = catalogue.services["openai"]
    found = Label(random_.choice(_ENTITIES), DetectionKind.PII, 1, 0.9)
    facts = Facts(
        principal=_PSEUDONYMS.person(f"user{number}"),
        client="a_0000000000000001",
        groups=tuple(f"group{(number + step * 37) % GROUPS}" for step in range(3)),
        department=f"department{number % DEPARTMENTS}",
        identity_method="basic",
        assurance=Assurance.HIGH,
        service=service.id,
        category=service.category,
        host="api.openai.com",
        port=443,
        method="POST",
        path="/v1/chat/completions",
        api="openai.chat",
        model=random_.choice(_MODELS),
        request_bytes=2_000,
        labels=(found,) if random_.random() < 0.2 else (),  # noqa: PLR2004 - one in five
        coverage=Coverage(length=2_000, structure=2_000),
    )
    return facts, service


_PSEUDONYMS = Pseudonyms(_KEY)
# Beside the four counters that every request has; five in all.
_BUDGETS = Budgets(
    (
        BudgetEntry(name="person", what="tokens", amount=1e12, window="day", per="user"),
        *(
            BudgetEntry(
                name=f"model{number}",
                what="cost",
                amount=1e9,
                window="month",
                match=BudgetMatch(model=(f"other-model-{number}",)),
            )
            for number in range(100)
        ),
    ),
    _PSEUDONYMS.person,
)
