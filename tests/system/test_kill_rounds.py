"""kill -9 of any process under load loses no record, doubles none, refuses no connection; counters stay exact.

A slice of `tests/system/kill_rounds.py`; GNOMON_KILL_ROUNDS and GNOMON_KILL_SEED make it longer and different.
"""

import json
import os
import signal
import socket
import time

import kill_audit
import pytest
from kill_rounds import Rounds, world

from appliance.ledger.ledger import Ledger
from appliance.ledger.table import CounterKey
from appliance.ledger.windows import Window

pytestmark = pytest.mark.system
ROUNDS = int(os.environ.get("GNOMON_KILL_ROUNDS", "6"))
SEED = int(os.environ.get("GNOMON_KILL_SEED", "5"))
ORGANISATION = CounterKey("organisation", "", Window.DAY)


@pytest.mark.timeout(120 + 30 * ROUNDS)
def test_what_arrived_is_what_is_recorded(tmp_path):
    found = Rounds(tmp_path, SEED).run(ROUNDS)
    assert found["problems"] == {}
    assert sum(found["killed"].values()) >= ROUNDS
    assert found["arrivals"]
    assert found["connects"]
    assert found["opens"] == found["closes"] >= found["arrivals"]


def test_the_comparison_sees_what_it_is_for():
    class Evidence:
        opens = (("x1", "b1", "s1"), ("x1", "b1", "s1"), ("x2", "b2", "s2"))
        closes = (("x1", "completed"), ("x2", "completed"))
        outcome = dict(closes)
        alarms = ()
        unplaced = ()
        marks = (("w0", 1, 5, 4, 4),)

    assert set(kill_audit.compare(Evidence(), ["s1", "s1", "s3"], {"b4"})) == {
        "arrival without a record",
        "arrived twice",
        "body recorded twice",
        "exchange opened twice",
        "ended well without an arrival",
        "answered without a record",
        "journal lines lost or doubled",
    }


def hold(appliance, number):
    """A stream that the provider does not end, through the gateway; its first event has come."""
    body = json.dumps(
        {"model": "stand-in-hold", "stream": True, "messages": [{"role": "user", "content": f"{number}"}]}
    )
    client = socket.create_connection(("127.0.0.1", appliance.gateway), timeout=30)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\ncontent-length: {len(body)}\r\n"
    client.sendall(f"{head}authorization: Bearer sk-test\r\ncontent-type: application/json\r\n\r\n{body}".encode())
    heard = b""
    while b"data:" not in heard:
        chunk = client.recv(65536)
        assert chunk, heard
        heard += chunk
    return client


def used(appliance):
    with Ledger(appliance.folder / "state" / "ledger" / "counters.map", claim=False) as ledger:
        return ledger.used(ORGANISATION, time.time())


def closes(folder):
    return sum(file.read_text().count('"kind":"close"') for file in folder.glob("state/journal/*/*.jsonl"))


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_reservations_of_a_killed_worker_are_given_back_and_missing_counters_are_told_by_the_store(tmp_path, provider):
    with world.running(tmp_path, provider) as appliance:
        settled = [hold(appliance, number) for number in range(2)]
        for client in settled:
            client.close()  # used all the same: the provider was asked
        until(lambda: closes(tmp_path) == 2)  # a reservation is settled before the close is written
        held = [hold(appliance, number) for number in range(2, 5)]
        assert used(appliance) == 5
        worker = next(pid for name, pid in appliance.pids().items() if name != "store")
        os.kill(worker, signal.SIGKILL)
        until(lambda: used(appliance) == 2)
        for client in held:
            client.close()
        hold(appliance, 5).close()
        assert used(appliance) == 3
        appliance.run("down")
        appliance.down()
        counters = tmp_path / "state" / "ledger" / "counters.map"
        counters.unlink()
        appliance.up()
        assert used(appliance) == 3
        appliance.down()
        counters.write_bytes(b"damaged" + counters.read_bytes()[7:])
        with pytest.raises(AssertionError, match=r"counters\.map: not a counter file; .* move the file away"):
            appliance.up()
        assert counters.read_bytes().startswith(b"damaged")
