"""How fast the terminal is: from exec to the first findings row on screen, and from a push to the row.

    python tests/tui/first_paint.py [--count 100000] [--rounds 5] [--run-dir DIR]

Without a run folder, a stand-in for the store serves that many findings; with one, the appliance that runs there.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from pty_terminal import PtyTerminal  # noqa: E402


def paint(run_dir: Path, marker: str) -> tuple[float, PtyTerminal]:
    terminal = PtyTerminal([sys.executable, "-I", "-m", "tui", "--run-dir", str(run_dir)], cwd=HERE)
    return terminal.until_text(marker), terminal


def leave(terminal: PtyTerminal) -> None:
    terminal.type("q")
    assert terminal.wait() == 0
    assert terminal.restored() == []
    terminal.close()


def stand_in(folder: Path, count: int) -> subprocess.Popen:
    root = HERE.parents[1]
    command = [sys.executable, str(HERE / "fake_store.py"), str(folder), str(count)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root, env={"PYTHONPATH": str(root)}
    )
    assert process.stdout.readline() == "ready\n"
    return process


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--run-dir", type=Path)
    parser.add_argument("--marker", default="Service ")
    options = parser.parse_args()
    told: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = None if options.run_dir else stand_in(Path(folder), options.count)
        run_dir = options.run_dir or Path(folder)
        times = []
        for _ in range(options.rounds):
            seconds, terminal = paint(run_dir, options.marker)
            times.append(round(seconds, 3))
            leave(terminal)
        told["first_paint_s"] = {"median": statistics.median(times), "all": times}
        if store is not None:
            told["event_ms"] = events(store, run_dir, options.rounds)
            store.stdin.close()
            store.wait(10)
    print(json.dumps(told))  # noqa: T201


def events(store: subprocess.Popen, run_dir: Path, rounds: int) -> dict[str, object]:
    _, terminal = paint(run_dir, "Service ")
    times = []
    for at in range(rounds):
        since, begun = len(terminal.seen), time.monotonic()
        store.stdin.write(f"put arrival-{at}\n")
        store.stdin.flush()
        terminal.until_text(f"arrival-{at}", since=since)
        times.append(round(1e3 * (time.monotonic() - begun), 1))
    leave(terminal)
    return {"median": statistics.median(times), "all": times}


if __name__ == "__main__":
    main()
