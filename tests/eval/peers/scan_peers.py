"""What others need for the texts of `gnomon bench scan`: gitleaks' rules in RE2, and detect-secrets.

Runs in an environment of its own (`tests/eval/peers/uv.lock`), on a file with texts as a JSON list; it
prints the median milliseconds of processor time for one text. The rules are read from gitleaks' own configuration file
where it is given, each with its words first, as gitleaks does; without that file their time is not told.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import re2
from detect_secrets.core.scan import scan_file
from detect_secrets.settings import default_settings

WARM = 10


def rules(path: Path) -> list[tuple[tuple[str, ...], object]]:
    """Words and expression of every rule that RE2 takes."""
    options = re2.Options()
    options.log_errors = False
    made = []
    for rule in tomllib.loads(path.read_text(encoding="utf-8"))["rules"]:
        if "regex" in rule:
            try:
                made.append((tuple(rule.get("keywords", ())), re2.compile(rule["regex"], options)))
            except re2.error:
                sys.stderr.write(f"{rule['id']}: RE2 does not take it\n")
    return made


def by_rules(made: list[tuple[tuple[str, ...], object]], text: str) -> int:
    """How many matches the rules have."""
    lowered = text.lower()
    wanted = (shape for words, shape in made if not words or any(word in lowered for word in words))
    return sum(1 for shape in wanted for _ in shape.finditer(text))


def by_detect_secrets(path: Path, text: str) -> int:
    """How many findings its default plugins have, in a file, which is how it is used."""
    path.write_text(text, encoding="utf-8")
    with default_settings():
        return sum(1 for _ in scan_file(str(path)))


def median(look: Callable[[str], int], texts: list[str], seconds: float) -> float:
    """Milliseconds of processor time."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    for text in texts:
        before = time.process_time()
        look(text)
        times.append((time.process_time() - before) * 1000)
        if time.perf_counter() > until and len(times) > 2 * WARM:
            break
    return statistics.median(times[WARM:])


def main() -> int:
    """See the module's docstring."""
    parser = argparse.ArgumentParser()
    parser.add_argument("texts", type=Path)
    parser.add_argument("--rules", type=Path, help="gitleaks.toml")
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    texts = json.loads(arguments.texts.read_text(encoding="utf-8"))
    told = {}
    if arguments.rules is not None and arguments.rules.is_file():
        made = rules(arguments.rules)
        told["re2_rules_ms_2kb_p50"] = median(lambda text: by_rules(made, text), texts, arguments.seconds)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.py"
        look = by_detect_secrets
        told["detect_secrets_ms_2kb_p50"] = median(lambda text: look(path, text), texts, arguments.seconds)
    sys.stdout.write(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
