"""A question with a few answers. Rules: the first answer is the harmless one and has the focus; esc gives none."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button

from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tui.client_state.spans import Line


class AskScreen(ModalScreen[str]):
    """Closes with the id of the answer, or None. `choices`: id and words, the harmless one first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", show=False),
        Binding("left,up", "app.focus_previous", show=False),
        Binding("right,down", "app.focus_next", show=False),
    ]

    def __init__(self, question: Sequence[Line], choices: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._question, self._choices = question, choices

    def compose(self) -> ComposeResult:
        """The question above its answers."""
        buttons = [Button(Content(words), id=name, compact=True) for name, words in self._choices]
        with Vertical(classes="dialog"):
            yield Lines(*self._question)
            yield Horizontal(*buttons, classes="answers")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """An answer."""
        self.dismiss(event.button.id)

    def action_give_up(self) -> None:
        """None."""
        self.dismiss(None)
