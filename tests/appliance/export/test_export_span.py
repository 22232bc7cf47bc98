"""When an export begins and ends."""

import pytest

from appliance.export.span import moment, span
from appliance.model.errors import OperatorError

NOW = 1_763_700_000.0  # 2025-11-21T04:40:00Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7d", NOW - 604_800),
        ("36h", NOW - 129_600),
        ("90m", NOW - 5_400),
        ("2w", NOW - 1_209_600),
        ("all", 0.0),
        ("999999w", 0.0),
        ("2025-11-20", 1_763_596_800.0),
        ("2025-11-20T12:00:00Z", 1_763_640_000.0),
        ("2025-11-20T12:00:00+02:00", 1_763_632_800.0),
        ("1960-01-01", 0.0),
        ("0001-01-01T00:00:00+23:59", 0.0),
    ],
)
def test_moments(text, seconds):
    assert moment(text, NOW, "--since") == seconds


@pytest.mark.parametrize(
    "text",
    ["", "7", "d", "-7d", "7 d", "7y", "yesterday", "2025-13-01", "\u0667d", "1e9d", "nan"],
)
def test_what_is_no_moment_is_told(text):
    with pytest.raises(OperatorError, match="--since"):
        moment(text, NOW, "--since")


def test_spans():
    assert span("7d", None, NOW) == (NOW - 604_800, None)
    assert span("all", "1d", NOW) == (0.0, NOW - 86_400)


@pytest.mark.parametrize(
    ("since", "until", "told"),
    [("2030-01-01", None, "future"), ("0d", None, "future"), ("1d", "2d", "before --since"), ("1d", "1d", "before")],
)
def test_spans_that_hold_nothing_are_refused(since, until, told):
    with pytest.raises(OperatorError, match=told):
        span(since, until, NOW)
