"""Fixtures that every test may use. Rules: loopback only; every random choice is seeded; nothing sleeps."""

from hypothesis import settings

LONGEST_ID = 30

settings.register_profile("gnomon", deadline=None)  # no test judges by time
settings.load_profile("gnomon")


def pytest_make_parametrize_id(config, val, argname):
    """A short and lasting name: bytes and long texts may hold salts, and workers of one run must agree on names."""
    if isinstance(val, bytes) or (isinstance(val, str) and (len(val) > LONGEST_ID or not val.isprintable())):
        return argname
    return None
