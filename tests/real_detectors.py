"""The detectors as they are shipped, loaded once; tables are kept between runs, for building takes seconds."""

import os
import tempfile
from functools import cache
from pathlib import Path

from appliance.inspect.detect import Detectors


@cache
def detectors() -> Detectors:
    """One for all tests of a run; the folder is the caller's own."""
    return Detectors.load(Path(tempfile.gettempdir()) / f"gnomon-test-tables-{os.geteuid()}")
