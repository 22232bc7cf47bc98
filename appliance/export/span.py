"""The span of an export as people write it. Pure.

Rules: `7d`, `36h`, `90m`, `2w` count back from now; an ISO 8601 date or time is UTC unless it names its offset, because
every time in an export is UTC; `all` is everything.
"""

import re
from datetime import UTC, datetime
from typing import Final

from appliance.model.errors import OperatorError

_UNITS: Final = {"m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_BACK: Final = re.compile(r"([0-9]{1,6})([mhdw])\Z")
EARLIEST: Final = 0.0


def moment(text: str, now: float, option: str) -> float:
    """Epoch seconds of `text`; OperatorError, naming `option`, when it is no time."""
    if text == "all":
        return EARLIEST
    if (back := _BACK.match(text)) is not None:
        return max(EARLIEST, now - int(back[1]) * _UNITS[back[2]])
    try:
        found = datetime.fromisoformat(text)
        return max(EARLIEST, (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        raise OperatorError(
            f"{option} {text}: no time; write 7d, 36h, 90m, 2w, an ISO date such as 2026-01-31, or all"
        ) from None


def span(since: str, until: str | None, now: float) -> tuple[float, float | None]:
    """Begin and end in epoch seconds, end None: up to now. OperatorError when nothing can lie between them."""
    begin = moment(since, now, "--since")
    if begin >= now:
        raise OperatorError(f"--since {since}: lies in the future; nothing has been recorded there yet")
    if until is None:
        return begin, None
    end = moment(until, now, "--until")
    if end <= begin:
        raise OperatorError(f"--until {until}: lies before --since {since}")
    return begin, end
