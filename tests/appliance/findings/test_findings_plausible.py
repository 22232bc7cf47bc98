"""Tokens of the ledger held against bytes of the wire: the bounds are wide, and told from both sides."""

import pytest

from appliance.findings.plausible import BYTES_PER_REQUEST, plausible


@pytest.mark.parametrize(
    ("up", "tokens", "requests", "at_least", "word"),
    [
        (5_000, 500, 1, False, "plausible"),
        (4_000_000, 1_000_000, 1, False, "plausible"),
        (100, 1_000, 1, False, "more_tokens"),
        (100, 1_000, 1, True, "plausible"),
        (5_000_000, 100, 1, False, "more_bytes"),
        (5_000_000, 100, 1, True, "more_bytes"),
        (160_000, 0, 10, False, "plausible"),
        (0, 0, 0, False, "plausible"),
    ],
)
def test_tokens_and_bytes_are_held_against_each_other(up, tokens, requests, at_least, word):
    assert plausible(up, tokens, requests, at_least=at_least) == word


def test_requests_whose_tokens_nobody_told_explain_their_bytes():
    assert plausible(2_000_000, 0, 1, untold_bytes=1_000_000) == "plausible"
    assert plausible(2_000_001 + BYTES_PER_REQUEST, 0, 1, untold_bytes=1_000_000) == "more_bytes"
