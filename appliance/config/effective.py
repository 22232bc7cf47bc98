"""The configuration as the supervisor validated it, for its children: RUN/effective.json.

Rules: written whole and atomically, mode 0600; children trust it and never read the operator's file, so that a file
edited in between cannot split the processes.
"""

import os
from pathlib import Path

import msgspec

from appliance.config.schema import Config
from appliance.model.errors import OperatorError

NAME = "effective.json"


def encode(config: Config) -> bytes:
    """JSON of the whole configuration, defaults included, keys in schema order."""
    return msgspec.json.encode(config)


def decode(data: bytes) -> Config:
    """The configuration back; OperatorError for anything else."""
    try:
        return msgspec.json.decode(data, type=Config)
    except msgspec.DecodeError as error:
        raise OperatorError(f"{NAME}: not an effective configuration ({error}); restart with `gnomon up`") from error


def write_effective(config: Config, run_dir: Path) -> Path:
    """Replace RUN/effective.json (0600) by `config`; the folder must exist. Returns its path."""
    path = Path(run_dir) / NAME
    fresh = path.with_name(f"{NAME}.{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(encode(config))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written ({error.strerror}); check run_dir") from error
    return path


def read_effective(run_dir: Path) -> Config:
    """The configuration that the supervisor wrote; OperatorError when it is missing or damaged."""
    path = Path(run_dir) / NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror}); is the appliance running?") from error
    return decode(data)
