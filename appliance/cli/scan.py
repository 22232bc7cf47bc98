"""`gnomon scan`: what is found in texts, files and folders; `--format jsonl` answers JSON lines from stdin on stdout.

Rules: a finding is told by its place and its entity, never in full; what could not be read or not read to its end is
told on stderr and ends with exit 2, so that silence means clean. Exit 0: nothing found; 1: something; 2: not all read.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json
from appliance.model.names import Source

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from appliance.cli.scan_walk import Item
    from appliance.inspect.detect.detectors import Detectors
    from appliance.inspect.scan import ScanPolicy
    from appliance.model.detection import Detection

_READER_GONE = 141  # 128 + SIGPIPE, as shells count
_HELP = (
    "find personal data, secrets and attacks in texts, files and folders (exit 0: nothing; 1: found; 2: not all read); "
    f"--format jsonl: one JSON record per line (exit 1: a bad line; {_READER_GONE}: the reader went away)"
)
_MOST_TEXT = 64 << 20  # bytes of stdin
_STDIN = "-"


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("scan", parents=[common], help=_HELP)
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="files and folders; - or none: stdin")
    parser.add_argument("--text", action="append", metavar="TEXT", help="a text; repeatable")
    parser.add_argument("--format", choices=("jsonl",), help='{"id", "text", "role"?, "direction"?} from stdin')
    parser.add_argument("--role", type=Source, choices=tuple(Source), help="whose words they are (default: unknown)")
    parser.add_argument("--min-score", type=float, metavar="SCORE", help="lowest score that counts (default: 0.4)")
    parser.add_argument("--all", action="store_true", help="also what the policy of scan allows, such as URLs")
    json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Without --format: 0 clean, 1 found, 2 not all read. With it: 0, or 1 where some line was bad, or 141."""
    from appliance.cli.output import abandon_stdout
    from appliance.config.conversion import load_resource
    from appliance.config.detection import detection_settings
    from appliance.config.load import load
    from appliance.config.tables import tables_folder
    from appliance.inspect import scan
    from appliance.inspect.detect.detectors import Detectors

    if options.format and (options.paths or options.text):
        hint("gnomon: --format jsonl reads stdin; it takes neither PATH nor --text")
        return 2
    config = load(options.config)
    detectors = Detectors.load(tables_folder(Path(config.state_dir)), settings=detection_settings(config))
    policy = load_resource("appliance.inspect", "scan.yaml", scan.ScanPolicy)
    if not options.format:
        return _Person(options, detectors, policy).run()
    try:
        return scan.run(sys.stdin.buffer, sys.stdout.buffer, detectors, policy)
    except BrokenPipeError:  # unlike a page read in part, lines without an answer must not pass for scanned ones
        abandon_stdout()
        return _READER_GONE


class _Person:
    """Scans what was named and tells it."""

    def __init__(self, options: argparse.Namespace, detectors: Detectors, policy: ScanPolicy) -> None:
        self._options = options
        self._detectors = detectors
        self._policy = policy
        self._found = self._read = 0
        self._left: dict[str, int] = {}
        self._is_whole = True

    def run(self) -> int:
        """The exit code."""
        from appliance.cli.progress import measured
        from appliance.cli.scan_walk import size_of

        total = sum(size_of(path) for path in self._options.paths if str(path) != _STDIN)
        with measured("scanning", total) as advance:
            for item in self._items():
                self._one(item)
                advance(len(item.data or b""))
        self._tell_end()
        if not self._is_whole:
            return 2
        return 1 if self._found else 0

    def _items(self) -> Iterator[Item]:
        from appliance.cli.scan_walk import Item, items

        for number, text in enumerate(self._options.text or (), 1):
            yield Item(f"text {number}", text.encode("utf-8", "surrogateescape"))
        for path in self._options.paths or (() if self._options.text else (Path(_STDIN),)):
            if str(path) != _STDIN:
                yield from items(path)
                continue
            data = sys.stdin.buffer.read(_MOST_TEXT + 1)
            yield Item("stdin", data) if len(data) <= _MOST_TEXT else Item("stdin", None, "too_large")

    def _one(self, item: Item) -> None:
        from appliance.inspect.attachments import read_file

        if item.data is None:
            self._leave(item.path, item.reason, tell=item.reason != "link")
            return
        content = read_file(item.data)
        if content.reason and content.reason != "charset":
            # Pictures and programs are no text, and nobody expects them read; a document that was read in part is.
            self._leave(item.path, content.reason, tell=content.reason.startswith("document_"))
        if content.text is not None:
            self._read += 1
            self._scan(item.path, content.text)

    def _scan(self, path: str, text: str) -> None:
        from appliance.inspect.failure import DetectorFailure, OutOfTime
        from appliance.inspect.sighting import sightings
        from appliance.inspect.windows import look_whole

        try:
            seen = look_whole(self._detectors, text, self._options.role or Source.UNKNOWN)
            found = seen.found
            for name in seen.partial:
                self._leave(path, f"{name}_partial", tell=name in _EXACT)
        except OutOfTime as short:
            found = short.found
            self._leave(path, "out_of_time", tell=True)
        except DetectorFailure as error:
            found = ()
            self._leave(path, str(error), tell=True)
        for one in sightings(text, filter(self._counts, found)):
            self._found += 1
            if self._options.json:
                say_json({"path": path, **{name: getattr(one, name) for name in _TOLD}})
                continue
            place = f"{_inert(path)}:{one.line}:{one.column}"
            say(f"{place}: {one.entity} {one.score:.2f} {one.rule}: {_inert(one.shown)}")

    def _counts(self, one: Detection) -> bool:
        from appliance.model.names import Disposition

        least = self._policy.min_score if self._options.min_score is None else self._options.min_score
        if one.score < least:
            return False
        if self._options.all or (self._options.min_score is not None and one.score < self._policy.min_score):
            return True
        return self._policy.disposition(one) is not Disposition.ALLOW

    def _leave(self, path: str, reason: str, *, tell: bool) -> None:
        self._left[reason] = self._left.get(reason, 0) + 1
        if tell:
            self._is_whole = False
            hint(f"{_inert(path)}: not read to the end: {_inert(reason)}")

    def _tell_end(self) -> None:
        left = ", ".join(f"{count} {_inert(reason)}" for reason, count in sorted(self._left.items()))
        hint(f"{self._found} findings in {self._read} texts" + (f"; left out: {left}" if left else ""))


_EXACT = frozenset({"pii", "secret", "views"})  # what judges whole texts by a part of them is summed up at the end
_TOLD = ("line", "column", "start", "end", "entity", "kind", "score", "rule")


def _inert(text: str) -> str:
    from appliance.sanitise import one_line

    return one_line(text)
