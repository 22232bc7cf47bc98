import os
import tempfile
from pathlib import Path

import pytest

from appliance.inspect.detect import Detectors


@pytest.fixture(scope="session")
def tables():
    # Kept between runs, because building takes seconds; the name is a hash over all that goes in, and a file that
    # belongs to someone else is not read.
    return Path(tempfile.gettempdir()) / f"gnomon-test-tables-{os.geteuid()}"


@pytest.fixture(scope="session")
def detectors(tables):
    return Detectors.load(tables)
