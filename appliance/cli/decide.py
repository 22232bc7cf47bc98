"""`gnomon decide | undo | decisions`: an analyst's decision, previewed, taken, and waited for until it acts.

Rules: what it would have done is shown first; on a terminal a person is asked, elsewhere `--yes` must say it; the
decision is taken for the policy that was looked at (a newer one refuses it); the answer tells on how many workers it
holds. Author and role come from the socket.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table
from appliance.model.errors import OperatorError
from appliance.model.names import DecisionKind, Stage, Surface
from appliance.sanitise import one_line

if TYPE_CHECKING:
    import argparse

    from appliance.bus.client import BlockingClient
    from appliance.config.schema import Config
    from appliance.model.decision import Decision, Proposal, Scope
    from appliance.store.finding_pages import ApplianceState, Preview

_STEP_S = 0.05
_PREVIEW_S = 30.0
_MOST = 500


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    parser = commands.add_parser("decide", parents=[common], help="decide about a service: previewed, then applied")
    parser.add_argument("decision", type=DecisionKind, choices=tuple(DecisionKind), help="what holds from now on")
    parser.add_argument("service", metavar="SERVICE", help="catalogue id, or the id of a finding (f_...)")
    parser.add_argument("--surface", type=Surface, choices=tuple(Surface), help="only by this door (default: every)")
    parser.add_argument(
        "--user", action="append", default=[], metavar="NAME", help="for whom: a name or p_...; repeatable"
    )
    parser.add_argument("--group", action="append", default=[], metavar="NAME", help="for a group; repeatable")
    parser.add_argument(
        "--client", action="append", default=[], metavar="ADDRESS", help="for an address or a_...; repeatable"
    )
    parser.add_argument("--route", metavar="NAME", help="where a redirect goes: a route of the gateway")
    parser.add_argument("--expires", metavar="TIME", help="7d, 36h, 90m, 2w from now, or an ISO date (default: never)")
    _common(parser)
    parser.set_defaults(run=decide)
    parser = commands.add_parser("undo", parents=[common], help="take a decision back, by a new one that names it")
    parser.add_argument("number", type=int, metavar="N", help="its number, as `gnomon decisions` shows it")
    _common(parser)
    parser.set_defaults(run=undo)
    parser = commands.add_parser("decisions", parents=[common], help="all decisions, newest first")
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="at most so many, up to 500 (default: 50)")
    json_option(parser)
    parser.set_defaults(run=decisions)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--reason", default="", metavar="TEXT", help="why; people read it when they are stopped")
    parser.add_argument("--since", default="7d", metavar="TIME", help="what the preview looks at (default: 7d)")
    parser.add_argument("--preview", action="store_true", help="only show what it would have done")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to wait until every worker applies it")
    json_option(parser)


def decide(options: argparse.Namespace) -> int:
    """0: it holds on every worker, or was only previewed; 1: not everywhere in time, or a person said no."""
    from appliance.cli.analyst import client_of, state_of

    config = _config(options)
    with client_of(config) as client:
        seen = state_of(client)
        proposal = _proposal(client, config, options)
        return _settle(client, config, proposal, seen, options)


def undo(options: argparse.Namespace) -> int:
    """As `decide`."""
    from appliance.cli.analyst import client_of, state_of
    from appliance.model.decision import Proposal

    config = _config(options)
    with client_of(config) as client:
        seen = state_of(client)
        old = _decision(client, options.number)
        if not options.json:
            say(f"takes back decision {old.number}: {_said(old)}")
        proposal = Proposal(
            decision=DecisionKind.DISMISS,
            service=old.service,
            surface=old.surface,
            scope=old.scope,
            reason=options.reason,
            undoes=old.number,
        )
        return _settle(client, config, proposal, seen, options)


def _settle(
    client: BlockingClient, config: Config, proposal: Proposal, seen: ApplianceState, options: argparse.Namespace
) -> int:
    """Preview, ask, take, wait."""
    preview = _previewed(client, proposal, options.since)
    if not options.json:
        say(_as_text(proposal, preview, options.since, seen))
        _warn(config, proposal)
    if options.preview:
        say_json(preview) if options.json else None
        return 0
    if preview.refusal is not None:
        raise OperatorError(preview.refusal)
    return _take(client, proposal, seen, options)


def decisions(options: argparse.Namespace) -> int:
    """0: asked."""
    from appliance.cli.analyst import client_of, when

    with client_of(_config(options)) as client:
        found = _decisions(client, limit=max(1, min(options.limit, _MOST)))
    if options.json:
        say_json([{"decision": decision, "undone": undone} for decision, undone in found])
        return 0
    rows = [
        (old.number, when(old.ts), _said(old), when(old.expires), old.author, "yes" if undone else "no", old.reason)
        for old, undone in found
    ]
    say(table(("N", "DECIDED", "WHAT", "EXPIRES", "BY", "UNDONE", "REASON"), rows))
    return 0


def _decisions(client: BlockingClient, limit: int, before: int | None = None) -> list[tuple[Decision, bool]]:
    import msgspec

    from appliance.model.decision import Decision
    from appliance.store.pages import DecisionsRequest, DecisionSummary, PageHead

    _, body = client.call("decisions", DecisionsRequest(limit=limit, before=before), reply=PageHead)
    rows = msgspec.json.decode(body, type=list[DecisionSummary])
    return [(msgspec.json.decode(row.body, type=Decision), row.undone) for row in rows]


def _decision(client: BlockingClient, number: int) -> Decision:
    for old, undone in _decisions(client, limit=1, before=number + 1):
        if old.number == number:
            if undone:
                raise OperatorError(f"decision {number} has been taken back already")
            return old
    raise OperatorError(f"there is no decision {number}; `gnomon decisions` lists them")


def _proposal(client: BlockingClient, config: Config, options: argparse.Namespace) -> Proposal:
    from appliance.cli.analyst import ahead
    from appliance.model.decision import Proposal

    service, surface = _subject(client, config, options.service)
    if (options.decision is DecisionKind.REDIRECT) != (options.route is not None):
        raise OperatorError("--route: a redirect needs one, and only a redirect; `gnomon config show` lists the routes")
    return Proposal(
        decision=options.decision,
        service=service,
        surface=options.surface or surface,
        scope=_scope(client, service, options),
        route=options.route,
        reason=options.reason,
        expires=ahead(options.expires, time.time(), "--expires") if options.expires else None,
    )


def _subject(client: BlockingClient, config: Config, text: str) -> tuple[str, Surface | None]:
    """Service and surface that a catalogue id or a finding's id stands for."""
    from pathlib import Path

    from appliance.cli.analyst import detail_of
    from appliance.config.catalogue import load_catalogue
    from appliance.config.conversion import nearest

    if text.startswith("f_"):
        found = detail_of(client, text).finding
        return found.subject, found.surface
    override = config.catalogue.override
    known = load_catalogue(Path(override) if override else None).services
    if text not in known:
        raise OperatorError(f"{one_line(text)}: no service of the catalogue{nearest(text, tuple(known))}")
    return text, None


def _scope(client: BlockingClient, service: str, options: argparse.Namespace) -> Scope:
    from appliance.cli.analyst import digest_of
    from appliance.model.decision import Scope

    return Scope(
        principals=tuple(digest_of(client, service, name, "p_") for name in options.user),
        groups=tuple(options.group),
        clients=tuple(digest_of(client, service, address, "a_") for address in options.client),
    )


def _previewed(client: BlockingClient, proposal: Proposal, since: str) -> Preview:
    from appliance.export.span import moment
    from appliance.store.finding_pages import Preview, PreviewRequest

    request = PreviewRequest(proposal=proposal, since=moment(since, time.time(), "--since"))
    return client.call("preview", request, reply=Preview, within=_PREVIEW_S)[0]


def _as_text(proposal: Proposal, preview: Preview, since: str, seen: ApplianceState) -> str:
    effects = ", ".join(f"{effect} {count}" for effect, count in sorted(preview.by_effect.items())) or "-"
    rows = [
        ("decision", _said(proposal)),
        ("would change", f"{preview.changed} of {preview.exchanges} exchanges ({since})"),
        ("reaches", f"{preview.people} people, {preview.hosts} hosts"),
        ("were then", effects),
        ("cannot touch", f"sightings past the appliance: {preview.past}, by hosts: {preview.past_hosts}"),
        ("ends now", f"{preview.running} exchanges under way"),
    ]
    told = [table(("PREVIEW", ""), rows)]
    if preview.refusal is not None:
        told.append(f"refused: {one_line(preview.refusal)}")
    if seen.stage == Stage.OBSERVE:
        told.append("stage observe: it would be recorded only; `gnomon stage enforce` makes verdicts act")
    return "\n".join(told)


def _said(what: Proposal | Decision) -> str:
    """A decision in one line."""
    from appliance.cli.analyst import when

    if what.undoes is not None:
        return f"undo {what.undoes}"
    scope = what.scope
    whom = ", ".join((*scope.principals, *(f"group {name}" for name in scope.groups), *scope.clients)) or "everyone"
    route = f" to route {what.route}" if what.route else ""
    until = f" until {when(what.expires)}" if what.expires else ""
    return f"{what.decision} {what.service} ({what.surface or 'every surface'}){route} for {whom}{until}"


def _warn(config: Config, proposal: Proposal) -> None:
    """What an analyst should know of a redirect although it is possible."""
    from pathlib import Path

    from appliance.config.catalogue import load_catalogue
    from appliance.route.redirection import caution

    if proposal.route is None:
        return
    override = config.catalogue.override
    catalogue = load_catalogue(Path(override) if override else None)
    service = catalogue.services.get(proposal.service)
    told = caution(service, proposal.route, config.gateway.routes, catalogue) if service else None
    if told:
        hint(f"note: {told}")


def _take(client: BlockingClient, proposal: Proposal, seen: ApplianceState, options: argparse.Namespace) -> int:
    from appliance.store.wire import Decide, Decided

    if not options.yes and not _agreed():
        hint("nothing was decided")
        return 1
    told, _ = client.call("decide", Decide(proposal=proposal, expected_version=seen.version), reply=Decided)
    holds, workers = _applied(client, told.version, options.seconds)
    if options.json:
        say_json({"decision": told.decision, "version": told.version, "applied": holds, "workers": workers})
    else:
        say(f"decision {told.decision.number}: policy {told.version} applied on {holds}/{workers} workers")
    return 0 if holds == workers > 0 else 1


def _agreed() -> bool:
    if not sys.stdin.isatty():
        raise OperatorError("nobody can be asked here: say --yes")
    sys.stderr.write("decide this? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _applied(client: BlockingClient, version: int, seconds: float) -> tuple[int, int]:
    """On how many of the ready workers the snapshot holds, once it is all of them or the time is over."""
    from appliance.cli.analyst import state_of

    deadline = time.monotonic() + seconds
    while True:
        ready = [worker for worker in state_of(client).workers if worker.ready]
        holds = sum(worker.applied >= version for worker in ready)
        if (ready and holds == len(ready)) or time.monotonic() > deadline:
            return holds, len(ready)
        time.sleep(_STEP_S)


def _config(options: argparse.Namespace) -> Config:
    from appliance.config.load import load

    return load(options.config)
