"""Policy files: the operator's, or the embedded default.

Rules: a file is accepted whole or refused whole; what a rule cannot mean is refused here, at its line.
"""

from importlib import resources
from pathlib import Path

from appliance.config import yaml_source
from appliance.config.conversion import convert, refuse
from appliance.config.yaml_source import Document
from appliance.policy.cases import Case
from appliance.policy.document import PolicyFile
from appliance.policy.rules import Rule
from appliance.policy.soundness import problems

MAX_RULES = 10_000
EMBEDDED = "appliance/policy/default.yaml"


def load_policy(path: Path | None = None) -> tuple[Rule, ...]:
    """The rules of a file, or of the embedded default policy. OperatorError lists every fault at its line."""
    return parse_policy(read_document(path))


def load_cases(path: Path | None = None) -> tuple[Case, ...]:
    """The table of cases of a file whose rules are sound."""
    document = read_document(path)
    parse_policy(document)
    return convert(document, PolicyFile).tests


def read_document(path: Path | None = None) -> Document:
    """A policy file as values with lines; None: the embedded one."""
    if path is not None:
        return yaml_source.read(path)
    return yaml_source.parse(text_of(None).encode(), EMBEDDED)


def text_of(path: Path | None = None) -> str:
    """The text of a file that `read_document` has taken; None: the embedded one."""
    if path is not None:
        return path.read_text(encoding="utf-8-sig")
    return (resources.files("appliance.policy") / "default.yaml").read_text(encoding="utf-8")


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
