"""Policy files: the operator's, or the embedded default.

Rules: a file is accepted whole or refused whole; what a rule cannot mean is refused here, at its line.
"""

from importlib import resources
from pathlib import Path

from appliance.config import yaml_source
from appliance.config.conversion import convert, refuse
from appliance.config.yaml_source import Document
from appliance.policy.rules import PolicyFile, Rule, problems

MAX_RULES = 10_000


def load_policy(path: Path | None = None) -> tuple[Rule, ...]:
    """The rules of a file, or of the embedded default policy. OperatorError lists every fault at its line."""
    if path is not None:
        return parse_policy(yaml_source.read(path))
    data = (resources.files("appliance.policy") / "default.yaml").read_bytes()
    return parse_policy(yaml_source.parse(data, "appliance/policy/default.yaml"))


def parse_policy(document: Document) -> tuple[Rule, ...]:
    """The rules of a document."""
    rules = convert(document, PolicyFile).rules
    faults: list[str] = []
    first: dict[str, int] = {}
    for number, rule in enumerate(rules):
        for problem in problems(rule):
            key, _, what = problem.partition(": ")
            place = tuple(int(part) if part.isdigit() else part for part in key.split("."))
            faults.append(document.fault(("rules", number, *place), f"rule {rule.id}: {what}"))
        if rule.id in first:
            faults.append(
                document.fault(("rules", number, "id"), f"{rule.id} stands twice, first in line {first[rule.id]}")
            )
        first.setdefault(rule.id, document.line(("rules", number, "id")))
    if len(rules) > MAX_RULES:
        faults.append(document.fault(("rules",), f"more than {MAX_RULES} rules"))
    refuse(faults)
    return rules
