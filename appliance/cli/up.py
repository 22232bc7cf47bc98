"""`gnomon up`: the supervisor in the foreground."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.model.names import Stage

if TYPE_CHECKING:
    from appliance.config.schema import Config
    from appliance.supervisor.supervisor import Supervisor


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("up", parents=[common], help="start the appliance and run until told to stop")
    parser.add_argument("--workers", type=_count, metavar="N", help="proxy workers; 0: one per processor core")
    parser.add_argument("--stage", type=Stage, choices=tuple(Stage), help="observe: record verdicts; enforce: act")
    parser.add_argument(
        "--interface", action="append", metavar="IF", help="network interface to watch (instead of sensor.interfaces)"
    )
    parser.add_argument(
        "--pcap", action="append", type=Path, metavar="FILE", help="capture file to read (instead of sensor.captures)"
    )
    parser.add_argument("--json", action="store_true", help="say where it listens as one line of JSON")
    parser.add_argument("--plain", action="store_true", help="log lines in this terminal instead of `gnomon tui`")
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 64:  # noqa: PLR2004 - more than any machine this is made for
        raise argparse.ArgumentTypeError("must be 0 to 64")
    return number


def run(options: argparse.Namespace) -> int:
    """Start, serve, drain, stop. OperatorError: it could not start."""
    import asyncio

    from appliance.supervisor import console, log
    from appliance.supervisor.handover import receive
    from appliance.supervisor.process import harden
    from appliance.supervisor.settings import Settings
    from appliance.supervisor.supervisor import Supervisor as Boss

    inherited = receive()
    screen: list[console.Console] = []

    def announce(boss: Supervisor) -> None:
        _announce(boss, options)
        if console.wanted(plain=options.plain or options.json or boss.config.ships_records):
            screen.append(console.of(boss.config.state_dir, boss.config.run_dir, boss.stop))
            if inherited is None:
                screen[0].open(boss.lifeline[0])
            else:
                screen[0].resume()

    settings = Settings(lambda: _load(options), options.stage, announce)
    config = settings.load()
    harden()
    log.configure(form=config.log.format)

    async def serve() -> None:
        try:
            await Boss(settings, config).run(inherited)
        finally:
            for each in screen:
                await each.close()

    asyncio.run(serve())
    return 0


def _load(options: argparse.Namespace) -> Config:
    import msgspec

    from appliance.config.load import load
    from appliance.config.placement_checks import checked

    config = load(options.config)
    sensor = config.sensor
    if options.interface is not None:
        sensor = msgspec.structs.replace(sensor, interfaces=tuple(options.interface))
    if options.pcap is not None:
        sensor = msgspec.structs.replace(sensor, captures=tuple(str(path.absolute()) for path in options.pcap))
    workers = config.workers if options.workers is None else options.workers
    return checked(msgspec.structs.replace(config, workers=workers, sensor=sensor))


def _announce(boss: Any, options: argparse.Namespace) -> None:
    import contextlib
    import sys

    from appliance.supervisor.announce import as_json, as_text

    status, tls = boss.control.status(), boss.config.listen.certificate is not None
    flags = f" --config {options.config}" if options.config else ""
    with contextlib.suppress(OSError):  # nobody reads it: no reason not to serve
        print(as_json(status) if options.json else as_text(status, flags, boss.notes, tls=tls))  # noqa: T201 - the answer
        sys.stdout.flush()
