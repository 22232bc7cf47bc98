"""`gnomon neutrality`: what services are like with the appliance and without it.

Rules: read only; what was not measured is shown as `-` and never guessed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse

    from appliance.config.schema import Config
    from appliance.store.neutrality import NeutralityRow

_DAY_S = 86_400.0


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser(
        "neutrality", parents=[common], help="cached prompts and time to first byte, with and without (exit 1: worse)"
    )
    parser.add_argument("--days", type=float, default=7.0, metavar="N", help="of the last N days (default: 7)")
    json_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """0: nothing is worse than it was measured without; 1: something is."""
    from appliance.config.load import load
    from appliance.store.neutrality import Word

    config = load(options.config)
    rows = _rows(config, max(options.days, 0.0))
    words = [_word(config, row) for row in rows]
    if options.json:
        say_json([_whole(config, row) for row in rows])
    else:
        say(_table(config, rows))
        if not config.neutrality:
            hint("nothing was measured without the appliance: write it under `neutrality` in the configuration")
    return 1 if any(word in (Word.LESS_CACHED, Word.SLOWER) for word in words) else 0


def _rows(config: Config, days: float) -> list[NeutralityRow]:
    import msgspec

    from appliance.cli.analyst import client_of
    from appliance.store.neutrality import NeutralityRow
    from appliance.store.pages import PageHead, SpanRequest

    with client_of(config) as client:
        request = SpanRequest(since=time.time() - days * _DAY_S)
        _, body = client.call("neutrality", request, reply=PageHead)
    return msgspec.json.decode(body, type=list[NeutralityRow])


def _without(config: Config, row: NeutralityRow) -> tuple[float | None, float | None]:
    entry = config.neutrality.get(row.service)
    return (entry.cached_share, entry.first_byte_ms) if entry else (None, None)


def _word(config: Config, row: NeutralityRow) -> str:
    from appliance.store.neutrality import word

    return word(row, *_without(config, row))


def _whole(config: Config, row: NeutralityRow) -> dict[str, object]:
    import msgspec

    cached, first = _without(config, row)
    without = {"cached_without": cached, "first_byte_without": first, "word": _word(config, row)}
    return msgspec.structs.asdict(row) | without


def _table(config: Config, rows: list[NeutralityRow]) -> str:
    lines = []
    for row in rows:
        cached, first = _without(config, row)
        same = row.unchanged / row.exchanges
        shares = (_share(same), _share(row.cached), _share(row.cached_unchanged), _share(cached))
        times = (_ms(row.first_byte_p50), _ms(row.first_byte_p95), _ms(row.inspect_p50), _ms(first))
        lines.append((row.service, row.exchanges, *shares, *times, _word(config, row)))
    head = ("SERVICE", "EXCHANGES", "UNCHANGED", "CACHED", "OF UNCHANGED", "WITHOUT")
    return table((*head, "FIRST BYTE", "95 %", "OF IT HERE", "WITHOUT", "SO IT IS"), lines)


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"


def _ms(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f} ms"
