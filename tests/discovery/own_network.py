"""A network namespace of a test's own, with a pair of virtual interfaces; only for root."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

ENDS = ("gnomon0", "gnomon1")
needed = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and `ip`")


def inside(work):
    """What `work` gives in a thread that is alone in a new namespace, where `ENDS` are joined and up."""

    def joined():
        os.unshare(os.CLONE_NEWNET)
        for name in ("all", "default"):
            Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        subprocess.run(["ip", "link", "add", "name", ENDS[0], "type", "veth", "peer", "name", ENDS[1]], check=True)
        for name in ENDS:
            subprocess.run(["ip", "link", "set", "dev", name, "up"], check=True)
        return work()

    return apart(joined)


def apart(work):
    """What `work` gives in a thread of its own: a namespace that it makes is left with the thread."""
    told = []

    def body():
        try:
            told.append((work(), None))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            told.append((None, error))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    found, error = told[0]
    if error is not None:
        raise error
    return found
