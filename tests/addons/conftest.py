"""The stand-in provider for worker tests; the worker itself comes from `worker_world`."""

import pytest
from tests_support import Provider


@pytest.fixture(scope="session")
def provider(tmp_path_factory):
    stand_in = Provider(tmp_path_factory.mktemp("provider"))
    yield stand_in
    stand_in.stop()
