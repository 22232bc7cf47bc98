"""`gnomon export`: evidence as a DuckDB file, as CSV, as a page for people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.output import hint, json_option, say, say_json, table

if TYPE_CHECKING:
    import argparse

    from appliance.bus.client import BlockingClient
    from appliance.export.write import Folder
    from appliance.store.export_wire import Exported, ExportRequest

FORMATS = ("duckdb", "csv", "html")
PAGE = "gnomon-summary.html"


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("export", parents=[common], help="hand evidence out as files")
    parser.add_argument(
        "--format",
        action="append",
        choices=FORMATS,
        metavar="duckdb|csv|html",
        help="may be repeated (default: duckdb)",
    )
    parser.add_argument(
        "--since", default="7d", metavar="TIME", help="7d, 36h, 90m, 2w, an ISO date (UTC), or all (default: 7d)"
    )
    parser.add_argument("--until", metavar="TIME", help="the same words (default: now)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files, made if missing")
    parser.add_argument(
        "--pseudonymise", action="store_true", help="no name, no address, no free text; persons get new pseudonyms"
    )
    parser.add_argument("--force", action="store_true", help="overwrite files of the same name")
    json_option(parser)
    parser.set_defaults(run=export)


def export(options: argparse.Namespace) -> int:
    """0: the files lie in DIR; whatever went wrong, nothing half-written does."""
    import time

    from appliance.bus.client import BlockingClient
    from appliance.cli.analyst import must_have_store
    from appliance.config.load import load
    from appliance.export.fetch import analyst_socket
    from appliance.export.span import span
    from appliance.export.write import Folder
    from appliance.store.export_wire import ExportFormat, ExportRequest

    config = load(options.config)
    must_have_store(config)
    formats = tuple(dict.fromkeys(options.format or ["duckdb"]))
    since, until = span(options.since, options.until, time.time())
    request = ExportRequest(
        formats=tuple(map(ExportFormat, formats)), since=since, until=until, pseudonymise=options.pseudonymise
    )
    with Folder(options.out, options.force) as folder, BlockingClient(analyst_socket(config.run_dir)) as client:
        folder.refuse_present(_expected(formats))
        exported, digests = _write(client, request, folder)
        paths = folder.publish()
    _answer(options, exported, [(path, path.stat().st_size, digests[path.name]) for path in paths])
    return 0


def _expected(formats: tuple[str, ...]) -> list[str]:
    from appliance.store.export_wire import DATABASE_FILE

    return [*([DATABASE_FILE] if "duckdb" in formats else []), *([PAGE] if "html" in formats else [])]


def _write(client: BlockingClient, request: ExportRequest, folder: Folder) -> tuple[Exported, dict[str, str]]:
    """Every file beside its place, with its SHA-256."""
    from hashlib import sha256

    from appliance.export.fetch import appliance_state, budgets_now, fetch
    from appliance.export.html import page
    from appliance.store.export_wire import SUMMARY_FILE

    fetched = fetch(client, request)
    files = [file for file in fetched.exported.files if file.name != SUMMARY_FILE]
    folder.refuse_present(file.name for file in files)
    for file in files:
        folder.write(file.name, fetched.pieces(file))
    digests = {file.name: file.sha256 for file in files}
    if (summary := fetched.summary()) is not None:
        text = page(summary, appliance_state(client), budgets_now(client)).encode()
        folder.write(PAGE, [text])
        digests[PAGE] = sha256(text).hexdigest()
    fetched.done()
    return fetched.exported, digests


def _answer(options: argparse.Namespace, exported: Exported, files: list[tuple[Path, int, str]]) -> None:
    if options.json:
        told = [{"path": str(path), "bytes": size, "sha256": digest} for path, size, digest in files]
        say_json({"files": told, "rows": exported.rows, "pseudonymised": options.pseudonymise})
        return
    say(table(("VIEW", "ROWS"), exported.rows.items()))
    say("")
    for path, size, _ in files:
        say(f"{path}  {size:,} bytes")
    if not options.pseudonymise and sys.stderr.isatty():
        hint("these files hold clear names and addresses; --pseudonymise leaves them out")
