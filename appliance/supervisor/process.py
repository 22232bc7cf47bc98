"""What the supervisor sets for itself and its children before anything else.

Rules: files are private by default, no core file can hold a key or a prompt, and there are descriptors for as many
connections as the system allows.
"""

import os
import resource


def harden() -> None:
    """Set umask 077, no core files, soft limit of descriptors raised to the hard one (at most 1,048,576)."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 1 << 20
    soft = most if hard == resource.RLIM_INFINITY else min(hard, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
