"""`gnomon calibrate`: thresholds of the injection model from the site's own ordinary texts.

Rules: the texts are scored and forgotten; only thresholds are kept, and what they are worth is shown with its interval.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_LINE = 16 << 20
_ROLES = ("user", "tool", "document", "unknown")


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    told = "set the thresholds of the injection model by texts of this site"
    parser = commands.add_parser("calibrate", parents=[common], help=told)
    parser.add_argument(
        "--benign",
        metavar="FILE",
        type=Path,
        required=True,
        help='ordinary texts: one a line, or .jsonl with {"text", "role"?}',
    )
    parser.add_argument(
        "--false-positives",
        metavar="SHARE",
        type=_share,
        default=0.005,
        help="how many ordinary texts may be told, e.g. 0.5%% (the default)",
    )
    parser.add_argument("--role", choices=_ROLES, default="user", help="whose texts they are, unless a line says")
    parser.add_argument("--dry-run", action="store_true", help="show the thresholds and keep nothing")
    json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: thresholds are kept."""
    from appliance.config import calibration
    from appliance.config.load import load
    from appliance.inspect.injection.calibrating import Calibration, threshold
    from appliance.inspect.injection.model import shipped
    from appliance.model.errors import OperatorError

    model = shipped()
    scores = _scores(model, options.benign, options.role)
    try:
        made = tuple(threshold(kind, scores[kind], options.false_positives) for kind in sorted(scores))
    except ValueError as error:
        raise OperatorError(f"{options.benign}: {error}") from error
    if not made:
        raise OperatorError(f"{options.benign}: holds no text")
    _tell(options, made)
    if not options.dry_run:
        path = calibration.save(Path(load(options.config).state_dir), Calibration(model=model.version, thresholds=made))
        hint(f"kept in {path}; a running appliance takes it up with: gnomon reload")
    return 0


def _tell(options: argparse.Namespace, made: tuple[Any, ...]) -> None:
    import msgspec

    from appliance.inspect.injection.calibrating import interval

    if options.json:
        say_json([msgspec.to_builtins(one) for one in made])
        return
    rows = []
    for one in made:
        low, high = interval(one.above, one.texts)
        reached = f"{one.above} ({low:.2%} to {high:.2%})"
        rows.append((one.source, f"{one.value:.4f}", str(one.texts), reached, f"at most {one.share:.2%}"))
    say(table(("TEXTS OF", "THRESHOLD", "TEXTS", "REACH IT", "EXPECTED"), rows))


def _scores(model: Any, path: Path, role: str) -> dict[str, list[float]]:
    from appliance.inspect.detect.order import views
    from appliance.inspect.injection.model import CLASSES, ModelDetector
    from appliance.inspect.looking import Looked
    from appliance.model.names import Source

    detector = ModelDetector(model)
    found: dict[str, list[float]] = defaultdict(list)
    for text, said in _texts(path, role):
        source = Source(said)
        found[CLASSES[source]].append(detector.judge(Looked(text, source, views))[0])
    return found


def _texts(path: Path, role: str) -> Iterator[tuple[str, str]]:
    from appliance.model.errors import OperatorError

    records = path.suffix == ".jsonl"
    try:
        with path.open("rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE + 1), b""), 1):
                if len(line) > MAX_LINE:
                    raise OperatorError(f"{path}:{number}: longer than {MAX_LINE} bytes")
                if line.strip():
                    yield _record(path, number, line, role) if records else (line.decode("utf-8", "replace"), role)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror})") from error


def _record(path: Path, number: int, line: bytes, role: str) -> tuple[str, str]:
    import msgspec

    from appliance.model.errors import OperatorError

    try:
        record = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise OperatorError(f"{path}:{number}: not a JSON record") from error
    text, said = record.get("text"), record.get("role", role)
    if not isinstance(text, str) or said not in _ROLES:
        raise OperatorError(f'{path}:{number}: "text" must be a string and "role" one of {", ".join(_ROLES)}')
    return text, said


def _share(text: str) -> float:
    """`0.5%` or `0.005`."""
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = 0.0
    if not 0.0001 <= value <= 0.5:  # noqa: PLR2004 - the bounds that the message names
        raise argparse.ArgumentTypeError(f"{text!r} is no share from 0.01% to 50%")
    return value
