"""`python -m appliance.inspect.detect.prepare FOLDER`: build the detection tables there, unless they stand.

Rules: a process of its own, so that the memory of building is given back; exit 1 when they could not be kept.
"""

import sys
from pathlib import Path

from appliance.inspect.detect.detectors import Detectors


def main(folder: Path) -> int:
    """Exit code: 0 the tables lie in the folder."""
    Detectors.load(folder)
    return 0 if any(folder.glob("detect-*.tables")) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
