"""Mutated fixtures through every parser: `python tests/fuzz/run.py --cases 1000000 --seed 1`.

One that fails is run again by `--seed S --only N`, with the same fixtures and the same `--api`. A process may take
`MEMORY` bytes of address space.
"""

import argparse
import os
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]

from fuzz_cases import Failure, fuzz  # noqa: E402 - found by the line above

MEMORY = 2 * 1024**3
PIECE = 5000
"""Cases that a process takes at a time."""
MANY = 10
"""Failures after which nothing new is begun."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutated fixtures through every parser.")
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--api", default="", help="only fixtures of this api, e.g. `gemini`")
    parser.add_argument("--only", type=int, help="run this one case and let its exception fly")
    parser.add_argument("--jobs", type=int, default=os.process_cpu_count() or 1, help="processes; all cores untold")
    asked = parser.parse_args()
    if asked.only is not None:
        _limit()
        fuzz(asked.seed, 1, api=asked.api, first=asked.only, loud=True)
        return 0
    began = time.monotonic()
    failures = _failures(asked)
    took = time.monotonic() - began
    for failure in failures:
        sys.stdout.write(f"{failure}\n")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    told = f"seed={asked.seed} cases={asked.cases} failures={len(failures)} seconds={took:.1f} peak_rss_mb={peak}"
    sys.stdout.write(f"fuzz: {told}\n")
    return 1 if failures else 0


def _failures(asked: argparse.Namespace) -> list[Failure]:
    """Those that differ, in the order of their numbers."""
    found: dict[tuple[str, ...], Failure] = {}
    with ProcessPoolExecutor(asked.jobs, get_context("spawn"), _limit) as processes:
        starts = range(0, asked.cases, PIECE)
        pieces = [(asked.seed, min(PIECE, asked.cases - start), asked.api, start) for start in starts]
        for failures in processes.map(_piece, pieces):
            for failure in failures:
                found.setdefault(failure.kind, failure)
            if len(found) >= MANY:
                processes.shutdown(cancel_futures=True)
                break
    return list(found.values())


def _piece(piece: tuple[int, int, str, int]) -> list[Failure]:
    seed, cases, api, first = piece
    return fuzz(seed, cases, api=api, first=first)


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))


if __name__ == "__main__":
    sys.exit(main())
