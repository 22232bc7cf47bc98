"""The table draws what it is given, at any size, and reads nothing as markup."""

import pytest
from rich.cells import cell_len
from textual.app import App

from tui.actions import ACTIONS, PAGES, bindings, on
from tui.client_state.spans import Span, line
from tui.screens.budget import BudgetScreen
from tui.screens.budgets import BudgetsScreen
from tui.screens.decisions import DecisionsScreen
from tui.screens.finding import FindingScreen
from tui.screens.findings import FindingsScreen
from tui.screens.host import HostScreen
from tui.screens.hosts import HostsScreen
from tui.screens.incident import IncidentScreen
from tui.screens.overview import OverviewScreen
from tui.screens.people import PeopleScreen
from tui.screens.person import PersonScreen
from tui.screens.routes import RoutesScreen
from tui.tones import TONES, content
from tui.widgets.lines import Banner, Lines
from tui.widgets.table import Table

NAMES = ["plain", "[red]x[/]", "[/]", "\u4e2d\u6587" * 40, "e\u0301" * 30, "x" * 10_000]


class Shown(App):
    CSS = "Table { height: 1fr; }"

    def __init__(self):
        super().__init__()
        self.told = []

    def on_table_moved(self, event):
        self.told.append(event.index)

    def on_table_chosen(self):
        self.told.append("open")

    def compose(self):
        yield Table((("NAME", 0), ("N", 6)), lambda row: (line(Span(row, "name")), line("7")), "nothing", name="t")


def drawn(app):
    return list(app.screen._compositor.render_strips())


@pytest.mark.parametrize("size", [(60, 12), (20, 5), (3, 2), (1, 1)])
async def test_every_line_is_as_wide_as_the_screen(size):
    app = Shown()
    async with app.run_test(size=size) as pilot:
        table = app.query_one(Table)
        table.show(NAMES, 1)
        await pilot.pause()
        assert {strip.cell_length for strip in drawn(app)} == {size[0]}
        assert {cell_len(strip.text) for strip in drawn(app)} == {size[0]}
        if size[0] > 20:
            text = "\n".join(strip.text for strip in drawn(app))
            assert "[red]x[/]" in text
            assert "\u203a [red]" in text


async def test_a_click_selects_and_a_second_one_opens():
    app = Shown()
    async with app.run_test(size=(40, 8)) as pilot:
        table = app.query_one(Table)
        table.show([f"row {at}" for at in range(100)], 0)
        await pilot.pause()
        await pilot.click(Table, offset=(5, 3))
        table.show(table._rows, 2)
        await pilot.pause()
        await pilot.click(Table, offset=(5, 3))
        await pilot.click(Table, offset=(5, 0))
        await pilot.pause()
        assert app.told == [2, "open"]


async def test_the_selected_row_stays_in_sight():
    app = Shown()
    async with app.run_test(size=(40, 8)) as pilot:
        table = app.query_one(Table)
        for at in (0, 50, 99, 3, 98, 0):
            table.show([f"row {each}" for each in range(100)], at)
            await pilot.pause()
            assert any(strip.text.startswith(f"\u203a row {at} ") for strip in drawn(app)), at


async def test_no_rows_say_so():
    app = Shown()
    async with app.run_test(size=(40, 4)) as pilot:
        app.query_one(Table).show([], -1)
        await pilot.pause()
        assert "nothing" in drawn(app)[1].text


def test_content_is_never_markup():
    made = content([line(Span("[bold]x[/]", "bad")), line("[/]")])
    assert made.plain == "[bold]x[/]\n[/]"


async def test_a_banner_with_nothing_to_say_is_not_there():
    class Bars(App):
        def compose(self):
            yield Banner(id="b")
            yield Lines(line("[x]"), id="l")

    app = Bars()
    async with app.run_test() as pilot:
        banner = app.query_one(Banner)
        banner.tell([])
        assert not banner.display
        banner.tell([line(Span("away", "bad"))])
        await pilot.pause()
        assert banner.display
        assert "[x]" in drawn(app)[1].text


SCREENS = {
    "findings": FindingsScreen,
    "overview": OverviewScreen,
    "decisions": DecisionsScreen,
    "hosts": HostsScreen,
    "incident": IncidentScreen,
    "finding": FindingScreen,
    "host": HostScreen,
    "budgets": BudgetsScreen,
    "budget": BudgetScreen,
    "routes": RoutesScreen,
    "people": PeopleScreen,
    "person": PersonScreen,
}


@pytest.mark.parametrize("page", PAGES)
def test_every_action_of_a_page_is_a_method_of_it(page):
    from tui.app import GnomonApp

    for action in on(page):
        owner, name = (GnomonApp, action.id[4:]) if action.id.startswith("app.") else (SCREENS[page], action.id)
        assert hasattr(owner, f"action_{name.partition('(')[0]}"), action.id
    keys = [key for binding in bindings(page) for key in binding.key.split(",")]
    assert len(keys) == len(set(keys))
    assert page == SCREENS[page].NAME


def test_every_tone_of_the_view_models_is_known():
    import re
    from pathlib import Path

    folder = Path(__file__).parents[3] / "tui" / "client_state"
    used = {word for path in folder.glob("*.py") for word in re.findall(r'Span\([^()]*?, "(\w+)"\)', path.read_text())}
    assert used - set(TONES) == set()
    assert {"good", "bad"} <= used
    assert all(action.help for action in ACTIONS)
