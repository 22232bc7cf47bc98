"""`gnomon bench fanout`: a thousand streamed answers at once on one worker, one delta a second each."""

import tempfile
from pathlib import Path
from threading import Event, Thread

from appliance.bench.box import Box, resident_mb
from appliance.bench.gateway import HOST
from appliance.bench.stream import Stand, percentile, stand, streams

STREAMS = 1000
DELTAS = 30  # at one a second: all streams have begun long before the first ends
LOOK_S = 0.5


def run(seconds: float) -> dict[str, float]:
    """`streams`, `rss_mb`: the most that the worker held while they ran. Takes about 60 s whatever `seconds` says."""
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as folder, stand(Path(folder)) as made:
        before = resident_mb(made.box.worker)
        return {**_fan(made, max(DELTAS, int(seconds))), "rss_before_mb": round(before, 1)}


def _fan(made: Stand, deltas: int) -> dict[str, float]:
    peak, over = [0.0], Event()
    watcher = Thread(target=_watch, args=(made.box, peak, over))
    watcher.start()
    try:
        (told,) = streams(made, deltas=deltas, pace=1.0, count=STREAMS, hosts=(HOST,))
    finally:
        over.set()
        watcher.join()
    return {
        "streams": told.deltas // deltas,
        "rss_mb": round(max(peak), 1),
        "fanout_delta_ms_p50": round(percentile(told.delta_ms, 0.5), 1),
        "fanout_delta_ms_p99": round(percentile(told.delta_ms, 0.99), 1),
        "fanout_cpu_share": round(told.cpu_s / told.seconds, 3),
    }


def _watch(made: Box, peak: list[float], over: Event) -> None:
    while not over.wait(LOOK_S):
        peak.append(resident_mb(made.worker))
