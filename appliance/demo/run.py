"""`gnomon demo`, from its options to its exit code: headless, or behind the terminal interface.

Rules: what stops us (Ctrl-C, SIGTERM, SIGHUP, a closed terminal) ends through the same door as success, so nothing is
left running or lying about; a second signal meanwhile changes nothing.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.demo.people import check_programs
from appliance.demo.places import UNAPPROVED
from appliance.demo.processes import END_S, environment
from appliance.demo.report import expect, line, summary
from appliance.demo.scene import Scene, command, scene
from appliance.demo.story import STEPS, Stage
from appliance.demo.telling import Stopped, Telling
from appliance.model.errors import OperatorError

_ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_EXPORT_S: Final = 60.0
_PACE_S: Final = 2.5
_FORMATS: Final = ("duckdb", "csv", "html")


@dataclass(frozen=True)
class Wish:
    """What was asked for. `out`: a new or empty folder for the export."""

    headless: bool
    out: Path | None
    capture: Path


def run(wish: Wish, say: Callable[[str], None]) -> int:
    """0: all went as expected; 1: something did not. OperatorError: it could not begin."""
    check_programs()
    _check(wish)
    began = time.monotonic()
    with _ending_signals():
        say("starting the appliance, three stand-ins and two clients on loopback ...")
        with scene(wish.capture) as made:
            telling = _headless(made, wish, say) if wish.headless else _on_screen(made)
            if not wish.headless:
                say("\n".join(line(result) for result in telling.results))
            if telling.failed:
                say("\n".join(["the appliance's last lines:", *made.appliance.last_words(10)]))
    say(summary(telling.results, len(STEPS) + (wish.out is not None), time.monotonic() - began))
    return 1 if telling.failed or (wish.headless and len(telling.results) < len(STEPS)) else 0


def _check(wish: Wish) -> None:
    if not wish.headless and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise OperatorError("gnomon demo needs a terminal; without one: gnomon demo --headless --out DIR")
    if wish.out is not None and wish.out.exists() and (not wish.out.is_dir() or any(wish.out.iterdir())):
        raise OperatorError(f"{wish.out}: must be a new or an empty folder for the export")


@contextmanager
def _ending_signals() -> Iterator[None]:
    """SystemExit in the main thread at the first signal that asks us to end; later ones are ignored."""

    def end(number: int, _frame: object) -> None:
        for each in _ENDING:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _headless(made: Scene, wish: Wish, say: Callable[[str], None]) -> Telling:
    telling = Telling(heard=lambda result: say(line(result)))
    telling.tell(STEPS, made.stage)
    if (out := wish.out) is not None:
        telling.take("the evidence is exported", lambda: _exported(made.stage, out))
    return telling


def _exported(stage: Stage, out: Path) -> str:
    formats = [word for name in _FORMATS for word in ("--format", name)]
    words = command(stage.places, "export", *formats, "--since", "7d", "--out", str(out))
    done = subprocess.run(words, capture_output=True, text=True, timeout=_EXPORT_S, env=environment(), check=False)  # noqa: S603 - ours
    expect(done.returncode == 0, "gnomon export ends with 0", f"{done.returncode}: {done.stderr.strip()}")
    kinds = {path.suffix for path in out.rglob("*") if path.is_file() and path.stat().st_size}
    wanted = {f".{name}" for name in _FORMATS}
    expect(wanted <= kinds, f"files of {', '.join(sorted(wanted))}", ", ".join(sorted(kinds)) or "none")
    return str(out)


def _on_screen(made: Scene) -> Telling:
    """The terminal interface in front, the story behind it."""
    over = threading.Event()

    def pause() -> None:
        if over.wait(_PACE_S):
            raise Stopped

    telling = Telling(heard=lambda _: None, pause=pause)
    behind = threading.Thread(target=_behind, args=(telling, made.stage), name="story")
    behind.start()
    try:
        if code := _screen(command(made.stage.places, "tui")):
            raise OperatorError(f"gnomon tui ended with {code}")
    finally:
        over.set()
        behind.join()
    return telling


def _screen(words: list[str]) -> int:
    """Run the terminal interface to its end. What ends us ends it, and lets it put the terminal back first."""
    front = subprocess.Popen(words, env=environment())  # noqa: S603 - a command line of ours
    try:
        return front.wait()
    finally:
        if front.poll() is None:
            front.terminate()
            try:
                front.wait(END_S)
            except subprocess.TimeoutExpired:
                front.kill()
                front.wait()


def _behind(telling: Telling, stage: Stage) -> None:
    """The story, then everyday calls, so that an analyst's own decisions show at once."""
    with suppress(Stopped):
        telling.tell(STEPS, stage)
        while True:
            telling.pause()
            with suppress(OSError, ValueError, OperatorError):
                stage.jonas.chat(UNAPPROVED, "an everyday call")
