"""Names in memories that a provider keeps: what they stand for, kept for the same caller's next call.

Theory. A call that builds on a memory of the provider's (appliance/inspect/states.py) may be answered with names that
an earlier call gave. Before it goes up, what is known of its memories joins the exchange's own way back; what it adds
is kept beside the memory, and at its end under the id that the answer gave.

Rules: nothing is kept or put back in stage observe; only for the same person (without a name: the same address), with
the same program, at the same service; nothing here ends an exchange: what cannot be kept is told once, and its names
stay names.
"""

import asyncio
from collections.abc import Callable, Iterable

from addons.ongoing import Exchange
from addons.telemetry import Telemetry
from appliance.config.kept_names import FOLDER, KeptNames, Owner
from appliance.inspect import states
from appliance.inspect.dialects import EventReader
from appliance.inspect.inspection import Inspection, ResponseInspection
from appliance.inspect.pseudonyms import Restoration, entity_of
from appliance.model.facts import Facts
from appliance.model.names import Stage


class Remembering:
    """One for the life of a worker."""

    def __init__(self, kept: KeptNames, telemetry: Telemetry) -> None:
        self._kept, self._telemetry = kept, telemetry
        self._told = False
        self._sweeping: asyncio.Task[None] | None = None

    def recall(self, exchange: Exchange, facts: Facts, inspection: Inspection, made: Restoration | None) -> Restoration:
        """The way back of an exchange, with what is known of the memories that it builds on.

        `made`: what there is of it, which is added to.
        """
        made = made or Restoration()
        if exchange.stage is not Stage.ENFORCE or not self._kept.life_s:
            return made
        found = exchange.states = states.asked(exchange.call, inspection.segments, inspection.body)
        if found.followed:
            for name, value in self._kept.recall(_owner(exchange, facts), found.followed):
                made.add(name, entity_of(name), value)
        exchange.recalled = frozenset(made.values)
        return made

    def told(self, exchange: Exchange, answer: ResponseInspection) -> None:
        """An answer in one piece has come."""
        if exchange.restoration is not None and exchange.states.begins:
            self.keep(exchange, exchange.restoration, states.told(answer.view.segments))

    def grown(self, exchange: Exchange, made: Restoration | None) -> None:
        """An exchange goes up: what it says is added to its memories."""
        if made is not None and len(made.values) > len(exchange.recalled):
            self.keep(exchange, made, exchange.states.growing, but=exchange.recalled)

    def ended(self, exchange: Exchange) -> None:
        """An exchange is over: what its answer was called."""
        begun, exchange.begun = exchange.begun, ()
        if begun and exchange.restoration is not None:
            self.keep(exchange, exchange.restoration, [one for one in begun if one not in exchange.states.growing])

    def keep(
        self, exchange: Exchange, made: Restoration, memories: Iterable[str], but: frozenset[str] = frozenset()
    ) -> None:
        """Keep names of an exchange, all without `but`, for these memories. Never raises for want of room."""
        if exchange.facts is None:
            return
        names = {name: value for name, value in made.values.items() if name not in but}
        try:
            self._kept.keep(_owner(exchange, exchange.facts), memories, names)
        except OSError as error:
            if not self._told:
                self._told = True
                self._telemetry.notice("warning", "names_not_kept", f"state_dir/{FOLDER}: {error.strerror}")
        self.sweep()

    def sweep(self) -> None:
        """Delete what has expired, beside the loop, where it is time to."""
        if (self._sweeping is None or self._sweeping.done()) and self._kept.is_due():
            self._sweeping = asyncio.ensure_future(asyncio.to_thread(self._swept))

    def _swept(self) -> None:
        try:
            self._kept.sweep()
        except OSError as error:
            self._telemetry.counts["names_not_swept"] = error.errno or 1


def noticing(exchange: Exchange, reader: EventReader) -> EventReader:
    """The reader of an answer; where the answer will be remembered, one that notices by which id."""
    if exchange.restoration is None or not exchange.states.begins:
        return reader

    def tell(ids: tuple[str, ...]) -> None:
        exchange.begun = ids

    return states.Naming(reader, tell)


class SocketMemory:
    """The same for one socket, whose calls share one way back. `made`: it; `begun`: ids of its answers so far."""

    def __init__(
        self, remembering: Remembering | None, made: Restoration, begun: Callable[[], tuple[str, ...]]
    ) -> None:
        self._remembering, self._made, self._begun = remembering, made, begun
        self._kept: frozenset[str] = frozenset()  # ids for which its names have been kept
        self._names = 0

    def recall(self, call: Exchange, inspection: Inspection) -> None:
        """What is known of the memories that a call builds on joins the way back."""
        if self._remembering and call.facts:
            self._remembering.recall(call, call.facts, inspection, self._made)

    def keep(self, call: Exchange) -> None:
        """A call is over: what it has said, and what its answers were called."""
        if self._remembering is None or not self._made.values:
            return
        self._remembering.grown(call, self._made)
        begun, grown = self._begun(), len(self._made.values) > self._names
        fresh = [one for one in begun if grown or one not in self._kept]
        if call.states.begins and fresh:
            self._remembering.keep(call, self._made, fresh)
            self._kept, self._names = frozenset(begun), len(self._made.values)


class RememberingAddon:
    """Sweeps from the beginning on, also where nobody calls."""

    def __init__(self, remembering: Remembering) -> None:
        self._remembering = remembering
        self._turns: asyncio.Task[None] | None = None

    def running(self) -> None:
        """The worker serves."""
        self._turns = asyncio.ensure_future(self._sweep())

    def done(self) -> None:
        """The worker ends."""
        if self._turns is not None:
            self._turns.cancel()

    async def _sweep(self) -> None:
        while True:
            self._remembering.sweep()
            await asyncio.sleep(_TURN_S)


_TURN_S = 60.0


def _owner(exchange: Exchange, facts: Facts) -> Owner:
    who = exchange.principal
    person = who.name if who.method != "none" else f"{who.name}|{who.address}"
    return Owner(person, facts.client_name or "", exchange.service.id)
