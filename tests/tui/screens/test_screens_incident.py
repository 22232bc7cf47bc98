"""The incident page under a pilot, and a key in words."""

import msgspec
from fake_store import NOW, FakeStore, finding

from appliance.bus.server import Reply, Verb
from appliance.store.exposure_pages import ExposedKey, ExposureHead, ExposureRequest
from tui.client_state.key_lines import COLUMNS, row
from tui.client_state.names import Names

HOSTILE = "\x1b]52;c;x\x07[red]evil[/red]\u202e"


def key(at, **changes):
    said = {
        "fingerprint": f"k_{at:016x}", "shape": "openai_project", "held": None, "principals": (f"p_{at}",),
        "clients": ("a_1",), "programs": ("litellm/1.82.8",), "services": ("openai",), "accounts": ("personal",),
        "account_ids": (), "exchanges": at + 1, "first_seen": NOW - 600, "last_seen": NOW - at * 60.0 - 30, "after": 0,
        "last_after": None,
    }  # fmt: skip
    return ExposedKey(**said | changes)


class KeyStore(FakeStore):
    def __init__(self, run_dir, keys):
        self.keys = keys
        super().__init__(run_dir, [finding(0)])
        self.people |= {f"p_{at}": f"person-{at}" for at in range(9)}

    def verbs(self):
        return super().verbs() | {"exposure": Verb(ExposureRequest, self._answering("exposure", self._exposure))}

    def _exposure(self, request):
        fits = [each for each in self.keys if not request.program or request.program in each.programs[0]]
        if request.until is not None:
            fits = [msgspec.structs.replace(each, after=3, last_after=NOW) for each in fits[:1]] + fits[1:]
        return Reply(ExposureHead(len(fits), len(fits)), msgspec.json.encode(fits))


async def test_keys_the_mark_and_what_is_still_used(open_desk, run_dir):
    store = KeyStore(run_dir, [key(0), key(1, held="team"), key(2, programs=("curl",))])
    async with open_desk(store=store) as desk:
        await desk.press("5")
        await desk.see("keys 3", "last 7 days", "k_0000000000000000", "person-0", "held: team", "personal")
        await desk.press("m")
        await desk.see("marked", "3, ")
        await desk.press("i")
        await desk.see("keys 1", "still in use only")
        await desk.press("i", "m")
        await desk.see("keys 3")
        await desk.press("o")
        await desk.see("last 30 days")
        await desk.until(lambda: abs(store.asked("exposure")[-1].since - (NOW - 30 * 86_400)) < 3_600)
        await desk.press("slash")
        desk.type("curl")
        await desk.press("enter")
        await desk.see("keys 1", "filtered", "curl")
        await desk.press("slash", "escape")
        await desk.see("keys 3")


async def test_no_key_says_so(open_desk, run_dir):
    async with open_desk(store=KeyStore(run_dir, [])) as desk:
        await desk.press("5")
        await desk.see("no key was seen")


def test_a_row_is_bounded_and_inert():
    hostile = key(
        0,
        programs=(HOSTILE, "a", "b"),
        services=(HOSTILE,),
        held=HOSTILE,
        shape=HOSTILE,
        accounts=(HOSTILE, "personal"),
    )
    cells = ["".join(part.text for part in cell) for cell in row(hostile, Names(), NOW)]
    assert len(cells) == len(COLUMNS)
    assert not any(mark in "".join(cells) for mark in "\x1b\x07\u202e\n")
    assert cells[5] == "several"
    assert cells[8] == "no"
