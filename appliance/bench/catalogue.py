"""What it costs to look a host name up in the catalogue.

Owns: the measurement behind `gnomon bench catalogue`. Rules: one core, no I/O; names as they come off a wire, most of
them of no AI service; the best of several runs, because whatever else the machine does only ever adds to one.
"""

import time
from collections.abc import Callable
from typing import Final

from appliance.config.catalogue import load_catalogue

RUNS: Final = 5
_TURNS_PER_S: Final = 10_000  # 13 names at about a microsecond each, RUNS times, stay below the time that was given
# Hits (exact, suffix, pattern), what shares their endings, ordinary names, and what a hostile peer would send.
NAMES: Final = (
    *("api.anthropic.com", "chatgpt.com", "eu.api.openai.com", "API.Mistral.ai."),
    *("us-central1-aiplatform.googleapis.com", "bedrock-runtime.eu-central-1.amazonaws.com"),
    *("fonts.googleapis.com", "s3.eu-central-1.amazonaws.com", "login.microsoftonline.com", "www.example.com"),
    *("e1234.dscb.akamaiedge.net", "a.b.c.d.e.f.g.h.example.com", "x." * 120 + "example.com"),
)


def run(seconds: float) -> dict[str, float]:
    """CPU time: nanoseconds per look-up (mean over the names; the slowest of them), milliseconds to load."""
    started = time.process_time_ns()
    catalogue = load_catalogue()
    loaded = time.process_time_ns() - started
    turns = max(1, int(seconds * _TURNS_PER_S / RUNS))
    costs = [_cost(catalogue.match, name, turns) for name in NAMES]
    return {
        "lookup_ns": round(sum(costs) / len(costs), 1),
        "slowest_lookup_ns": round(max(costs), 1),
        "catalogue_load_ms": round(loaded / 1e6, 2),
        "catalogue_names": float(sum(len(service.names) for service in catalogue.services.values())),
    }


def _cost(match: Callable[[str], object], name: str, turns: int) -> float:
    best = float("inf")
    for _ in range(RUNS):
        started = time.process_time_ns()
        for _ in range(turns):
            match(name)
        best = min(best, (time.process_time_ns() - started) / turns)
    return best
