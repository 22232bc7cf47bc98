"""Measurements: each bench is one file with `run(seconds) -> dict[str, float]`, the peer measured in the same run."""
