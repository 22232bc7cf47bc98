"""The failure matrix: for each hook, each part and each peer, what is observed when it fails, in both stages.

`make test` meets every line with every dialect, and every kind of fault with every line and every dialect; the whole
product of the three is run by `make conformance`.
"""

import asyncio
from pathlib import Path
from unittest.mock import Mock

import failures_driven as driven
import pytest
from failure_table import EXCHANGES, NOT_CALLED, SOCKETS, Outcome, Row
from failures_page import render
from failures_world import Panic, world_at

from addons.chain import build_chain
from appliance.config.schema import Config, Listen
from appliance.model.errors import OperatorError
from appliance.model.names import Outcome as Outcomes
from appliance.model.names import Stage
from appliance.supervisor import policy

STAGES = list(Stage)


@pytest.fixture(scope="module")
def loop():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module", params=STAGES, ids=str)
def world(request, loop, tmp_path_factory):
    made = world_at(tmp_path_factory.mktemp("matrix"), request.param, driven.parts())
    yield loop.run(made.__aenter__())
    loop.run(made.__aexit__(None, None, None))


@pytest.mark.parametrize("row", EXCHANGES, ids=lambda row: f"{row.label}-{row.answer}-{row.faults[0]}-{row.after}")
def test_each_dialect(loop, world, row):
    loop.run(_met(world, row, spread=True))


@pytest.mark.conformance
@pytest.mark.parametrize("row", EXCHANGES, ids=lambda row: f"{row.label}-{row.answer}-{row.faults[0]}-{row.after}")
def test_each_fault_of_each_dialect(loop, world, row):
    loop.run(_met(world, row, spread=False))


@pytest.mark.parametrize("row", SOCKETS, ids=lambda row: row.label)
@pytest.mark.parametrize("api", driven.sockets())
def test_sockets(loop, world, row, api):
    fault = row.faults[(SOCKETS.index(row) + list(driven.sockets()).index(api)) % len(row.faults)]
    found = loop.run(driven.socket_outcome(world, driven.sockets()[api], row, fault))
    assert found == (row.enforce if world.enforces else row.observe)


@pytest.mark.parametrize("api", driven.cases("stream"))
def test_a_provider_that_ends_half_way_is_on_record_with_what_was_seen(loop, world, api):
    closed, gone = loop.run(driven.halfway(world, driven.cases("stream")[api]))
    assert closed.outcome is Outcomes.UPSTREAM_ABORT
    assert closed.response_bytes == gone == closed.coverage.length
    assert closed.reason
    assert closed.coverage.text_scanned or closed.coverage.structure or closed.coverage.opaque


def test_the_store_is_away(loop, world):
    fixture = driven.cases("stream")["openai.chat"]
    before = world.worker.journal().count("\n")
    loop.run(driven.undisturbed(world, fixture))
    assert not (Path(world.worker.config.run_dir) / "ingest.sock").exists()
    assert world.worker.journal().count("\n") == before + 2
    assert not world.inside.telemetry.shipping()  # its last attempt failed


@pytest.mark.parametrize("spoil", [lambda link: link.unlink(), lambda link: link.resolve().write_text("{")])
@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_without_policy_no_worker_starts(tmp_path, stage, spoil):
    config = Config(state_dir=str(tmp_path / "state"), run_dir=str(tmp_path / "run"), listen=Listen())
    for name in (config.state_dir, config.run_dir):
        Path(name).mkdir(mode=0o700)
    policy.ensure(config, stage)
    spoil(Path(config.state_dir) / "policy" / "current")
    with pytest.raises(OperatorError, match="policy"):
        build_chain(config, "w0")


@pytest.mark.parametrize("compiling", [None, RuntimeError, MemoryError, Panic])
def test_a_snapshot_that_cannot_be_used_changes_nothing(loop, world, monkeypatch, compiling):
    if compiling:
        monkeypatch.setattr("addons.follow.read_snapshot", Mock())
        monkeypatch.setattr(world.follow, "_compile", Mock(side_effect=compiling))
    held = world.inside.policy
    world.events.clear()
    loop.run(_hear_of(world, held.version + 7))
    assert world.inside.policy is held
    assert driven.written(world.events) == "notice policy_refused"


async def _hear_of(world, version: int) -> None:
    world.follow.on_snapshot(version)


def test_the_page_is_current():
    page = Path(__file__).parents[2] / "docs" / "reference" / "failures.md"
    assert page.read_text() == render(), "run: python tests/addons/failures_page.py > docs/reference/failures.md"


async def _met(world, row: Row, *, spread: bool) -> None:
    expected = row.enforce if world.enforces else row.observe or row.enforce
    met, wrong = 0, {}
    for number, (api, fixture) in enumerate(driven.cases(row.answer).items()):
        at = (number + EXCHANGES.index(row)) % len(row.faults)
        for fault in row.faults[at : at + 1] if spread else row.faults:
            found = await driven.outcome(world, fixture, row, fault)
            met += found is not None
            if found is not None and not _agrees(found, _of_no_body(expected) if not fixture.request else expected):
                wrong[api, fault] = found
    assert not wrong, f"not {expected}"
    assert bool(met) is (expected is not NOT_CALLED)


def _of_no_body(expected: Outcome) -> Outcome:
    return expected._replace(sent=expected.sent.replace("edited", "as it came"))


def _agrees(found: Outcome, expected: Outcome) -> bool:
    return all(word in allowed.split(" or ") for word, allowed in zip(found, expected, strict=True))
