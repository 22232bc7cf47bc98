"""`gnomon prepare`: build what is slow to build, once for this release, so that every start is quick."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.cli.progress import progress

if TYPE_CHECKING:
    import argparse

_BUILD_S = 20


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """The words of the command."""
    parser = commands.add_parser("prepare", parents=[common], help="build the detection tables of this release, once")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Tables that are there already cost well under a second."""
    from appliance.config.load import load
    from appliance.config.tables import tables_folder
    from appliance.inspect.detect.detectors import Detectors

    folder = tables_folder(Path(load(options.config).state_dir))
    if any(folder.glob("detect-*.tables")):
        Detectors.load(folder)
        return 0
    with progress(f"building the detection tables; this takes about {_BUILD_S} seconds, once", _BUILD_S):
        Detectors.load(folder)
    return 0
