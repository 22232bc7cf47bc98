"""What others that look for secrets need for the same texts of 2 kB, where their environment is there.

Owns: how it is asked. Rules: gitleaks' rules in RE2 and detect-secrets run in an environment of their own, apart from
the appliance's; without it, or without gitleaks' own `gitleaks.toml` beside it, their rows are not told.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from appliance.bench.box import output

_ROOT = Path(__file__).parents[2]
ENVIRONMENT = _ROOT / ".cache" / "bench-peers"
PROGRAM = _ROOT / "tests" / "eval" / "peers" / "scan_peers.py"
_SLOW = 60.0  # seconds to start and to warm up


def measured(texts: Sequence[str], seconds: float, environment: Path = ENVIRONMENT) -> dict[str, float]:
    """Milliseconds for one of `texts`, median of each peer; nothing where no peer is installed."""
    python = environment / "bin" / "python"
    if not (python.is_file() and PROGRAM.is_file()):
        return {}
    with tempfile.TemporaryDirectory(prefix="gnomon-bench-") as folder:
        path = Path(folder) / "texts.json"
        path.write_text(json.dumps(texts), encoding="utf-8")
        rules = ["--rules", str(environment / "gitleaks.toml")]
        command = [str(python), str(PROGRAM), str(path), *rules, "--seconds", f"{seconds / 2:.1f}"]
        told: dict[str, float] = json.loads(output(command, seconds + _SLOW))
    return told
