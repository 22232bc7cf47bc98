"""Where the detection tables lie: beside the installed release, so that they are built once.

Rules: the release's own folder when this user may write there (`make setup` builds them), else the state folder.
"""

import os
import sys
from pathlib import Path


def tables_folder(state_dir: Path) -> Path:
    """The folder that `Detectors.load` is given."""
    installed = Path(sys.prefix) / "share" / "gnomon" / "tables"
    nearest = next(parent for parent in (installed, *installed.parents) if parent.exists())
    owned = nearest.stat().st_uid == os.geteuid()
    return installed if owned and os.access(nearest, os.W_OK) else state_dir / "cache"
