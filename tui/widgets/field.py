"""An input line that no pasted byte can act through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

from appliance.sanitise import one_line

if TYPE_CHECKING:
    from textual import events

_PASTED = 2_000  # characters of one paste


class Field(Input):
    """Textual's input, with every paste made inert and every value kept so."""

    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        text = " ".join(event.text[:_PASTED].split())
        if self.selection.is_empty:
            self.insert_text_at_cursor(one_line(text, _PASTED))
        else:
            self.replace(one_line(text, _PASTED), *self.selection)
