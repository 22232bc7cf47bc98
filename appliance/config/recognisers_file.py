"""The operator's recognisers: `inspect.recognisers`.

Rules: a file is accepted whole or refused whole, with every fault told at its line; an expression is tried before it
may serve, so that none is found to be slow on somebody's request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.config import yaml_source
from appliance.config.conversion import convert, refuse

if TYPE_CHECKING:
    from pathlib import Path

    from appliance.config.yaml_source import Document
    from appliance.inspect.detect.settings import CustomRule


def load_recognisers(path: Path) -> tuple[CustomRule, ...]:
    """The recognisers of a file; OperatorError lists every fault as `FILE:LINE: key: what`."""
    return parse_recognisers(yaml_source.read(path))


def parse_recognisers(document: Document) -> tuple[CustomRule, ...]:
    """The recognisers of a document."""
    from appliance.inspect.detect.custom import MAX_RECOGNISERS, RecognisersFile, problems  # loads the engines

    rules = convert(document, RecognisersFile).recognisers
    faults: list[str] = []
    seen: set[str] = set()
    for number, rule in enumerate(rules[:MAX_RECOGNISERS]):
        for place, what in problems(rule):
            faults.append(document.fault(("recognisers", number, *place), f"recogniser {rule.name}: {what}"))
        if rule.name in seen:
            faults.append(document.fault(("recognisers", number, "name"), f"{rule.name} stands twice"))
        seen.add(rule.name)
    if len(rules) > MAX_RECOGNISERS:
        faults.append(document.fault(("recognisers",), f"more than {MAX_RECOGNISERS} recognisers"))
    refuse(faults)
    return rules
