"""Parts of the page for people that are about governance: cost and budgets, accounts, keys. Pure.

Rules: as for the page; what has no price is told beside every sum and never in it; names of budgets, which the operator
chose, are left out of a pseudonymised page, and whose counters stand where is not told on any.
"""

from appliance.export.markup import Cell, note, section, table, when
from appliance.model.names import RefusalReason
from appliance.store.budget_pages import BudgetState
from appliance.store.export_wire import ExportSummary, SpendLine

_MICROS = 1_000_000
_LEFT_OUT = "(left out)"
_SPENT = (
    "Exchanges",
    "People",
    "Tokens in",
    "Tokens out",
    "Cost",
    "Beyond budgets",
    "Unpriced",
    "Estimated",
    "Ended at a limit",
)


def cost(summary: ExportSummary, budgets: tuple[BudgetState, ...] | None) -> str:
    """What use has cost, what went beyond what was granted, where budgets stand."""
    total = sum(line.cost_micros for line in summary.spend)
    over, missing = sum(line.overrun_micros for line in summary.spend), sum(line.unpriced for line in summary.spend)
    numbers = frozenset(range(2, 11))
    refused = sum(line.count for line in summary.refusals if line.what == RefusalReason.QUOTA)
    rows = [(line.what or "(no known service)", line.more or "(none named)", *_spent(line)) for line in summary.spend]
    departments = [(line.what or "(none)", *_spent(line)) for line in summary.departments]
    return section(
        "Cost and budgets",
        note(
            f"About {_dollars(total)} by public prices or the site's own, for the lines shown; {_dollars(over)} of it "
            f"beyond what budgets had granted. {missing:,} exchanges have no known price and are in no sum. "
            "Tokens that providers did not tell are estimated."
        ),
        note(f"{refused:,} requests were turned away at a limit before they were sent, and stand in no line below."),
        table("By service and model", ("Service", "Model", *_SPENT), rows, numbers),
        table("By department", ("Department", *_SPENT), departments, frozenset(range(1, 10))),
        table(
            "What the operator was told of budgets in the period",
            ("Budget", "Notice", "Times", "Last (UTC)"),
            [
                (_name(line.budget, summary), line.note.removeprefix("budget_").replace("_", " "), line.count,
                 when(line.last))
                for line in summary.budgets
            ],
            frozenset({2}),
        ),
        _standing(budgets, pseudonymised=summary.info.pseudonymised),
    )  # fmt: skip


def _name(budget: str | None, summary: ExportSummary) -> str:
    return _LEFT_OUT if summary.info.pseudonymised or budget is None else budget


def _spent(line: SpendLine) -> tuple[Cell, ...]:
    return (
        line.exchanges, line.people, line.input_tokens, line.output_tokens, _dollars(line.cost_micros),
        _dollars(line.overrun_micros), line.unpriced, line.estimated, line.limited,
    )  # fmt: skip


def _dollars(micros: int) -> str:
    return f"${micros / _MICROS:,.2f}"


def _standing(budgets: tuple[BudgetState, ...] | None, *, pseudonymised: bool) -> str:
    """Budgets at the moment of making."""
    if budgets is None:
        return note("How budgets stood when this was made is not known.")
    rows = [
        (
            _LEFT_OUT if pseudonymised else state.name,
            state.what.replace("_", " "),
            state.window or "at once",
            "everybody together" if state.per == "organisation" else f"each {state.per}",
            _amount(state, state.limit),
            "not known" if state.fullest is None else _amount(state, state.fullest.used),
            "not known" if state.fullest is None else _amount(state, state.fullest.over),
            state.near,
            state.full,
        )
        for state in budgets
    ]
    head = ("Budget", "Of", "Window", "For", "Limit", "Fullest", "Over by", "Near", "Full")
    return table("Budgets when this was made", head, rows, frozenset({4, 5, 6, 7, 8}))


def _amount(state: BudgetState, value: int) -> str:
    return _dollars(value) if state.what == "cost" else f"{value:,}"


def accounts(summary: ExportSummary) -> str:
    """By whose accounts services were used."""
    rows = [(line.service, line.account or "not told", line.exchanges, line.people) for line in summary.accounts]
    return section(
        "Accounts",
        note(
            "Personal: an account that the configuration does not name although it names others; anonymous: nobody had "
            "signed in; unknown: there is an account, and nothing tells whose."
        ),
        _older(summary),
        table(
            "By whose accounts services were used",
            ("Service", "Account", "Exchanges", "People"),
            rows,
            frozenset({2, 3}),
        ),
    )


def _older(summary: ExportSummary) -> str:
    """A page that leaves keys out says so."""
    if not summary.keyless:
        return ""
    return note(
        f"{summary.keyless:,} exchanges were recorded by an older version, and their keys and accounts are not told "
        "here: gnomon keys exposure reads them."
    )


def keys(summary: ExportSummary) -> str:
    """Keys with providers that were seen."""
    rows = [
        (
            line.fingerprint, line.shape, f"the appliance ({line.held})" if line.held else "the client", line.services,
            line.accounts, line.programs, line.people, line.hosts, line.exchanges, when(line.first), when(line.last),
        )
        for line in summary.keys
    ]  # fmt: skip
    head = ("Key", "Form", "Sent by", "Services", "Accounts", "Programs", "People", "Hosts", "Uses", "First", "Last")
    return section(
        "Keys with providers",
        note("A key is told by its fingerprint, which is made with a secret of this site; no key is kept anywhere."),
        _older(summary),
        table(f"{len(rows):,} keys, the latest used first", head, rows, frozenset({6, 7, 8})),
    )
