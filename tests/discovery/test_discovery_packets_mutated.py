"""A slice of the mutated packets; `make fuzz` runs more."""

import random
from collections.abc import Sequence

import packets_mutated
import pytest

from appliance.model.observation import Observation
from discovery.engine import Engine
from discovery.files import Frame


def test_changed_and_cut_packets_are_weird_and_never_a_fault() -> None:
    weird = packets_mutated.run(20_000, seed=1)
    assert {"truncated", "bad_ip"} <= weird.keys()


def test_what_is_left_aside_at_once_would_have_been_left_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = random.Random(5)  # noqa: S311 - the same at each run
    files = [list(packets_mutated.mutated(known, turn)) for _, known in packets_mutated.captures()]
    quick = [rows(file) for file in files]
    monkeypatch.setattr(Engine, "_plain", lambda *_: None)
    assert quick == [rows(file) for file in files]


def rows(frames: list[Frame]) -> list[Sequence[Observation]]:
    engine = Engine(hosts=True)
    return [engine.feed(*frame) for frame in frames]
