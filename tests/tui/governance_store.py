"""The fake store with budgets, people, routes, migration and held keys; some of their names are hostile.

`python governance_store.py RUN_DIR COUNT` serves until its stdin ends.
"""

import asyncio
import sys
from pathlib import Path

import msgspec
from fake_store import NOW, FakeStore, finding

from appliance.bus.server import Reply, Verb
from appliance.model.errors import PeerError
from appliance.model.names import DecisionKind, FindingKind
from appliance.store import budget_pages as bp
from appliance.store import people_pages as pp
from appliance.store.exposure_pages import ExposedKey
from appliance.store.finding_pages import TargetState
from appliance.store.moving import Migration, MigrationRequest, StillThere
from appliance.store.pages import PageHead

HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]evil[/red]\u202e" + "\u0301" * 300


def budget(name="team", used=73, reserved=0, **changes) -> bp.BudgetState:
    full = used >= 100
    fullest = bp.Standing("p_ann", used, reserved, full=full, warns=used >= 80, over=max(0, used - 100))
    given = {
        "name": name, "what": "requests", "window": "day", "per": "user", "limit": 100, "warn": 80, "matches": (),
        "refuses_unpriced": True, "resets": NOW + 3_600, "fullest": fullest, "counters": 2,
        "near": int(80 <= used < 100), "full": int(full),
    }  # fmt: skip
    return bp.BudgetState(**given | changes)


def person(at: int, **changes) -> pp.PersonUse:
    given = {
        "person": f"p_{at:016x}", "department": "sales", "exchanges": 12, "stopped": 1, "services": ("openai",),
        "personal": 3, "anonymous": 0, "corporate": 9, "cost_micros": 1_230_000, "unpriced": 2, "signals": at % 2,
        "first_seen": NOW - 600, "last_seen": NOW - at,
    }  # fmt: skip
    return pp.PersonUse(**given | changes)


class GovernanceStore(FakeStore):
    """What each verb answers can be changed by a test."""

    def __init__(self, run_dir, findings=None):
        self.budgets = [budget("full", 130), budget("near", 90, 10), budget("team", 40), budget(HOSTILE, 3)]
        self.head = bp.BudgetsHead(4, 4, NOW, unpriced=(bp.Unpriced("openai", HOSTILE, 7, 2, 100, 50, NOW - 60),))
        self.persons_seen = [person(1, person="p_ann"), person(2)]
        self.held = [
            pp.HeldKeyState("team", "openai", "active", NOW - 8e6, NOW - 90_000, ("should have been changed",), True),
            pp.HeldKeyState(HOSTILE[:20], "anthropic", "active", NOW, NOW + 8e6, ()),
        ]
        self.migrations = [
            Migration(
                7, NOW - 9_000, DecisionKind.REDIRECT, "chatgpt", None, "approved", None, True, 4, 1, 1, 2, 1, 3, 1, 2,
                1, 5, (StillThere("p_ann", 2, 0, NOW - 60),),
            )
        ]  # fmt: skip
        super().__init__(run_dir, [finding(0)] if findings is None else findings)
        targets = (
            TargetState("w1", "approved", "openai", "https://a.test", "", "open", 6, int(NOW) + 40, False),
            TargetState("w2", "approved", "openai", "https://a.test"),
            TargetState("w1", "other", "local", "http://10.0.0.1:8000", HOSTILE, key=False),
        )
        self.state = msgspec.structs.replace(self.state, targets=targets)

    def verbs(self):
        kinds = {
            "budgets": (bp.BudgetsRequest, lambda _: Reply(self.head, msgspec.json.encode(self.budgets))),
            "budget": (bp.BudgetRequest, self._budget),
            "people": (pp.PeopleRequest, self._people),
            "person": (pp.PersonRequest, self._person),
            "held_keys": (pp.HeldRequest, self._held_keys),
            "migration": (MigrationRequest, self._migration),
        }
        own = {name: Verb(record, self._answering(name, answer)) for name, (record, answer) in kinds.items()}
        return super().verbs() | own

    def _budget(self, request):
        state = next(one for one in self.budgets if one.name == request.budget)
        standings = (state.fullest, bp.Standing("p_bob", 10, 5, full=False, warns=False))
        spent = (bp.Spent("p_ann", 12, 900, 80, 1_500_000, 20_000, 3, 1),)
        keys, models = (bp.Spent("", 12, 900, 80, 0, 0, 0, 0),), (bp.Spent(HOSTILE, 2, 9, 8, 0, 0, 2, 0),)
        return Reply(bp.BudgetDetail(state, NOW, NOW - 7_200, standings, spent, keys, models, 20_000))

    def _people(self, request):
        fits = [one for one in self.persons_seen if not request.own or one.personal]
        if request.text:
            fits = [one for one in fits if request.text in (one.department or "")]
        return Reply(pp.PeopleHead(len(fits), len(fits)), msgspec.json.encode(fits))

    def _person(self, request):
        use = next((one for one in self.persons_seen if one.person == request.person), None)
        if use is None:
            raise PeerError("nothing of that person is stored", 404)
        key = ExposedKey(
            "k_1", HOSTILE, None, ("p_ann",), ("a_ten",), (HOSTILE,), ("openai",), ("personal",), (), 3, NOW, NOW, 0,
            None,
        )  # fmt: skip
        signal = pp.SignalSeen(NOW - 90, "f1", FindingKind.EXTRACTION.value, "openai", "prompts: 900 distinct requests")
        return Reply(
            pp.PersonDetail(
                use,
                ("basic", "jwt"),
                (pp.PersonService("openai", "api", 12, 1, (HOSTILE,), 900, 80, None, 12, NOW - 60),),
                (pp.AccountUse("openai", "api", "personal", 3, 1, NOW - 60),),
                (key,),
                (signal,),
                (finding(0),),
            )
        )

    def _held_keys(self, _request):
        return Reply(pp.HeldHead(len(self.held), len(self.held)), msgspec.json.encode(self.held))

    def _migration(self, _request):
        return Reply(PageHead(len(self.migrations)), msgspec.json.encode(self.migrations))


async def main(run_dir: Path, count: int) -> None:
    """Serve until the other side closes our stdin."""
    async with GovernanceStore(run_dir, [finding(at) for at in range(count)]):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
