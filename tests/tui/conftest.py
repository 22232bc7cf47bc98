"""A terminal without a screen before a stand-in for the store."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fake_store import FakeStore, finding
from textual.events import Key
from textual.keys import _character_to_key

from tui.app import GnomonApp


class Desk:
    """The application under a pilot, and the store that it asks."""

    def __init__(self, app, pilot, store):
        self.app, self.pilot, self.store = app, pilot, store

    async def until(self, condition, patience=15.0):
        try:
            async with asyncio.timeout(patience):
                while not condition():  # noqa: ASYNC110 - conditions of many kinds
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"never came; the screen:\n{self.text()}") from None

    async def see(self, *texts):
        """Wait until all of them are on the screen."""
        await self.until(lambda: all(text in self.text() for text in texts))

    async def press(self, *keys):
        await self.pilot.press(*keys)

    def type(self, text):
        """Keys at once, as fast as a terminal brings them; what they do is then waited for."""
        for char in text:
            self.app._driver.send_message(Key(_character_to_key(char), char))

    def lines(self):
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    def text(self):
        return "\n".join(self.lines())

    @property
    def table(self):
        return self.app.screen.query_one("#rows")


@pytest.fixture
def run_dir(tmp_path: Path):
    return tmp_path


@pytest.fixture
def open_desk(run_dir):
    @asynccontextmanager
    async def opened(findings=None, *, size=(120, 30), attached=False, store=None):
        found = [finding(at) for at in range(30)] if findings is None else findings
        store = store or FakeStore(run_dir, found)
        async with store:
            app = GnomonApp(run_dir, attached=attached)
            async with app.run_test(size=size, notifications=True) as pilot:
                desk = Desk(app, pilot, store)
                await desk.until(lambda: app.desk.link.up and app.desk.standing.told)
                await desk.until(lambda: app.screen.window.loaded)
                yield desk

    return opened
