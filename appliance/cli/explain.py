"""`gnomon explain OBSERVATION`: why something on the wire was called what it was called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.cli.output import json_option, say, say_json, table
from appliance.sanitise import one_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from appliance.config.schema import Config
    from appliance.model.observation import Observation
    from appliance.store.finding_pages import ObservationSummary
    from discovery.explain import Explained

_MAX_LINE: Final = 1 << 20
_HELP = "why something on the wire was called what it was called (exit 1: it is no AI service)"


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("explain", parents=[common], help=_HELP)
    parser.add_argument(
        "observation",
        metavar="OBSERVATION",
        help="number of a stored one, or - for lines of `gnomon replay` from stdin",
    )
    json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: every one means an AI service; 1: one does not. OperatorError: no such observation, or no line of ours."""
    from appliance.config.catalogue import load_catalogue
    from appliance.config.known_files import load_known
    from appliance.config.load import load
    from discovery.classify import Classifier
    from discovery.explain import explain

    config = load(options.config)
    catalogue = load_catalogue(Path(config.catalogue.override) if config.catalogue.override else None)
    classifier, code = Classifier(catalogue, site=load_known(config.sensor, catalogue)), 0
    for number, (seen, stored) in enumerate(_observations(options.observation, config)):
        told = explain(seen, catalogue, classifier)
        code = code if told.service or stored else 1
        if options.json:
            say_json({"stored": stored, "explained": told})
        else:
            say(("\n" if number else "") + _text(told, stored))
    return code


def _observations(which: str, config: Config) -> Iterator[tuple[Observation, ObservationSummary | None]]:
    from appliance.model.errors import OperatorError

    if which == "-":
        yield from ((seen, None) for seen in _of_lines())
    elif which.isascii() and which.isdigit():
        stored = _stored(int(which), config)
        yield _again(stored), stored
    else:
        raise OperatorError(f"explain: {one_line(which, 40)}: give the number of an observation, or - for stdin")


def _of_lines() -> Iterator[Observation]:
    import msgspec

    from appliance.model.errors import OperatorError
    from discovery.truth import observation_of

    number = 0
    while line := sys.stdin.buffer.readline(_MAX_LINE):
        number += 1
        if not line.strip():
            continue
        try:
            yield observation_of(line)
        except msgspec.MsgspecError as error:
            raise OperatorError(
                f"stdin:{number}: no line of `gnomon replay --truth` or --format jsonl: {error}"
            ) from None


def _stored(number: int, config: Config) -> ObservationSummary:
    """OperatorError: there is none of that number, or nobody serves the store."""
    import msgspec

    from appliance.cli.analyst import client_of
    from appliance.model.errors import OperatorError
    from appliance.store.finding_pages import ObservationsRequest, ObservationSummary
    from appliance.store.pages import PageHead

    with client_of(config) as client:
        asked = ObservationsRequest(limit=1, before=number + 1)
        _, body = client.call("observations", asked, reply=PageHead)
    found = msgspec.json.decode(body, type=list[ObservationSummary])
    if not found or found[0].n != number:
        raise OperatorError(f"explain: there is no observation {number}; `gnomon export` and the screens tell numbers")
    return found[0]


def _again(stored: ObservationSummary) -> Observation:
    """As far as the record tells of what was seen."""
    from appliance.model.names import ObservationKind, Transport
    from appliance.model.observation import Observation

    kind = ObservationKind(stored.seen)
    clear = kind in {ObservationKind.HTTP, ObservationKind.HTTP_RESPONSE}
    return Observation(
        ts=stored.ts,
        src=stored.client,
        sport=0,
        dst=stored.server,
        dport=stored.port,
        transport=Transport(stored.transport),
        kind=kind,
        server_name=None if clear else stored.name,
        host=(stored.host or stored.name) if clear else None,
        path=_path(stored.evidence),
        alpn=tuple(stored.alpn),
        ja4=stored.ja4,
        user_agent=stored.user_agent,
        at_least=bool(stored.at_least),
    )


def _path(evidence: tuple[str, ...]) -> str | None:
    """It stands in the evidence alone, where it is one."""
    return next((text.rpartition("path ")[2] for text in evidence if "path /" in text), None)


def _text(told: Explained, stored: ObservationSummary | None) -> str:
    if stored is None:
        return told.text()
    return table((f"STORED AS {stored.n}", ""), list(_record(stored))) + "\n\nas judged now\n" + told.text()


def _record(stored: ObservationSummary) -> Iterator[tuple[str, str]]:
    """What was recorded, whatever would be said today."""
    from appliance.cli.analyst import when

    yield "seen", f"{when(stored.ts)} to {when(stored.until)}"
    yield "by", f"{stored.sensor} at {stored.source}, {stored.count} times"
    yield "service", f"{stored.service}, {stored.category}, confidence {stored.confidence:.2f}"
    yield "way", stored.leg + (f", past the appliance by {stored.cause}" if stored.cause else "")
    if stored.contradicts:
        yield "contradiction", f"the same connections point to {stored.contradicts} as well"
    if stored.bytes_up is not None or stored.bytes_down is not None:
        least = "at least " if stored.at_least else ""
        yield "bytes", f"{least}{stored.bytes_up or 0:,} up, {stored.bytes_down or 0:,} down"
    for text in stored.evidence:
        yield "evidence", one_line(text)
