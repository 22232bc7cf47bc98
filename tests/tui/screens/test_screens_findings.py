"""The list, its filter, its pages and its standstill, under a pilot."""

import msgspec
import pytest
from fake_store import NOW, FakeStore, finding

from appliance.model.names import FindingState, Severity, Verity


async def test_the_first_page_and_the_status(open_desk):
    async with open_desk() as desk:
        await desk.see("OBSERVE", "policy 7 applied on 2/2", "findings 30", "Service 2", "\u203a H high")


async def test_a_push_is_on_the_screen_and_the_selection_stays(open_desk):
    async with open_desk() as desk:
        await desk.press("j", "j", "j")
        chosen = desk.app.screen.window.selected.id
        at = desk.app.screen.window.at
        desk.store.put(finding(500, name="Arrival", severity=Severity.CRITICAL, last_seen=NOW))
        await desk.see("Arrival", "C critical", "findings 31")
        assert desk.app.screen.window.selected.id == chosen
        assert desk.app.screen.window.at == at + 1
        moved = msgspec.structs.replace(desk.store.findings[chosen], severity=Severity.CRITICAL, last_seen=NOW + 5)
        desk.store.put(moved)
        await desk.until(lambda: desk.app.screen.window.at == 0)
        assert desk.app.screen.window.selected.id == chosen


async def test_down_through_all_pages_and_back(open_desk):
    async with open_desk([finding(at) for at in range(730)]) as desk:
        window = desk.app.screen.window
        while (
            window.rows[-1].id
            != min(desk.store.findings.values(), key=lambda f: (f.severity.rank, f.last_seen, f.id)).id
        ):
            before = window.rows[-1].id
            await desk.press("G")
            await desk.until(lambda before=before: window.rows[-1].id != before or window.next is None)
            assert len(window.rows) <= 500
        assert window.start is not None
        while window.start is not None:
            before = window.start
            await desk.press("g")
            await desk.until(lambda before=before: window.start != before)
        assert window.rows[0].name == "Service 2"


async def test_filtering_as_it_is_typed(open_desk):
    async with open_desk() as desk:
        await desk.press("slash")
        desk.type("service 1")
        await desk.until(lambda: desk.store.asked("findings")[-1].text == "service 1")
        await desk.until(lambda: desk.app.screen.window.total == 11)
        await desk.press("enter")
        await desk.see("filtered", "findings 11")
        await desk.press("escape")
        await desk.see("findings 30")
        assert "filtered" not in desk.text()


async def test_a_wrong_filter_points_at_its_place_and_asks_nothing(open_desk):
    async with open_desk() as desk:
        await desk.press("slash")
        desk.type("way:side")
        await desk.see("    ^^^^ one of governed, bypass, unknown")
        assert all(request.governance is None for request in desk.store.asked("findings"))
        await desk.press("enter")
        assert desk.app.screen.filtering
        await desk.press(*["backspace"] * 4)
        desk.type("bypass")
        await desk.until(lambda: desk.app.focused.value == "way:bypass")
        await desk.press("enter")
        await desk.until(lambda: not desk.app.screen.filtering)
        await desk.see("findings 15")


async def test_paste_into_the_filter_is_inert(open_desk):
    from textual.events import Paste

    async with open_desk() as desk:
        await desk.press("slash")
        await desk.until(lambda: desk.app.focused is not None and desk.app.focused.id == "filter")
        desk.app.screen.post_message(Paste("\x1b[2J\x9b31m\n[red]\u202ex"))
        await desk.until(lambda: desk.app.focused.value)
        assert desk.app.focused.value.isprintable()
        assert "\\x1b[2J\\x9b31m [red]\\u202ex" in desk.app.focused.value


async def test_a_paste_elsewhere_presses_no_keys(open_desk):
    from textual.events import Paste

    async with open_desk() as desk:
        desk.app.screen.post_message(Paste("bq\r\r3"))
        await desk.pilot.pause()
        assert desk.app.screen.NAME == "findings"
        assert desk.store.decisions == []


async def test_paused_the_list_stands_still(open_desk):
    async with open_desk() as desk:
        await desk.press("p")
        await desk.see("PAUSED, 0 new")
        desk.store.put(*(finding(600 + at, name=f"Late {at}", severity=Severity.CRITICAL) for at in range(3)))
        await desk.see("PAUSED, 3 new")
        assert "Late" not in desk.text()
        await desk.press("p")
        await desk.see("Late 0", "Late 1", "Late 2")
        assert "PAUSED" not in desk.text()


async def test_triage_marks_and_refuses(open_desk):
    async with open_desk([finding(1)]) as desk:
        await desk.press("t")
        await desk.see("triaged")
        (only,) = desk.store.findings.values()
        assert only.state is FindingState.TRIAGED
        await desk.press("t")
        await desk.pilot.pause()
        assert len(desk.store.asked("triage")) == 1


async def test_a_finding_in_full_with_clear_names(open_desk):
    async with open_desk() as desk:
        await desk.press("enter")
        await desk.see(
            "WHY", "ann  through 3", "p_bob", "10.0.0.10", "api.service.test", "new -> triaged by ann", "48 hours"
        )
        await desk.press("escape")
        await desk.see("SEVERITY")


async def test_copy_is_plain_ascii_json(open_desk):
    async with open_desk([finding(1, name="\x1b]52;c;x\x07\u202e\u4e2d")]) as desk:
        await desk.press("y")
        copied = desk.app.clipboard
        assert copied.isascii()
        assert not any(ord(char) < 32 and char != "\n" for char in copied)
        assert msgspec.json.decode(copied)["name"] == "\x1b]52;c;x\x07\u202e\u4e2d"


async def test_the_store_goes_and_comes_back(open_desk, run_dir):
    async with open_desk() as desk:
        await desk.store.server.close()
        await desk.see("the store is away since", "Service 2")
        await desk.press("j", "1")
        await desk.see("APPLIANCE")
        await desk.press("3", "2", "enter", "escape", "r")
        await desk.see("the consequence is not known")
        await desk.press("escape")
        async with FakeStore(run_dir, [finding(1, name="After")]):
            await desk.see("After")
            assert "away" not in desk.text()


async def test_the_stage_changes_at_once(open_desk):
    async with open_desk() as desk:
        desk.store.tell(stage="enforce")
        await desk.see("ENFORCE")
        assert "OBSERVE" not in desk.text()


@pytest.mark.parametrize("key", ["1", "2", "3"])
async def test_the_stage_is_on_every_page(open_desk, key):
    async with open_desk() as desk:
        await desk.press(key)
        await desk.see("OBSERVE", "policy 7")


async def test_help_names_every_key_of_the_page(open_desk):
    from tui.actions import on

    async with open_desk(size=(120, 60)) as desk:
        await desk.press("question_mark")
        await desk.see(*(f"{action.label}: {action.help}" for action in on("findings")), "way:bypass")
        await desk.press("escape")
        await desk.see("\u203a H high")


async def test_the_palette_knows_the_page(open_desk):
    async with open_desk() as desk:
        await desk.press("3")
        await desk.until(lambda: desk.app.screen.NAME == "decisions")
        await desk.press("ctrl+p")
        desk.type("counts")
        await desk.see("Overview: counts, last hour")
        await desk.press("enter")
        await desk.until(lambda: getattr(desk.app.screen, "NAME", "") == "overview")


async def test_every_theme_draws(open_desk):
    from tui.screens.page import THEMES

    async with open_desk() as desk:
        for _ in THEMES:
            await desk.press("T")
            await desk.see("\u203a H high", "OBSERVE")
        assert desk.app.theme in THEMES


async def test_a_resize_that_was_lost_is_made_good(open_desk, monkeypatch):
    async with open_desk() as desk:
        monkeypatch.setattr("os.get_terminal_size", lambda _fd: (60, 9))
        desk.app.fit_terminal()
        await desk.until(lambda: desk.app.screen.size == (60, 9))
        await desk.until(lambda: {len(each) for each in desk.lines()} == {60})
        monkeypatch.setattr("os.get_terminal_size", lambda _fd: (0, 0))
        desk.app.fit_terminal()
        await desk.pilot.pause()
        assert desk.app.screen.size == (60, 9)


async def test_a_detection_is_judged_by_key_and_the_page_shows_it(open_desk):
    async with open_desk() as desk:
        await desk.press("enter")
        await desk.see("DETECTED IN ITS EXCHANGES (2)", "EMAIL_ADDRESS", "in 12 exchanges, not judged")
        await desk.press("w")
        await desk.see("Which detection do you judge?")
        await desk.press("right", "enter")
        await desk.see("what it was taken for?")
        await desk.press("right", "right", "enter")
        await desk.see("wrong 1 of 1 judged")
        (asked,) = desk.store.asked("feedback")
        assert (asked.entity, asked.verdict, asked.exchange) == ("EMAIL_ADDRESS", Verity.WRONG, None)
        assert asked.finding in desk.store.findings


async def test_leaving_the_question_says_nothing(open_desk):
    async with open_desk() as desk:
        await desk.press("enter")
        await desk.see("DETECTED IN ITS EXCHANGES (2)")
        await desk.press("w")
        await desk.see("Which detection do you judge?")
        await desk.press("enter")
        await desk.see("DETECTED IN ITS EXCHANGES (2)")
        assert desk.store.asked("feedback") == []
