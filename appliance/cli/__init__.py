"""The command `gnomon`.

Rules: stdout belongs to the answer, everything else goes to stderr; exit codes: 0 done, 1 found something that the
caller asked to fail on, 2 wrong use, configuration or environment, told in one message without a traceback. Heavy
libraries are imported by the command that needs them, when it runs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]

OK, FOUND, WRONG = 0, 1, 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. Never raises for what a person can cause."""
    from appliance.bus.errors import RemoteError, Unreachable
    from appliance.cli.output import abandon_stdout
    from appliance.cli.parser import parse
    from appliance.model.errors import EvidenceError, OperatorError

    try:
        options = parse(argv)
        code: int = options.run(options)
        sys.stdout.flush()
    except (OperatorError, EvidenceError) as error:
        return _told(str(error))
    except RemoteError as error:
        return _told(error.message)
    except Unreachable as error:
        return _told(f"{error}; is the appliance running? `gnomon up` starts it")
    except BrokenPipeError:
        abandon_stdout()  # whoever read our answer has read enough
        return OK
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _told(message: str) -> int:
    from appliance.sanitise import block

    sys.stderr.write(f"gnomon: {block(message)}\n")
    return WRONG
