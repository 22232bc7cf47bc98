"""A table of rows of spans, drawn line by line: only what is on the screen is ever made.

Rules: the rows and the selection belong to whoever owns the window; the table tells of keys and clicks by messages and
draws what it is given. Cells are cut by the cells that they take up, wide characters included. Textual's own table
measures every cell of every row (10,000 rows: 1.8 s frozen) and reads text as markup; neither may happen here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, override

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from tui.tones import TONES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.style import Style as RichStyle
    from textual import events

    from tui.client_state.spans import Line

type Columns = Sequence[tuple[str, int]]

_GUTTER: Final = 2  # where the selected row has its mark
_GROWS: Final = 14  # least width of the column that takes what is left
_MARK: Final = "\u203a "


class Table[R](ScrollView, can_focus=True):
    """`columns`: heading and width, one of them 0; `cells` makes the cells of a row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "leap(-1)", show=False),
        Binding("pagedown", "leap(1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(1)", show=False),
    ]

    class Moved(Message):
        """The row at `index` is to be selected; beyond the ends, older or newer rows are wanted."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    class Chosen(Message):
        """The selected row was clicked again."""

    def __init__(self, columns: Columns, cells: Callable[[R], tuple[Line, ...]], empty: str, *, name: str) -> None:
        super().__init__(id=name)
        self._columns, self._cells, self._empty = columns, cells, empty
        self._rows: Sequence[R] = ()
        self._at = -1
        self._styles: dict[str, RichStyle] = {}

    def show(self, rows: Sequence[R], at: int) -> None:
        """Draw these rows, the one at `at` selected."""
        moved = at != self._at
        self._rows, self._at = rows, at
        self.virtual_size = Size(self.scrollable_content_region.width, len(rows) + 1)
        if moved and at >= 0:
            self._follow()
        self.refresh()

    def tell(self, empty: str) -> None:
        """What stands where rows would, when there are none."""
        self._empty = empty
        self.refresh()

    def _follow(self) -> None:
        """Keep the selected row in sight, below the heading."""
        top = max(0, self._at)
        self.scroll_to_region(Region(0, top, 1, 2), animate=False, x_axis=False)

    # keys and clicks

    def action_move(self, step: int) -> None:
        """One row up or down."""
        self.post_message(self.Moved(self._at + step))

    def action_leap(self, sign: int) -> None:
        """One screenful."""
        self.post_message(self.Moved(self._at + sign * max(1, self.size.height - 2)))

    def action_edge(self, last: int) -> None:
        """The first row, or the last that is held."""
        self.post_message(self.Moved(len(self._rows) - 1 if last else 0))

    def on_click(self, event: events.Click) -> None:
        """Select, and open what is selected already."""
        index = event.y - 1 + self.scroll_offset.y
        if event.y < 1 or not 0 <= index < len(self._rows):
            return
        self.post_message(self.Chosen() if index == self._at else self.Moved(index))

    def on_resize(self) -> None:
        """Another width: cells are cut anew when they are drawn."""
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._rows) + 1)
        if self._at >= 0:
            self._follow()

    def notify_style_update(self) -> None:
        """The theme changed."""
        super().notify_style_update()
        self._styles.clear()

    # drawing

    @override
    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if width <= 0:
            return Strip.blank(0)
        if y == 0:
            return self._heading(width)
        index = y - 1 + self.scroll_offset.y
        if 0 <= index < len(self._rows):
            return self._row(index, width)
        told = self._empty.split("\n")
        text = f"  {told[y - 1]}" if not self._rows and 1 <= y <= len(told) else ""
        return Strip([Segment(set_cell_size(text, width), self._style("dim"))], width)

    def _heading(self, width: int) -> Strip:
        style = self._style("heading")
        segments = [Segment(" " * _GUTTER, style)]
        for (title, _), wide in zip(self._columns, self._widths(width), strict=True):
            segments.append(Segment(set_cell_size(title, max(0, wide - 1)) + " ", style))
        return Strip(segments).adjust_cell_length(width, style)

    def _row(self, index: int, width: int) -> Strip:
        chosen = self._style("cursor") if index == self._at else None
        segments = [Segment(_MARK if chosen else " " * _GUTTER, chosen or self._style(""))]
        for line, wide in zip(self._cells(self._rows[index]), self._widths(width), strict=True):
            segments += self._cell(line, wide, chosen)
        return Strip(segments).adjust_cell_length(width, chosen or self._style(""))

    def _cell(self, line: Line, wide: int, chosen: RichStyle | None) -> list[Segment]:
        """The spans of one cell, cut and padded to `wide` less a gap of one."""
        room = max(0, wide - 1)
        segments = []
        for span in line:
            if room <= 0:
                break
            text = span.text if (taken := cell_len(span.text)) <= room else set_cell_size(span.text, room)
            room -= min(taken, room)
            segments.append(Segment(text, chosen or self._style(span.tone)))
        return [*segments, Segment(" " * (room + 1), chosen or self._style(""))]

    def _widths(self, width: int) -> list[int]:
        fixed = sum(wide for _, wide in self._columns) + _GUTTER
        return [wide or max(_GROWS, width - fixed) for _, wide in self._columns]

    def _style(self, tone: str) -> RichStyle:
        if tone not in self._styles:
            base = self.rich_style
            self._styles[tone] = base + Style.parse(TONES[tone]).rich_style if TONES[tone] else base
        return self._styles[tone]
