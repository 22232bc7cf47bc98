"""Measurements: each bench is one file with `run(seconds, with_peers) -> dict[str, float]`, peers in the same run."""
