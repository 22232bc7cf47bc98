"""How much the store takes in, and how soon a query shows it.

Owns: the measurement behind `gnomon bench store`. Rules: real processes and real sockets; every event is unique; events
are journal lines of the size that a governed 2 kB chat request makes (an open of about 1.3 kB and a close). First a
backlog is sent as fast as it is taken (`events_per_s`), then a producer makes 5,000 events per second while a reader
asks for the newest exchanges over and over; an event's age when it is first seen is its time to visibility.
"""

import argparse
import contextlib
import hashlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from appliance.bus.client import BlockingClient
from appliance.config.effective import write_effective
from appliance.config.schema import Config
from appliance.journal.record import Mark, encode_line, genesis
from appliance.model.detection import Coverage, Label
from appliance.model.event import Attempt, Event, ExchangeClosed, ExchangeOpened, Usage
from appliance.model.facts import Facts, RuleHit, Verdict
from appliance.model.names import DetectionKind, Disposition, Layer, Outcome, Stage
from appliance.store.pages import MAX_LIMIT, ExchangesRequest, ExchangeSummary, PageHead
from appliance.store.wire import Append, Appended

RATE: Final = 5_000
FRAME_LINES: Final = 512  # as the shipper does
TICK_S: Final = 0.05  # as the shipper does
POLL_S: Final = 0.02
_decode: Final = msgspec.json.Decoder(list[ExchangeSummary]).decode


def run(seconds: float) -> dict[str, float]:
    """Measure for about `seconds`: a third backlog, the rest at 5,000 events/s.

    `events_per_s`: taken in without pause. `paced_events_per_s`: taken in at the producer's pace. `visible_ms_p50`,
    `visible_ms_p95`: from an exchange's open event to the first query that shows it. `query_ms_p95`: one query.
    """
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as folder, store_process(Path(folder)) as run_dir:
        flat_out = _produce(run_dir, "flat", seconds / 3, 0)
        producer = _start_producer(run_dir, "paced", seconds * 2 / 3, RATE)
        try:
            ages, queries = _watch(run_dir, producer)
            told = _told(producer)
        finally:
            producer.kill()
            producer.wait()
    return {
        "events_per_s": round(flat_out, 1),
        "paced_events_per_s": round(told, 1),
        "visible_ms_p50": _percentile(ages, 0.50),
        "visible_ms_p95": _percentile(ages, 0.95),
        "query_ms_p95": _percentile(queries, 0.95),
    }


@contextlib.contextmanager
def store_process(folder: Path) -> Iterator[Path]:
    """A store of its own under `folder`, ready; its run folder. Ended with SIGTERM."""
    run_dir = folder / "run"
    run_dir.mkdir(mode=0o750)
    write_effective(Config(state_dir=str(folder / "state"), run_dir=str(run_dir)), run_dir)
    ready, tell = os.pipe()
    command = [sys.executable, "-m", "appliance.store", "--run-dir", str(run_dir)]
    process = subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours
        command, pass_fds=(tell,), env={**os.environ, "GNOMON_READY_FD": str(tell)}, stderr=subprocess.DEVNULL
    )
    os.close(tell)
    try:
        if not os.read(ready, 1):
            raise RuntimeError("the store did not start; run it by hand to see why")
        yield run_dir
    finally:
        os.close(ready)
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _produce(run_dir: Path, name: str, seconds: float, rate: int) -> float:
    producer = _start_producer(run_dir, name, seconds, rate)
    try:
        return _told(producer)
    finally:
        producer.wait()


def _start_producer(run_dir: Path, name: str, seconds: float, rate: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "appliance.store.bench", str(run_dir), name, str(seconds), str(rate)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - this interpreter, a module of ours


def _told(producer: subprocess.Popen[bytes]) -> float:
    said = producer.communicate()[0]
    if producer.returncode:
        raise RuntimeError(f"the producer of events ended with {producer.returncode}")
    return float(said)


def _watch(run_dir: Path, producer: subprocess.Popen[bytes]) -> tuple[list[float], list[float]]:
    """Ages of exchanges when first seen, and times of queries, both in ms."""
    ages: list[float] = []
    queries: list[float] = []
    newest = 0
    with BlockingClient(run_dir / "analyst.sock") as client:
        while producer.poll() is None:
            known, before = newest, None
            while True:  # every page down to what is known: after a stall no late event may go unseen
                began = time.monotonic()
                request = ExchangesRequest(limit=MAX_LIMIT, after=known, before=before, worker="paced")
                head, body = client.call("exchanges", request, reply=PageHead)
                seen = time.time()
                queries.append((time.monotonic() - began) * 1000)
                rows = _decode(body)
                ages.extend((seen - row.ts) * 1000 for row in rows)
                newest = max(newest, *(row.n for row in rows)) if rows else newest
                if (before := head.next) is None:
                    break
            time.sleep(POLL_S)
    return ages, queries


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2) if ordered else float("nan")


def opened(exchange: str, worker: str, ts: float) -> ExchangeOpened:
    """An open as a 2 kB chat request with two findings makes it."""
    digest = hashlib.sha256(exchange.encode()).hexdigest()
    coverage = Coverage(2_048, 310, 1_738, scanned_by=("pii", "secret"))
    labels = (
        Label("EMAIL_ADDRESS", DetectionKind.PII, 2, 1.0),
        Label("OPENAI_API_KEY", DetectionKind.SECRET, 1, 1.0),
    )
    facts = Facts(
        principal=f"p_{digest[:16]}", client=f"a_{digest[16:32]}", groups=("research",), department="r&d",
        identity_method="basic", service="openai", category="chat", host="api.openai.com", port=443, method="POST",
        path="/v1/chat/completions", api="openai.chat", model="gpt-4o-mini", stream=True, request_bytes=2_048,
        labels=labels, coverage=coverage, detector_version=digest[:16], catalogue_version=digest[:12],
        policy_version=3, client_name="openai-python", client_version="1.2.3", key_fingerprint=f"k_{digest[:16]}",
        conversation=f"c_{digest[:16]}",
    )  # fmt: skip
    hits = (RuleHit("secrets", Layer.ORGANISATION, Disposition.REDACT, acts=True),)
    verdict = Verdict(Disposition.REDACT, Disposition.REDACT, Stage.ENFORCE, "secrets", "a secret", (), (), None, hits)
    return ExchangeOpened(exchange, ts, worker, facts, verdict, digest, digest, (), 3, 0.4)


def closed(exchange: str, ts: float) -> ExchangeClosed:
    """Its close after a streamed answer."""
    attempts = (Attempt("api.openai.com:443", 200),)
    usage, coverage = Usage(512, 128, 256), Coverage(4_096, 3_500, 596, scanned_by=("pii", "secret"))
    return ExchangeClosed(
        exchange, ts, Outcome.COMPLETED, 200, 4_096, 210.0, 1_800.0, "gpt-4o-mini", usage, coverage, attempts
    )


class _Producer:
    """Makes events and sends them as a shipper does: at most 512 lines a frame, the next after the answer."""

    def __init__(self, client: BlockingClient, name: str) -> None:
        self._client, self._name = client, name
        self._mark: Mark = genesis(name, time.time_ns())
        self.sent = 0

    def frame(self, count: int) -> tuple[Append, bytes]:
        """The next `count` lines: opens and closes in turn."""
        lines, first = [], self._mark.seq + 1
        exchange = ""
        for number in range(count):
            event: Event
            if number % 2:
                event = closed(exchange, time.time())
            else:
                exchange = secrets.token_hex(16)
                event = opened(exchange, self._name, time.time())
            line, self._mark = encode_line(self._mark, event, {})
            lines.append(line)
        append = Append(producer=self._name, epoch=self._mark.epoch, first_seq=first, last_seq=self._mark.seq)
        return append, b"".join(lines)

    def send(self, append: Append, lines: bytes) -> None:
        """Deliver one frame."""
        reply, _ = self._client.call("append", append, lines, reply=Appended)
        if reply.acked != append.last_seq:
            raise RuntimeError(f"the store took lines up to {reply.acked} of {append.last_seq}")
        self.sent += append.last_seq - append.first_seq + 1


def _flat_out(producer: _Producer, seconds: float) -> float:
    """Events taken in per second of sending; making them is not counted."""
    spent = 0.0
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        frames = [producer.frame(FRAME_LINES) for _ in range(8)]
        began = time.monotonic()
        for append, lines in frames:
            producer.send(append, lines)
        spent += time.monotonic() - began
    return producer.sent / spent


def _paced(producer: _Producer, seconds: float, rate: int) -> float:
    """Events taken in per second while `rate` per second are made."""
    began = time.monotonic()
    made = 0
    while (elapsed := time.monotonic() - began) < seconds:
        due = int(elapsed * rate) // 2 * 2 - made
        for start in range(0, due, FRAME_LINES):
            producer.send(*producer.frame(min(FRAME_LINES, due - start)))
        made += due
        time.sleep(max(0.0, TICK_S - (time.monotonic() - began - elapsed)))
    return producer.sent / (time.monotonic() - began)


def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m appliance.store.bench")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("name")
    parser.add_argument("seconds", type=float)
    parser.add_argument("rate", type=int, help="events per second; 0: as fast as they are taken")
    asked = parser.parse_args()
    with BlockingClient(asked.run_dir / "ingest.sock") as client:
        producer = _Producer(client, asked.name)
        rate = _paced(producer, asked.seconds, asked.rate) if asked.rate else _flat_out(producer, asked.seconds)
    sys.stdout.write(f"{rate}\n")


if __name__ == "__main__":
    _main()
