import os
import tempfile
from pathlib import Path

import pytest

from appliance.inspect.detect import Detectors


@pytest.fixture(scope="session")
def detectors():
    # Kept between runs, because building takes seconds; the name is a hash over all that goes in, and a file that
    # belongs to someone else is not read.
    folder = Path(tempfile.gettempdir()) / f"gnomon-test-tables-{os.geteuid()}"
    return Detectors.load(folder)
