"""Which guard fails how: the table behind `gnomon policy guards` and docs/reference/guards.md.

Rules: pure; what the configuration decides is read off it, and all else closes where verdicts act (stage enforce) and
is told and passed where they do not (stage observe). `docs/reference/failures.md` shows it happen, fault by fault.
"""

from collections.abc import Iterator

import msgspec

from appliance.config.schema import Config

CLOSES, PASSES, WAITS = "closes", "passes", "goes on"
_OFF = "not used"


class Guard(msgspec.Struct, frozen=True, kw_only=True):
    """One guard. `enforce`, `observe`: what becomes of a request when it fails; `told`: what is written down then."""

    name: str
    fails: str  # when it counts as failed
    enforce: str
    observe: str = PASSES
    told: str = "notice guard_fault"
    set_by: str = ""  # key that decides it; empty: nothing does


def guards(config: Config) -> tuple[Guard, ...]:
    """Every guard on the way of a request, in the order in which it meets them."""
    return (*_before(), *_readers(config), *_behind())


def _before() -> Iterator[Guard]:
    yield Guard(
        name="identity",
        fails="issuer or directory cannot be asked, and nobody was proven before",
        enforce=CLOSES,
        observe=CLOSES,
        told="refusal identity_unavailable",
    )
    yield Guard(
        name="policy",
        fails="a new version cannot be read or compiled",
        enforce="the version in force stays",
        observe="the version in force stays",
        told="notice policy_refused",
    )


def _readers(config: Config) -> Iterator[Guard]:
    yield Guard(name="detectors", fails="an exception, or no end in `inspect.analyse_s`", enforce=CLOSES)
    yield Guard(
        name="time for a body",
        fails="`inspect.max_time_s` is over",
        enforce="a rule with unscanned_reasons: [out_of_time] decides",
        observe=PASSES,
        told="coverage: out_of_time",
        set_by="policy: match.unscanned_reasons",
    )
    yield Guard(
        name="names",
        fails="not read within `inspect.names_s` where a rule waits",
        enforce=CLOSES,
        set_by="policy: then.names (late: passes, told afterwards)",
    )
    classifier, icap = config.inspect.classifier, config.inspect.icap
    yield Guard(
        name="classifier",
        fails="not read within `inspect.classifier.deadline_s` where a request waits",
        enforce=_word(classifier.on_failure) if classifier else _OFF,
        observe=PASSES if classifier else _OFF,
        told="notice guard_fault, or label CLASSIFIER_FAILED",
        set_by="inspect.classifier.on_failure",
    )
    yield Guard(
        name="external data-loss system",
        fails="no answer within `inspect.icap.deadline_s`",
        enforce=_word(icap.on_failure) if icap else _OFF,
        observe=PASSES if icap else _OFF,
        told="notice guard_fault, or label EXTERNAL_DLP_FAILED",
        set_by="inspect.icap.on_failure",
    )


def _behind() -> Iterator[Guard]:
    yield Guard(name="budgets", fails="the ledger cannot be written", enforce=CLOSES)
    yield Guard(
        name="prices",
        fails="a model has no price, and a budget of cost fits",
        enforce="as the budget says",
        told="notice budget_unpriced",
        set_by="budgets: unpriced",
    )
    yield Guard(
        name="edit",
        fails="what is to be hidden or taken out cannot be, in its place or for a signature",
        enforce="blocked",
        told="verdict block, with the reason",
    )
    yield Guard(name="journal", fails="full, or cannot be written", enforce=CLOSES, told="refusal journal_full")
    yield Guard(name="store", fails="away", enforce=WAITS, observe=WAITS, told="every record waits in the journal")


def _word(on_failure: str) -> str:
    return PASSES if on_failure == "pass" else CLOSES


_HEAD = """\
# Which guard fails how

What becomes of a request when something that guards it fails. `gnomon policy guards` tells the same for a site's own
configuration; [failures.md](failures.md) shows each fault as it happens.

Made from `appliance/config/guards.py` by `python -m appliance.config.guards`, for a site that uses everything.
"""


def render_reference() -> str:
    """The whole page."""
    from appliance.config.schema import ClassifierConfig, IcapConfig, InspectConfig

    classifier = ClassifierConfig(model="", tokenizer="", sha256="", tokenizer_sha256="")
    config = Config(inspect=InspectConfig(classifier=classifier, icap=IcapConfig(address="")))
    head = ["| guard | fails when | stage enforce | stage observe | told | decided by |", "|---|---|---|---|---|---|"]
    rows = [
        f"| {one.name} | {one.fails} | {one.enforce} | {one.observe} | {one.told} | {one.set_by} |"
        for one in guards(config)
    ]
    return "\n".join([_HEAD, *head, *rows]) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_reference())
