"""The decision dialog and the log of decisions: what reaches the store, and by which keys."""

import msgspec
import pytest
from fake_store import NOW, finding
from textual.widgets import Select

from appliance.model.decision import Scope
from appliance.model.names import DecisionKind, Surface
from tui.client_state.form import GROUP
from tui.screens.decide import DecideScreen


def dialog(desk) -> DecideScreen:
    assert isinstance(desk.app.screen, DecideScreen)
    return desk.app.screen


async def open_dialog(desk, key):
    await desk.press(key)
    await desk.see("Apply")
    await desk.until(lambda: dialog(desk)._previewed is dialog(desk).form)


async def press_again(desk):
    """Enter on Apply once more; a button takes no second press while it still shows the first."""
    await desk.until(lambda: not dialog(desk).query_one("#apply").has_class("-active"))
    await desk.press("enter")


async def test_from_the_first_look_to_an_applied_redirect(open_desk):
    keys = ["r", "right", "enter"]
    assert len(keys) <= 8
    async with open_desk() as desk:
        await desk.press(keys[0])
        await desk.see("would have changed 41 of 52 exchanges by 6 people in 7 days", "not touched by this", "approved")
        await desk.press(*keys[1:])
        await desk.until(lambda: desk.store.decisions)
        ((decision, version),) = desk.store.decisions
        assert (decision.decision, decision.route, decision.surface) == (DecisionKind.REDIRECT, "approved", Surface.API)
        assert decision.service == "service-2"
        assert desk.store.asked("decide")[0].expected_version == 7
        await desk.see("policy 8 applied on 0/2", "1 on the way")
        desk.store.apply_everywhere()
        await desk.see("policy 8 applied on 2/2", "decision 1 applied on 2/2")
        assert version == 8


@pytest.mark.parametrize("key", ["b", "r"])
async def test_a_blind_enter_stops_no_traffic(open_desk, key):
    async with open_desk() as desk:
        await desk.press(key, "enter")
        await desk.until(lambda: not isinstance(desk.app.screen, DecideScreen))
        assert desk.store.decisions == []


@pytest.mark.parametrize(("key", "kind"), [("a", "approve"), ("c", "coach"), ("d", "dismiss")])
async def test_enter_applies_what_stops_nothing(open_desk, key, kind):
    async with open_desk() as desk:
        await open_dialog(desk, key)
        await desk.press("enter")
        await desk.until(lambda: desk.store.decisions)
        assert desk.store.decisions[0][0].decision == kind


async def test_nothing_is_sent_before_its_consequence_was_shown(open_desk):
    async with open_desk() as desk:
        import asyncio

        gate = asyncio.Event()
        decoder, answer = desk.store.server.verbs["preview"]

        async def held(*given):
            await gate.wait()
            return await answer(*given)

        desk.store.server.verbs["preview"] = (decoder, held)
        await desk.press("b")
        await desk.see("looking at what is stored")
        await desk.press("right", "enter", "enter")
        await desk.pilot.pause()
        assert desk.store.asked("decide") == []
        gate.set()
        await desk.see("would have changed")
        await press_again(desk)
        await desk.until(lambda: desk.store.decisions)


async def test_the_first_route_that_fits_is_filled_in(open_desk):
    async with open_desk() as desk:
        desk.store.refuse_routes = {"approved"}
        await open_dialog(desk, "r")
        await desk.until(lambda: dialog(desk).form.route == "other")
        assert dialog(desk).query_one("#route", Select).value == "other"
        assert "refused" not in desk.text()


async def test_a_route_that_does_not_fit_says_why(open_desk):
    async with open_desk() as desk:
        desk.store.refuse_routes = {"approved", "other"}
        await open_dialog(desk, "r")
        await desk.see("refused: another dialect")


async def test_without_a_route_there_is_no_redirect(open_desk):
    async with open_desk() as desk:
        desk.store.tell(routes=())
        await desk.until(lambda: desk.app.desk.standing.state.routes == ())
        await desk.press("r")
        await desk.see("a redirect needs a route", "there is no route")
        await desk.press("right", "enter")
        await desk.pilot.pause()
        assert desk.store.decisions == []


async def test_every_answer_reaches_the_proposal(open_desk):
    async with open_desk() as desk:
        await open_dialog(desk, "b")
        await desk.until(lambda: len(dialog(desk).query_one("#scope", Select)._options) == 5)
        for name, value in (("scope", "p_ann"), ("surface", ""), ("expiry", "1")):
            dialog(desk).query_one(f"#{name}", Select).value = value
        dialog(desk).query_one("#reason").value = "not here"
        await desk.until(lambda: dialog(desk).form.reason and dialog(desk)._previewed is dialog(desk).form)
        assert desk.store.asked("preview")[-1].proposal.scope == Scope(principals=("p_ann",))
        dialog(desk).query_one("#apply").press()
        await desk.until(lambda: desk.store.decisions)
        decision = desk.store.decisions[0][0]
        assert (decision.scope, decision.surface, decision.reason) == (Scope(principals=("p_ann",)), None, "not here")
        assert decision.expires > NOW


async def test_a_group_is_typed(open_desk):
    async with open_desk() as desk:
        await open_dialog(desk, "a")
        dialog(desk).query_one("#scope", Select).value = GROUP
        await desk.see("type the group's name", "Group")
        dialog(desk).query_one("#group").focus()
        desk.type("staff")
        await desk.until(lambda: dialog(desk).form.group == "staff")
        await desk.press("enter")
        assert desk.app.focused.id == "apply"
        await desk.until(lambda: dialog(desk)._previewed is dialog(desk).form)
        await desk.press("enter")
        await desk.until(lambda: desk.store.decisions)
        assert desk.store.decisions[0][0].scope == Scope(groups=("staff",))


async def test_a_policy_that_changed_meanwhile_is_looked_at_again(open_desk):
    async with open_desk() as desk:
        await open_dialog(desk, "b")
        desk.store.state = msgspec.structs.replace(desk.store.state, version=11)  # and nobody was told
        await desk.press("right", "enter")
        await desk.see("the policy is at version 11")
        assert desk.store.decisions == []
        await desk.until(lambda: dialog(desk)._previewed is dialog(desk).form and dialog(desk)._looked_at == 11)
        await press_again(desk)
        await desk.until(lambda: desk.store.decisions)


async def test_what_is_sent_names_the_policy_that_was_looked_at(open_desk):
    async with open_desk() as desk:
        await open_dialog(desk, "b")
        desk.store.tell(version=8)
        await desk.until(lambda: desk.app.desk.standing.version == 8)
        await desk.press("right", "enter")
        await desk.see("the policy is at version 8")
        assert desk.store.asked("decide")[0].expected_version == 7
        assert desk.store.decisions == []


async def test_a_store_that_dies_while_deciding_leaves_no_false_word(open_desk):
    async with open_desk() as desk:
        await open_dialog(desk, "b")

        async def die(*_):
            for connection in tuple(desk.store.server._connections):
                connection._writer.transport.abort()
            raise RuntimeError

        import logging

        logging.getLogger("gnomon.bus").setLevel(logging.CRITICAL)
        desk.store.server.verbs["decide"] = (desk.store.server.verbs["decide"][0], die)
        await desk.press("right", "enter")
        await desk.see("nobody knows whether it was taken")
        assert isinstance(desk.app.screen, DecideScreen)


async def test_the_log_and_an_undo(open_desk):
    async with open_desk() as desk:
        await open_dialog(desk, "a")
        await desk.press("enter")
        await desk.until(lambda: desk.store.decisions)
        desk.store.apply_everywhere()
        await desk.press("3")
        await desk.see("approve", "service-2", "everyone", "in force")
        await desk.press("z", "enter")
        await desk.pilot.pause()
        assert len(desk.store.decisions) == 1  # the first answer keeps it
        await desk.press("u")
        await desk.see("Undo decision 1")
        await desk.press("right", "enter")
        await desk.until(lambda: len(desk.store.decisions) == 2)
        assert desk.store.decisions[1][0].undoes == 1
        await desk.see("undo 1", "undone")
        await desk.press("j", "z")
        await desk.pilot.pause()
        assert len(desk.app.screen_stack) == 1


async def test_hostile_labels_are_chosen_as_they_are(open_desk):
    async with open_desk([finding(1, name="[red]x\x1b[2J[/]")]) as desk:
        desk.store.people = {"p_ann": "[/]\x1b[31mann", "a_ten": "[bold]10"}
        desk.store.tell(routes=("[red]r", "[/]"))
        await desk.until(lambda: desk.app.desk.standing.state.routes[0] == "[red]r")
        await open_dialog(desk, "r")
        await desk.see("[red]x\\x1b[2J[/]", "[red]r")
        dialog(desk).query_one("#scope").focus()
        await desk.press("enter")
        await desk.see("user [/]\\x1b[31mann", "address [bold]10")
