"""Suggestions as edits of a policy file's own text, so that comments and layout stay: a diff that people can review.

Rules: pure; the edited text is read again and must mean exactly what was suggested, else there is no diff and the
caller tells the suggestion in words.
"""

import difflib
import re
from collections.abc import Sequence

import msgspec

from appliance.config import yaml_source
from appliance.config.policy_file import parse_policy
from appliance.config.yaml_source import Document
from appliance.model.errors import OperatorError
from appliance.policy.rules import Rule
from appliance.policy.suggesting import Suggestion, applied


def diff_of(document: Document, text: str, rules: Sequence[Rule], made: Sequence[Suggestion]) -> str | None:
    """A unified diff of the file, as `patch` reads it; None: the text cannot be edited so that it means that."""
    places = {rule.id: number for number, rule in enumerate(rules)}
    lines = text.splitlines(keepends=True)
    gone: set[int] = set()
    fresh: list[Rule] = []
    for one in made:
        edited = _edited(document, lines, places[one.rule], one, gone)
        if not edited:
            return None
        fresh += one.after[1:]
    new = [line for number, line in enumerate(lines, 1) if number not in gone]
    if fresh:
        at = _end_of_rules(new)
        new[at:at] = _written(fresh, _indent(document, lines))
    if not _means("".join(new), document.name, applied(rules, made)):
        return None
    old = text.splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, document.name, f"{document.name} (suggested)"))


def _edited(document: Document, lines: list[str], place: int, made: Suggestion, gone: set[int]) -> bool:
    """Change `lines` in place; `gone`: numbers of lines that go. False: it stands in no form that is known here."""
    if len(made.after) > 1:
        return _without(document, lines, place, made.entity, gone)
    labels = made.after[0].match.labels
    path = ("rules", place, "match", "labels", "min_score")
    if made.after[0].exceptions != made.before.exceptions or labels is None or path not in document.lines:
        return False
    at = document.line(path) - 1
    lines[at] = re.sub(
        r"(min_score:\s*)[0-9.eE+-]+", lambda found: f"{found[1]}{labels.min_score:g}", lines[at], count=1
    )
    return True


def _without(document: Document, lines: list[str], place: int, entity: str, gone: set[int]) -> bool:
    """Take the entity out of its list, written as lines or in brackets."""
    match = document.value["rules"][place]["match"]  # type: ignore[index,call-overload]  # it has been read as a rule
    at = document.line(("rules", place, "match", "labels", "entities", match["labels"]["entities"].index(entity)))  # type: ignore[index,call-overload,union-attr]
    line = lines[at - 1]
    if re.fullmatch(rf"\s*-\s+[\"']?{re.escape(entity)}[\"']?\s*(#.*)?\n?", line):
        gone.add(at)
        return True
    name = rf"[\"']?\b{re.escape(entity)}\b[\"']?"
    edited = re.sub(rf"{name}\s*,\s*|,\s*{name}(?=\s*[\],])", "", line, count=1)
    lines[at - 1] = edited
    return edited != line


def _indent(document: Document, lines: list[str]) -> str:
    first = lines[document.line(("rules", 0)) - 1]
    return first[: len(first) - len(first.lstrip())]


def _end_of_rules(lines: list[str]) -> int:
    """Where a rule can be added: before the table of cases and its comment, else at the end."""
    at = next((number for number, line in enumerate(lines) if line.startswith("tests:")), len(lines))
    while at and (not lines[at - 1].strip() or lines[at - 1].startswith("#")):
        at -= 1
    return at


def _written(rules: Sequence[Rule], indent: str) -> list[str]:
    plain = msgspec.json.decode(msgspec.json.encode(rules))
    text = yaml_source.render(plain)
    return ["\n", *(f"{indent}{line}\n" for line in text.splitlines())]


def _means(text: str, name: str, rules: tuple[Rule, ...]) -> bool:
    try:
        return parse_policy(yaml_source.parse(text.encode(), name)) == rules
    except OperatorError:
        return False
