"""How much of an appliance's journals waits to be taken: a look at sizes and cursors, nothing is read.

Rules: a folder that goes away meanwhile, or is damaged, counts nothing; others tell of damage.
"""

from pathlib import Path

from appliance.journal.folder import Folder, folders
from appliance.model.errors import EvidenceError


def backlog(root: Path) -> int:
    """Bytes under `root` that no store has acknowledged."""
    return sum(_waiting(folder) for folder in folders(root))


def _waiting(folder: Folder) -> int:
    try:
        cursor = folder.cursor()
        sizes = {first: folder.segment(first).stat().st_size for first in folder.segments()}
    except (OSError, EvidenceError):
        return 0
    done = cursor.offset if cursor.segment in sizes else 0
    return max(0, sum(size for first, size in sizes.items() if first >= cursor.segment) - done)
