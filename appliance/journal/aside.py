"""What was put aside does not grow without end.

Rules: only copies of what a death cut short lie there, never a whole record; the copy just made is always kept; whoever
removes some tells how many.
"""

from contextlib import suppress
from pathlib import Path
from typing import Final

COPIES_KEPT: Final = 10


def thin_out(newest: Path, pattern: str) -> int:
    """Remove the oldest files like `pattern` beside `newest` until `COPIES_KEPT` are left; how many went."""
    others = [path for path in newest.parent.glob(pattern) if path != newest]
    dated: list[tuple[int, Path]] = []
    for path in others:
        with suppress(FileNotFoundError):  # another recovery thins out the same folder
            dated.append((path.lstat().st_mtime_ns, path))
    old = [path for _, path in sorted(dated)[: max(0, len(dated) - COPIES_KEPT + 1)]]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def told(removed: int) -> str:
    """The end of a notice about a new copy."""
    return f"; {removed} older copies removed, the newest {COPIES_KEPT} are kept" if removed else ""
