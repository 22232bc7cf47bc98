"""`gnomon bench scan`: what detection costs, beside stock presidio on the same texts.

Theory. The measured process is as bare as a worker's detectors are: `python -O`, the detectors of this release and
nothing else, so its memory is told, too. Texts are unique; a conversation grows by one turn per request and is sent
whole each time, as chat clients do, so its older turns are answered from the cache. Times are the processor's: nothing
here waits, so on an idle machine the clock says the same, and a busy one spoils them less. Stock presidio, with a blank
tokenizer and without names, runs in a process of its own where it is installed, and so do gitleaks' rules in RE2 and
detect-secrets (`scan_peers`).
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from appliance.bench.box import load, output
from appliance.bench.scan_peers import measured
from appliance.bench.scan_texts import body, conversation, texts, turn
from appliance.config.tables import tables_folder
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.dialects import Call
from appliance.inspect.evaluation.measures import quantile
from appliance.inspect.inspection import Inspector
from appliance.inspect.windows import scan_whole
from appliance.model.names import Source

TURNS, TURN_CHARS = 50, 400
SMALL, MIDDLE, LONG, LARGE = 2_000, 20_000, 200_000, 2_000_000
USUAL = (0, 0, 0, 1, 1, 2)  # findings of a text of 2 kB: most prompts hold none
MANY = range(40, 41)
STOCK = Path(__file__).parents[2] / "tests" / "appliance" / "inspect" / "detect" / "stock_presidio.py"
_CALL = Call("POST", "/v1/chat/completions", "application/json")
_KILO = 1000
_PEERS_TEXTS = 400
_LEAST = 20  # texts of each kind, however slow


def run(seconds: float) -> dict[str, float]:
    """All numbers within about `seconds`, and some seconds to start."""
    arguments = ["--seconds", f"{seconds * 0.7:.1f}"]
    numbers: dict[str, float] = json.loads(load("appliance.bench.scan", arguments, 600 + 3 * seconds))
    if STOCK.is_file():  # a test's yardstick: absent from a release
        command = [sys.executable, str(STOCK), "--time", f"{seconds * 0.2:.1f}"]
        numbers["presidio_ms_2kb_p50"] = float(output(command, seconds + 60))
    numbers |= measured(small_texts(_PEERS_TEXTS), seconds * 0.1)
    return numbers


def measure(seconds: float) -> dict[str, float]:
    """In this process."""
    detectors = Detectors.load(tables_folder(Path.cwd()))
    share = seconds / 6
    small = _times(_scanning(detectors, texts(1, SMALL, USUAL)), share)
    middle = _times(_scanning(detectors, texts(2, MIDDLE, MANY)), share)
    long = _times(_scanning(detectors, texts(5, LONG, range(40, 41))), share, least=3)
    large = _times(_scanning(detectors, texts(3, LARGE, range(400, 401))), share, least=2)
    turns = _times(_turns(detectors), share)
    whole = _times(_whole(Inspector(detectors)), share)
    return {
        "ms_2kb_p50": quantile(small, 0.5),
        "ms_2kb_p95": quantile(small, 0.95),
        "ms_20kb_p50": quantile(middle, 0.5),
        "ms_200kb_p50": quantile(long, 0.5),
        "ms_2mb_p50": quantile(large, 0.5),
        "ms_turn_p50": quantile(turns, 0.5),
        "ms_turn_whole_p50": quantile(whole, 0.5),
        "rss_mb": _resident_mb(),
    }


def _times(steps: Iterator[Callable[[], object]], seconds: float, least: int = _LEAST) -> list[float]:
    """Milliseconds of processor time of each step; making its text is not measured. The first tenth warms up."""
    found: list[float] = []
    until = time.perf_counter() + seconds
    for step in steps:
        before = time.thread_time()
        step()
        found.append((time.thread_time() - before) * _KILO)
        if time.perf_counter() > until and len(found) >= least:
            break
    return found[len(found) // 10 :]


def _scanning(detectors: Detectors, made: Iterator[str]) -> Iterator[Callable[[], object]]:
    for text in made:
        yield lambda text=text: scan_whole(detectors, text, Source.USER)  # type: ignore[misc]


def _turns(detectors: Detectors) -> Iterator[Callable[[], object]]:
    """The detectors over all texts of a conversation of which all but the last are known."""
    for messages in _growing():
        spoken = [(message["content"], Source(message["role"])) for message in messages]
        yield lambda spoken=spoken: [detectors.scan(text, source) for text, source in spoken]  # type: ignore[misc]


def _whole(inspector: Inspector) -> Iterator[Callable[[], object]]:
    for messages in _growing():
        raw = body(messages)
        yield lambda raw=raw: inspector.request(_CALL, None, raw, "openai")  # type: ignore[misc]


def _growing() -> Iterator[list[dict[str, str]]]:
    source = random.Random(4)  # noqa: S311 - text for a load, not a secret
    messages = conversation(source, TURNS, TURN_CHARS)
    while True:
        yield messages
        messages = [*messages[1:], turn(source, TURN_CHARS)]


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def small_texts(count: int) -> list[str]:
    """The texts of 2 kB that the first figures come from, for other programs to be measured with."""
    return list(islice(texts(1, SMALL, USUAL), count))


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(float(sys.argv[sys.argv.index("--seconds") + 1]))))
