"""`gnomon detectors` and `gnomon feedback`: what detectors cost and find, and whether they are right.

Rules: totals are those of the store, and what workers have not told it yet; an analyst's word is about one entity of
one exchange or finding, by name: there is no way to write down the text that was found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.cli.output import json_option, say, say_json, table
from appliance.model.names import Verity

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from appliance.config.schema import Config
    from appliance.model.detection import DetectorCount
    from appliance.store.feedback_pages import DetectorsTold, EntityFeedback


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the commands."""
    words = "what each detector has cost and found, and how often analysts called it wrong"
    parser = commands.add_parser("detectors", parents=[common], help=words)
    json_option(parser)
    parser.set_defaults(run=detectors)
    words = "say that a detection was right or wrong; a later word about the same replaces it"
    parser = commands.add_parser("feedback", parents=[common], help=words)
    parser.add_argument("where", metavar="ID", help="an exchange, or a finding (f_...) for all of its exchanges")
    parser.add_argument("entity", metavar="ENTITY", help="what was detected there, e.g. EMAIL_ADDRESS")
    parser.add_argument("verdict", type=Verity, choices=tuple(Verity), help="whether it is what it was taken for")
    json_option(parser)
    parser.set_defaults(run=feedback)


def detectors(options: argparse.Namespace) -> int:
    """0: told; 1: not up. Sums over all workers, dearest first; then what analysts said."""
    from appliance.bus.errors import Unreachable
    from appliance.cli.analyst import client_of
    from appliance.cli.control import status_of
    from appliance.inspect.detect.statistics import together
    from appliance.model.detection import DetectorCount
    from appliance.store.feedback_pages import DetectorsRequest, DetectorsTold

    config = _config(options)
    try:
        with client_of(config) as client:
            stored = client.call("detectors", DetectorsRequest(), reply=DetectorsTold)[0]
        pending = [count for child in status_of(config).children for count in child.detectors]
    except Unreachable:
        say_json(None) if options.json else say("not running")
        return 1
    kept = [
        DetectorCount(one.name, one.texts, one.found, one.seconds, one.failed, one.late) for one in stored.detectors
    ]
    counts = sorted(together(kept, pending), key=lambda one: -one.seconds)
    since = min((one.since for one in stored.detectors), default=None)
    if options.json:
        say_json({"since": since, "detectors": counts, "feedback": stored.feedback})
    else:
        say(_as_text(counts, stored, since))
    return 0


def _as_text(counts: Sequence[DetectorCount], stored: DetectorsTold, since: float | None) -> str:
    from appliance.cli.analyst import when

    rows = [
        (one.name, one.texts, one.found, f"{one.seconds * 1e6 / max(one.texts, 1):.0f} us", one.late, one.failed)
        for one in counts
    ]
    told = [table(("DETECTOR", "TEXTS", "FOUND", "EACH", "LATE", "FAILED"), rows)]
    told.append(f"since {when(since)}" if since is not None else "since the workers began")
    if stored.feedback:
        said = [(one.entity, one.kind, one.right, one.wrong, share_wrong(one)) for one in stored.feedback]
        told += ["", table(("ENTITY", "KIND", "RIGHT", "WRONG", "SHARE WRONG"), said)]
    else:
        told.append("no analyst has called a detection right or wrong yet: gnomon feedback ID ENTITY right|wrong")
    return "\n".join(told)


def share_wrong(one: EntityFeedback) -> str:
    """Of what analysts judged, how much was wrong, with the count it rests on."""
    judged = one.right + one.wrong
    return f"{one.wrong / judged:.0%} of {judged}" if judged else "-"


def feedback(options: argparse.Namespace) -> int:
    """0: it is written down."""
    from appliance.cli.analyst import client_of
    from appliance.model.feedback import Feedback
    from appliance.store.feedback_pages import FeedbackRequest

    finding = options.where if options.where.startswith("f_") else None
    exchange = None if finding else options.where
    request = FeedbackRequest(entity=options.entity, verdict=options.verdict, exchange=exchange, finding=finding)
    with client_of(_config(options)) as client:
        said = client.call("feedback", request, reply=Feedback)[0]
    if options.json:
        say_json(said)
    else:
        say(f"feedback {said.number}: {said.entity} in {options.where} is {said.verdict}, says {said.author}")
    return 0


def _config(options: argparse.Namespace) -> Config:
    from appliance.config.load import load

    return load(options.config)
