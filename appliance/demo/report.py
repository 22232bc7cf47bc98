"""What came of each step, in words. Pure.

Rules: one line per step, with what was expected and what came where it failed; all text from outside is made inert.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.sanitise import one_line

_WIDTH = 62


class Unexpected(Exception):  # noqa: N818 - an expectation that was not met, as a step reads it
    """A step saw something else than it expected."""

    def __init__(self, expected: str, came: object) -> None:
        super().__init__(expected, str(came))
        self.expected, self.came = expected, str(came)


def expect(holds: object, expected: str, came: object) -> None:
    """Unexpected unless it holds."""
    if not holds:
        raise Unexpected(expected, came)


@dataclass(frozen=True)
class Result:
    """One step that was taken. `seen`: what it saw, for people; `failed`: None when all was as expected."""

    title: str
    seconds: float
    seen: str = ""
    failed: Unexpected | None = None


def line(result: Result) -> str:
    """A step as one line, or as three when it failed."""
    title = result.title.ljust(_WIDTH)
    if result.failed is None:
        return f"ok      {title} {result.seconds:5.1f} s   {one_line(result.seen, 120)}".rstrip()
    return "\n".join(
        (
            f"FAILED  {title} {result.seconds:5.1f} s",
            f"        expected: {one_line(result.failed.expected, 300)}",
            f"        came:     {one_line(result.failed.came, 300)}",
        )
    )


def summary(results: Sequence[Result], planned: int, seconds: float) -> str:
    """The last line."""
    failed = sum(result.failed is not None for result in results)
    missing = planned - len(results)
    parts = [f"{len(results) - failed} of {planned} steps went as expected"]
    parts += [f"{failed} did not"] * bool(failed) + [f"{missing} not reached"] * bool(missing)
    return f"{', '.join(parts)} ({seconds:.1f} s)"
