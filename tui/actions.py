"""What a person can do, as data: keys, words, and on which pages.

Rules: bindings, help, footer and palette are all made from this table, so that none of them can say what another does
not do; an action `x` of a page is its method `action_x`; what does not name a page is not there.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from textual.binding import Binding, BindingType

LISTS: Final = ("findings", "decisions", "hosts", "incident", "budgets", "people")
_DETAILS: Final = ("finding", "host", "budget", "person")
PAGES: Final = (*LISTS, "overview", "routes", *_DETAILS)
_OPENED: Final = ("findings", "hosts", "budgets", "people")
_SIFTED: Final = ("findings", "hosts", "incident", "people")
_DECIDABLE: Final = ("findings", "finding")


class Action(NamedTuple):
    """One thing to do. `keys`: Textual's names, comma-separated; `shown`: the key as people read it."""

    id: str
    keys: str
    shown: str
    label: str
    help: str
    pages: tuple[str, ...]
    footer: bool = False


ACTIONS: Final = (
    Action("show('overview')", "1", "1", "Overview", "counts, last hour, workers and sensors", PAGES, footer=True),
    Action("show('findings')", "2", "2", "Findings", "what waits for a decision", PAGES, footer=True),
    Action("show('decisions')", "3", "3", "Decisions", "the log of decisions", PAGES, footer=True),
    Action("show('hosts')", "4", "4", "Hosts", "who is in the network, and what they used", PAGES, footer=True),
    Action(
        "show('incident')",
        "5",
        "5",
        "Incident",
        "keys that programs used, and what still uses them",
        PAGES,
        footer=True,
    ),
    Action(
        "show('budgets')", "6", "6", "Budgets", "where quotas and budgets stand, and who is near", PAGES, footer=True
    ),
    Action(
        "show('routes')",
        "7",
        "7",
        "Routes",
        "how targets are, who still uses what, keys that are overdue",
        PAGES,
        footer=True,
    ),
    Action("show('people')", "8", "8", "People", "who asked, by whose account, who stands out", PAGES, footer=True),
    Action("open", "enter", "enter", "Open", "the selected row in full", _OPENED, footer=True),
    Action("decide('approve')", "a", "a", "Approve", "the service counts as approved", _DECIDABLE, footer=True),
    Action("decide('coach')", "c", "c", "Coach", "callers are taught before they may go on", _DECIDABLE, footer=True),
    Action("decide('redirect')", "r", "r", "Redirect", "calls go to another route", _DECIDABLE, footer=True),
    Action("decide('block')", "b", "b", "Block", "calls are refused", _DECIDABLE, footer=True),
    Action("decide('dismiss')", "d", "d", "Dismiss", "close the finding; traffic is not touched", _DECIDABLE),
    Action("triage", "t", "t", "Triage", "mark the finding as looked at", _DECIDABLE),
    Action("judge", "w", "w", "Judge", "say that a detection was right or wrong", ("finding",), footer=True),
    Action("filter", "slash", "/", "Filter", "type what to show; esc gives it up", _SIFTED, footer=True),
    Action("pause", "p", "p", "Pause", "hold the list still; what comes is counted", ("findings",), footer=True),
    Action(
        "sort", "o", "o", "Order", "last seen, newest, most bytes, most past the appliance", ("hosts",), footer=True
    ),
    Action("only", "i", "i", "AI only", "users of AI services alone, or everybody", ("hosts",), footer=True),
    Action(
        "sort", "o", "o", "Order", "last seen, most exchanges, highest cost, most signals", ("people",), footer=True
    ),
    Action("only", "i", "i", "Own", "only who used personal accounts, or none", ("people",), footer=True),
    Action("span", "o", "o", "Span", "the last day, week, 30 or 90 days", ("incident",), footer=True),
    Action("mark", "m", "m", "Mark", "it should be over: what is used from now on counts", ("incident",), footer=True),
    Action("still", "i", "i", "In use", "only keys that are used after the mark", ("incident",), footer=True),
    Action("undo", "z,u", "z", "Undo", "take the selected decision back", ("decisions",), footer=True),
    Action(
        "copy", "y", "y", "Copy", "the selected row as JSON, to the terminal's clipboard", (*LISTS, "routes", *_DETAILS)
    ),
    Action("theme", "T", "T", "Theme", "dark, light, or the terminal's own colours", PAGES),
    Action("back", "escape", "esc", "Back", "to the list", _DETAILS, footer=True),
    Action("help", "question_mark,f1", "?", "Help", "what can be done here", PAGES, footer=True),
    Action("app.leave", "q,ctrl+c,ctrl+q", "q", "Quit", "leave the terminal", PAGES, footer=True),
)

MOVES: Final = (
    ("up down, k j", "one row up or down"),
    ("PgUp PgDn, Home End, g G", "a page, the first row, the last row that is held"),
    ("click, wheel", "select, open, scroll; every word in the bottom line can be clicked"),
    ("ctrl+p", "the palette: every action by its name"),
)
FILTER_WORDS: Final = (
    ("sev>=high", "at least that severity"),
    ("state:new,triaged", "one of these states"),
    ("way:bypass", "governed, bypass or unknown"),
    ("surface:api  kind:service_in_use", "one surface, some kinds"),
    ("last:24h", "seen in the last minutes, hours, days, weeks: m h d w"),
    ("svc:openai, or any text", "part of name, service, owner or category"),
)


def on(page: str) -> tuple[Action, ...]:
    """The actions of a page."""
    return tuple(action for action in ACTIONS if page in action.pages)


def bindings(page: str) -> list[BindingType]:
    """The same as Textual's bindings."""
    return [
        Binding(action.keys, action.id, action.label, key_display=action.shown, show=action.footer)
        for action in on(page)
    ]
