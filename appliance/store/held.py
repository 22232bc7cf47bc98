"""The keys that the appliance holds, as analysts may know them: names, providers, ages, and what is overdue.

Rules: read from the register beside the keys, never from a key; no key is opened for reading; what cannot be read is
told in words.
"""

from appliance.config import key_register
from appliance.config.credentials import asked_for, usable
from appliance.config.schema import Config
from appliance.model.errors import OperatorError
from appliance.model.names import KeyState
from appliance.route.key_life import KeyRecord, overdue
from appliance.store.people_pages import MOST_HELD, HeldHead, HeldKeyState

_NEWEST_FIRST = (KeyState.ACTIVE, KeyState.NEW, KeyState.OVERLAP, KeyState.RETIRED)


def held_keys(config: Config, now: float) -> tuple[HeldHead, list[HeldKeyState]]:
    """Every key that there is or should be, those with something overdue first."""
    asked, lying, problem = asked_for(config), usable(config), ""
    try:
        records = key_register.read(config)
    except OperatorError as error:
        records, problem = {}, str(error)
    states = [_state(records.get(name, KeyRecord(name)), now) for name in {*records, *asked}]
    told = [_lying(state, asked=state.name in asked, lies=state.name in lying) for state in states]
    told.sort(key=lambda state: (not state.problems, state.name))
    return HeldHead(min(len(told), MOST_HELD), len(told), problem), told[:MOST_HELD]


def _state(record: KeyRecord, now: float) -> HeldKeyState:
    newest = next((found for state in _NEWEST_FIRST if (found := record.of(state)) is not None), None)
    since = None if newest is None else newest.activated or newest.added
    return HeldKeyState(
        record.name, record.provider, newest.state.value if newest else "", since, record.due, overdue(record, now)
    )


def _lying(state: HeldKeyState, *, asked: bool, lies: bool) -> HeldKeyState:
    """With what its file says: a route that asks for a key that is not there cannot go on."""
    missing = ("a route asks for it, and its file is not there or open to others: gnomon keys check",)
    problems = (*state.problems, *(missing if asked and not lies else ()))
    return HeldKeyState(
        state.name, state.provider, state.state, state.since, state.due, problems, lies if asked else None
    )
