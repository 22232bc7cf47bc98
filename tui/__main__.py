"""`python -m tui --run-dir DIR [--attached]`: the terminal as a process of its own, as `gnomon up` starts it."""

import argparse
import sys
from pathlib import Path

from tui.app import run


def main() -> int:
    """The exit code tells `gnomon up` what to do with the appliance (tui/app.py)."""
    parser = argparse.ArgumentParser(prog="python -m tui")
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--attached", action="store_true")
    options = parser.parse_args()
    return run(options.run_dir, attached=options.attached)


if __name__ == "__main__":
    sys.exit(main())
