"""The thresholds of the injection model for this site, in the state folder.

Rules: written whole or not at all; scores of other weights mean nothing, so a file that was made for them is refused
with what to do, never used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from appliance.inspect.injection.calibrating import Calibration
from appliance.model.errors import OperatorError

if TYPE_CHECKING:
    from pathlib import Path

FILE = "calibration.json"
MAX_FILE = 1 << 16


def load(state_dir: Path, model: str) -> tuple[tuple[str, float], ...]:
    """Classes of sources and their thresholds; empty where nothing was calibrated. `model`: version of the weights."""
    path = state_dir / FILE
    try:
        with path.open("rb") as file:
            found = msgspec.json.decode(file.read(MAX_FILE), type=Calibration)
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.DecodeError) as error:
        raise OperatorError(f"{path}: cannot be read ({error}); calibrate again, or remove it") from error
    if found.model != model:
        raise OperatorError(f"{path}: made for other weights; run gnomon calibrate again, or remove the file")
    return tuple((one.source, one.value) for one in found.thresholds)


def save(state_dir: Path, calibration: Calibration) -> Path:
    """Write it; the file's path."""
    path = state_dir / FILE
    beside = path.with_name(f".{FILE}.{os.getpid()}")
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(calibration), indent=1) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written ({error})") from error
    return path
