"""A key that was seen, as a row of cells.

Rules: names of people, programs and services are foreign text and pass `foreign`; a key is its fingerprint; what is
still used after the mark stands out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from appliance.model.names import AccountKind
from tui.client_state.moments import ago, count
from tui.client_state.spans import Line, Span, foreign, line

if TYPE_CHECKING:
    from appliance.store.exposure_pages import ExposedKey
    from tui.client_state.names import Names

# Heading and width of each column; width 0 takes what is left.
COLUMNS: Final = (
    ("KEY", 19), ("FORM", 15), ("OWNER", 0), ("PROGRAM", 18), ("SERVICES", 14), ("ACCOUNT", 10), ("USES", 6),
    ("LAST", 10), ("AFTER", 10),
)  # fmt: skip
_SHOWN: Final = 2
_TONES: Final = {AccountKind.PERSONAL.value: "warning", AccountKind.ANONYMOUS.value: "warning"}


def row(key: ExposedKey, names: Names, now: float) -> tuple[Line, ...]:
    """The cells, in the order of COLUMNS."""
    account = key.accounts[0] if len(key.accounts) == 1 else ("several" if key.accounts else "-")
    after = f"{count(key.after)}, {ago(key.last_after or 0.0, now)}" if key.after else "no"
    return (
        line(Span(foreign(key.fingerprint, 18), "name")),
        line(Span(foreign(key.shape or "-", 16), "dim")),
        _owner(key, names),
        line(_few(key.programs)),
        line(_few(key.services)),
        line(Span(foreign(account, 10), _TONES.get(account, ""))),
        line(count(key.exchanges)),
        line(ago(key.last_seen, now)),
        line(Span(after, "bad" if key.after else "dim")),
    )


def _owner(key: ExposedKey, names: Names) -> Line:
    if key.held is not None:
        return line(Span("held: ", "dim"), foreign(key.held, 40))
    shown = ", ".join(names.show(each) for each in key.principals[:_SHOWN])
    more = len(key.principals) - _SHOWN
    return line(shown + (f" +{more}" if more > 0 else ""))


def _few(words: tuple[str, ...]) -> str:
    more = f" +{len(words) - _SHOWN}" if len(words) > _SHOWN else ""
    return ", ".join(foreign(each, 40) for each in words[:_SHOWN]) + more if words else "-"
