"""`gnomon rules list` and `gnomon rules test`: which rules detect here, and whether each finds its own examples.

Rules: an example's text is never printed, since it has the shape of a secret; exit 1 where a rule fails its examples.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from appliance.inspect.detect.detectors import Detectors
    from appliance.inspect.detect.settings import Settings
    from appliance.inspect.evaluation.rule_cases import Case


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    parser = commands.add_parser("rules", help="the rules of detection, and their examples")
    words = parser.add_subparsers(title="what", metavar="WHAT", required=True)
    listing = words.add_parser("list", parents=[common], help="every rule: its entity, its class, its best score")
    listing.add_argument("--entity", metavar="TEXT", help="only entities that hold this")
    json_option(listing)
    listing.set_defaults(run=listed)
    testing = words.add_parser("test", parents=[common], help="every rule on its examples (exit 1: one failed)")
    json_option(testing)
    testing.set_defaults(run=tested)


def listed(options: argparse.Namespace) -> int:
    """All rules in the order in which they run."""
    detectors, _ = _loaded(options)
    wanted = (options.entity or "").upper()
    rows = [row for row in _rows(detectors) if wanted in row["entity"]]
    if options.json:
        say_json(rows)
    else:
        say(table(("RULE", "ENTITY", "CLASS", "BEST SCORE"), (tuple(row.values()) for row in rows)))
    return 0


def tested(options: argparse.Namespace) -> int:
    """0: every rule finds its examples and nothing in its counter-examples."""
    from appliance.inspect.evaluation.rule_cases import (
        by_injection_rules,
        custom_cases,
        failing,
        injection_cases,
        key_cases,
    )

    detectors, settings = _loaded(options)

    def by_detectors(text: str) -> frozenset[str]:
        return frozenset(one.rule for one in detectors.scan(text))

    plain, injection = (*key_cases(), *custom_cases(settings)), tuple(injection_cases())
    failed = [*failing(plain, by_detectors), *failing(injection, by_injection_rules)]
    return _told(options, (*plain, *injection), failed)


def _told(options: argparse.Namespace, cases: tuple[Case, ...], failed: Iterable[Case]) -> int:
    rows = [{"family": one.family, "rule": one.rule, "entity": one.entity, "case": one.which} for one in failed]
    rules = len({(case.family, case.rule) for case in cases})
    if options.json:
        say_json({"rules": rules, "cases": len(cases), "failed": rows})
    else:
        if rows:
            say(table(("FAMILY", "RULE", "ENTITY", "FAILED"), (tuple(row.values()) for row in rows)))
        say(f"{len(cases)} cases of {rules} rules, {len(rows)} failed")
    return 1 if rows else 0


def _loaded(options: argparse.Namespace) -> tuple[Detectors, Settings]:
    from appliance.config.detection import detection_settings
    from appliance.config.load import load
    from appliance.config.tables import tables_folder
    from appliance.inspect.detect.detectors import Detectors

    config = load(options.config)
    settings = detection_settings(config)
    return Detectors.load(tables_folder(Path(config.state_dir)), settings=settings), settings


def _rows(detectors: Detectors) -> Iterable[dict[str, str]]:
    from appliance.inspect.injection.rules import standard

    for family in detectors.families():
        for entity in family.entities:
            yield {"rule": family.name, "entity": entity, "class": family.kind.value, "score": f"{family.best:.2f}"}
    for rule in standard().set.rule:
        yield {"rule": rule.name, "entity": rule.entity, "class": "injection", "score": f"{rule.weight:.2f}"}
