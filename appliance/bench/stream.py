"""`gnomon bench stream`: what inspecting a streamed answer costs, beside the same worker relaying without reading.

Theory. One appliance opens all TLS. What goes to an AI service has every inline guard on; what goes to a name that is
none streams through unread: that is the same worker with its guards off, in the same run and in turns. The worker has
core 0, provider and clients share core 1. Added times are differences of the same percentile. Two loads tell how many
deltas a worker can take: a flood, in which several deltas come with one read as they do behind a busy socket, and
deltas that come one by one, of which the processor time is told. Held text is counted without any network (`held`).
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from appliance.bench.box import Box, Certificates, box, certificates, free_port, load
from appliance.bench.gateway import HOST
from appliance.bench.held import held
from appliance.bench.streaming import Timings

UNREAD = "relay.bench.example"
FLOOD_STREAMS = 8
FIRST_PACE_S = 0.02
PACE_S = 0.005
SAMPLED = 6  # shares: of fewer deltas a 99th percentile is chance (two unread hosts then differ by 0.9 ms)
SINGLY_STREAMS, SINGLY_PACE_S = 20, 0.025


@dataclass(frozen=True)
class Stand:
    """An appliance and the place where its provider must listen."""

    box: Box
    provider: int
    certificates: Certificates


def run(seconds: float) -> dict[str, float]:
    """All numbers within about twice `seconds`."""
    share = max(2.0, seconds / 6)
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as folder:
        with stand(Path(folder)) as made:
            streams(made, deltas=100, rounds=2)  # warm
            numbers = {**_first(made, share), **_added(made, share), **_flood(made, share), **_singly(made, share)}
        return {**numbers, **held(Path(folder))}


def _first(made: Stand, share: float) -> dict[str, float]:
    """Time to the first text: words with their space behind them, then before them, as most models send them."""
    rounds = max(5, int(share / 2 / (2 * 5 * 3 * FIRST_PACE_S)))
    found: dict[str, float] = {}
    for name, lead in (("ttft", False), ("ttft_leading_space", True)):
        ours, bare = streams(made, deltas=3, repeat=5, rounds=rounds, pace=FIRST_PACE_S, lead=lead)
        found[f"{name}_ms_p50"] = round(percentile(ours.first_ms, 0.5), 3)
        found[f"{name}_added_ms_p50"] = round(percentile(ours.first_ms, 0.5) - percentile(bare.first_ms, 0.5), 3)
    return found


def _added(made: Stand, share: float) -> dict[str, float]:
    rounds = max(4, int(share * SAMPLED / (2 * 100 * PACE_S)))
    ours, bare = streams(made, deltas=100, rounds=rounds, pace=PACE_S)
    found = {"delta_ms_p50": round(percentile(ours.delta_ms, 0.5), 3)}
    for name, part in (("p50", 0.5), ("p99", 0.99)):
        found[f"delta_added_ms_{name}"] = round(percentile(ours.delta_ms, part) - percentile(bare.delta_ms, part), 3)
    return found


def _flood(made: Stand, share: float) -> dict[str, float]:
    ours, bare = streams(made, deltas=300, rounds=max(2, int(share / 2)), count=FLOOD_STREAMS)
    return {
        "deltas_per_s": round(ours.deltas / ours.seconds, 1),
        "unread_deltas_per_s": round(bare.deltas / bare.seconds, 1),
    }


def _singly(made: Stand, share: float) -> dict[str, float]:
    deltas = max(20, int(share / 4 / SINGLY_PACE_S))
    ours, bare = streams(made, deltas=deltas, rounds=2, pace=SINGLY_PACE_S, count=SINGLY_STREAMS)
    return {
        "cpu_us_per_delta": round(ours.cpu_s / ours.deltas * 1e6, 1),
        "unread_cpu_us_per_delta": round(bare.cpu_s / bare.deltas * 1e6, 1),
    }


def streams(
    made: Stand,
    *,
    deltas: int,
    repeat: int = 1,
    rounds: int = 1,
    pace: float = 0.0,
    lead: bool = False,
    count: int = 1,
    hosts: Sequence[str] = (HOST, UNREAD),
) -> list[Timings]:
    """One run of the load: what it measured of each host."""
    numbers = {"proxy": made.box.proxy, "port": made.provider, "worker": made.box.worker, "deltas": deltas}
    numbers |= {"repeat": repeat, "rounds": rounds, "streams": count, "seed": 1}
    arguments = [word for name, value in numbers.items() for word in (f"--{name}", str(value))]
    arguments += [word for host in hosts for word in ("--host", host)]
    arguments += ["--pace", str(pace), *(["--lead"] if lead else [])]
    arguments += ["--ca", str(made.box.root)]
    arguments += ["--certificate", str(made.certificates.certificate), "--key", str(made.certificates.key)]
    return msgspec.json.decode(load("appliance.bench.streaming", arguments, 600), type=list[Timings])


def percentile(values: list[float], part: float) -> float:
    """Of a sorted list."""
    return values[min(len(values) - 1, int(len(values) * part))] if values else 0.0


@contextmanager
def stand(folder: Path) -> Iterator[Stand]:
    """An appliance that opens all TLS, with two names for one provider."""
    shown, provider = certificates(folder, (HOST, UNREAD)), free_port()
    with box(folder, (HOST, UNREAD), provider, shown.ca, opens_all=True) as made:
        yield Stand(made, provider, shown)
