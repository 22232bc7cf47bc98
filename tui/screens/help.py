"""Help for one page, made of the table of actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from tui.actions import FILTER_WORDS, MOVES, on
from tui.client_state.spans import Line, Span, line
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from textual.app import ComposeResult


def lines(page: str) -> list[Line]:
    """Keys and what they do on that page."""
    told = [line(Span(f"KEYS ON THIS PAGE ({page})", "title"))]
    told += [line(Span(f"  {action.shown:<8}", "name"), f"{action.label}: {action.help}") for action in on(page)]
    told += [line(Span(f"  {keys:<26}", "name"), what) for keys, what in MOVES]
    if page == "findings":
        told += [line(), line(Span("FILTER, behind /", "title"))]
        told += [line(Span(f"  {word:<36}", "name"), what) for word, what in FILTER_WORDS]
    told += [line(), line(Span("SEVERITY", "title"))]
    told.append(
        line(Span("  C critical: against a decision", "critical"), "  ", Span("H high: past the appliance", "high"))
    )
    told.append(
        line(Span("  M medium: unapproved", "medium"), "  ", Span("L low", "low"), "  ", Span("I info", "info"))
    )
    return told


class HelpScreen(ModalScreen[None]):
    """Any of esc, q, ? closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,f1,enter", "dismiss", show=False)]

    def __init__(self, page: str) -> None:
        super().__init__()
        self._page = page

    def compose(self) -> ComposeResult:
        """One text that scrolls."""
        with VerticalScroll(classes="dialog", id="help"):
            yield Lines(*lines(self._page))

    def on_mount(self) -> None:
        """Keys scroll."""
        self.query_one("#help").focus()
