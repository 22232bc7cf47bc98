"""`gnomon policy test | diff | replay | schema`: a version of the rules before it acts.

Rules: files are read whole or refused whole; nothing is put in force here. A replay asks the store page by page and
holds one page at a time.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from appliance.bus.client import BlockingClient
    from appliance.config.schema import Config
    from appliance.policy.replaying import Replay, Replayed
    from appliance.policy.snapshot import PolicySnapshot


def add(actions: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    words = "judge the table of cases in a policy file by its rules (exit 1: a case is not as expected)"
    parser = actions.add_parser("test", parents=[common], help=words)
    parser.add_argument("file", nargs="?", type=Path, help="policy file (default: the configured one)")
    json_option(parser)
    parser.set_defaults(run=test)
    parser = actions.add_parser("diff", parents=[common], help="what differs between two versions (exit 1: something)")
    parser.add_argument("before", type=Path, metavar="OLD", help="policy file")
    parser.add_argument("after", nargs="?", type=Path, metavar="NEW", help="policy file (default: the configured one)")
    json_option(parser)
    parser.set_defaults(run=diff)
    words = "what a policy file would have changed of what has happened"
    parser = actions.add_parser("replay", parents=[common], help=words)
    parser.add_argument("file", type=Path, help="policy file")
    since_option(parser)
    parser.add_argument("--until", metavar="TIME", help="as --since (default: now)")
    words = "hold it against the recorded verdicts instead of the policy in force"
    parser.add_argument("--against-record", action="store_true", help=words)
    json_option(parser)
    parser.set_defaults(run=replay)
    parser = actions.add_parser("guards", parents=[common], help="which guard fails how at this site")
    json_option(parser)
    parser.set_defaults(run=guards)
    parser = actions.add_parser("schema", help="the JSON Schema of policy files, for editors")
    parser.set_defaults(run=schema)


def since_option(parser: argparse.ArgumentParser) -> None:
    """From when on what has happened is looked at."""
    words = "7d, 36h, 90m, 2w, an ISO date (UTC), or all (default: 7d)"
    parser.add_argument("--since", default="7d", metavar="TIME", help=words)


def schema(_options: argparse.Namespace) -> int:
    """0: printed."""
    from appliance.policy.document import render_schema

    say(render_schema().rstrip("\n"))
    return 0


def guards(options: argparse.Namespace) -> int:
    """0: told."""
    from appliance.config.guards import guards as told
    from appliance.config.load import load

    found = told(load(options.config))
    if options.json:
        say_json(found)
    else:
        rows = [(one.name, one.fails, one.enforce, one.observe, one.set_by or "-") for one in found]
        say(table(("GUARD", "FAILS WHEN", "ENFORCE", "OBSERVE", "DECIDED BY"), rows))
    return 0


def test(options: argparse.Namespace) -> int:
    """0: all cases are as expected; 1: one is not. OperatorError: the file is not sound."""
    from appliance.config.load import load
    from appliance.config.policy_tests import try_cases

    config = load(options.config)
    override = Path(config.catalogue.override) if config.catalogue.override else None
    tried = try_cases(options.file or _configured(config), override, timezone=config.site.timezone, now=time.time())
    say_json(tried) if options.json else say(tried.text())
    return 1 if tried.failed else 0


def diff(options: argparse.Namespace) -> int:
    """0: the rules are the same; 1: they differ."""
    from appliance.config.load import load
    from appliance.config.policy_file import load_policy
    from appliance.config.policy_versions import compare

    config = load(options.config)
    compared = compare(load_policy(options.before), load_policy(options.after or _configured(config)))
    say_json(compared) if options.json else say(compared.text())
    return 1 if compared.differences else 0


def replay(options: argparse.Namespace) -> int:
    """0: told. OperatorError: the file is not sound, or names users and the site's key cannot be read."""
    from appliance.cli.analyst import client_of
    from appliance.config.load import load
    from appliance.config.policy_file import load_policy
    from appliance.config.policy_versions import effect
    from appliance.export.span import span

    config = load(options.config)
    since, until = span(options.since, options.until, time.time())
    run = prepared(config, load_policy(options.file), against_record=options.against_record)
    with client_of(config) as client:
        told = replayed(client, run, since, until)
    say_json(told) if options.json else say(effect(told))
    return 0


def prepared(config: Config, rules: Any, before: Any = None, *, against_record: bool = False) -> Replay:
    """A replay of these rules at this site. `before`: rules to hold them against instead of those in force."""
    import msgspec

    from appliance.config.catalogue import load_catalogue
    from appliance.config.policy_versions import replay_of

    catalogue = load_catalogue(Path(config.catalogue.override) if config.catalogue.override else None)
    held = in_force(config) if before is None else msgspec.structs.replace(in_force(config), rules=before)
    return replay_of(rules, held, catalogue, site_key(config), against_record=against_record)


def replayed(client: BlockingClient, run: Replay, since: float, until: float | None) -> Replayed:
    """What the replay tells of everything that was judged in a span."""
    import msgspec

    from appliance.cli.progress import measured
    from appliance.model.facts import Facts
    from appliance.store.judged_pages import JudgedCount, JudgedCountRequest
    from appliance.store.pages import PageHead

    _, body = client.call("judged_count", JudgedCountRequest(since=since, until=until), reply=PageHead)
    (count,) = msgspec.json.decode(body, type=list[JudgedCount])
    unread = 0
    with measured("replaying", count.exchanges) as advance:
        for row in _judged(client, since, until, advance):
            try:
                facts = msgspec.json.decode(row.facts, type=Facts)
            except msgspec.DecodeError:
                unread += 1
                continue
            run.take(facts, row.ts, row.disposition, row.cost_micros)
    if unread:
        hint(f"{unread} exchanges hold facts that this release cannot read; they are not counted")
    return run.told()


def _judged(client: BlockingClient, since: float, until: float | None, advance: Callable[[int], None]) -> Iterator[Any]:
    import msgspec

    from appliance.store.judged_pages import Judged, JudgedRequest
    from appliance.store.pages import PageHead

    after: int | None = 0
    while after is not None:
        head, body = client.call("judged", JudgedRequest(after=after, since=since, until=until), reply=PageHead)
        rows = msgspec.json.decode(body, type=list[Judged])
        yield from rows
        advance(len(rows))
        after = head.next


def in_force(config: Config) -> PolicySnapshot:
    """The snapshot in force; where there has been none, the configured file in the configured stage."""
    from appliance.config.policy_file import load_policy
    from appliance.policy.disk import read_current
    from appliance.policy.snapshot import PolicySnapshot

    held = read_current(Path(config.state_dir) / "policy")
    if held is not None:
        return held
    rules = load_policy(_configured(config))
    return PolicySnapshot(
        version=1, created=time.time(), stage=config.stage, rules=rules, timezone=config.site.timezone
    )


def site_key(config: Config) -> bytes:
    """The key that percentages and digests of users were made with; it is never made here."""
    from appliance.config.site_key import load_site_key
    from appliance.model.errors import OperatorError

    folder = Path(config.state_dir)
    if not (folder / "site.key").exists():
        raise OperatorError(f"{folder / 'site.key'}: not there or not to be read; replay as the appliance's own user")
    return load_site_key(folder)


def _configured(config: Config) -> Path | None:
    return Path(config.policy.file) if config.policy.file else None
