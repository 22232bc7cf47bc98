"""`gnomon policy suggest`: what analysts said of detections, as a diff of the policy file with its replayed effect.

Rules: prints, and never writes a policy; words stand in lines that begin with #, which `patch` passes over.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.cli import policy_versions
from appliance.cli.output import json_option, say, say_json

if TYPE_CHECKING:
    import argparse

    from appliance.bus.client import BlockingClient
    from appliance.policy.suggesting import Word

EXCEPTION_DAYS: Final = 90
MAX_WORDS: Final = 50_000


def add(actions: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    words = "a diff of the policy file, made of what analysts said of detections (exit 1: nothing to suggest)"
    parser = actions.add_parser("suggest", parents=[common], help=words)
    parser.add_argument("file", nargs="?", type=Path, help="policy file (default: the configured one)")
    policy_versions.since_option(parser)
    json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: suggested; 1: nothing to suggest. OperatorError: the file is not sound."""
    from datetime import UTC, datetime, timedelta

    from appliance.cli.analyst import client_of
    from appliance.config.load import load
    from appliance.config.policy_edit import diff_of
    from appliance.config.policy_file import parse_policy, read_document, text_of
    from appliance.config.policy_versions import effect
    from appliance.export.span import span
    from appliance.policy.suggesting import applied, suggestions

    config = load(options.config)
    path = options.file or (Path(config.policy.file) if config.policy.file else None)
    document = read_document(path)
    rules = parse_policy(document)
    since, until = span(options.since, None, time.time())
    last = (datetime.now(UTC) + timedelta(days=EXCEPTION_DAYS)).date()
    with client_of(config) as client:
        made, not_made = suggestions(rules, _words(client), last)
        after = applied(rules, made)
        told = None
        if made:
            told = policy_versions.replayed(client, policy_versions.prepared(config, after, rules), since, until)
    diff = diff_of(document, text_of(path), rules, made) if made else ""
    if options.json:
        say_json({"suggestions": made, "not_made": not_made, "effect": told, "diff": diff})
        return 0 if made else 1
    lines = [f"rule {one.rule}: {one.entity}: {one.why}" for one in made]
    lines += list(not_made)
    if told is not None:
        lines += [f"replayed since {options.since}:", *effect(told).splitlines()]
    if not lines:
        lines = ["Analysts have said nothing from which a change would follow."]
    say("\n".join(f"# {line}" for line in lines))
    if diff is None:
        say("# The file stands in a form that cannot be edited line by line; the rules would become:")
        say("\n".join(f"#   {detail}" for one in made for detail in _in_words(one)))
    elif diff:
        say(diff.rstrip("\n"))
    return 0 if made else 1


def _in_words(made: Any) -> list[str]:
    from appliance.policy.wording import differences

    return [f"{one.kind} {one.rule}: {text}" for one in differences((made.before,), made.after) for text in one.details]


def _words(client: BlockingClient) -> list[Word]:
    """What analysts said, as far as a score goes with it."""
    import msgspec

    from appliance.policy.suggesting import Word
    from appliance.store.judged_pages import Said, SaidRequest
    from appliance.store.pages import PageHead

    found: list[Word] = []
    after: int | None = 0
    while after is not None and len(found) < MAX_WORDS:
        head, body = client.call("said", SaidRequest(after=after), reply=PageHead)
        rows = msgspec.json.decode(body, type=list[Said])
        found += [
            Word(one.entity, one.kind, one.verdict, one.service, one.score) for one in rows if one.score is not None
        ]
        after = head.next
    return found
