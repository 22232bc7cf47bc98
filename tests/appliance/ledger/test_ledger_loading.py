"""Modules of the ledger are loaded by threads at once: the supervisor does so when it starts."""

import subprocess
import sys

AT_ONCE = """
import importlib, sys, threading
import asyncio, collections.abc, msgspec  # Python 3.13.0 itself does not load these by threads at once
names = [f"appliance.ledger.{name}" for name in ("rebuild", "ledger", "budgets", "standing", "prices")]
barrier, faults = threading.Barrier(len(names)), []
def load(name):
    barrier.wait()
    try:
        importlib.import_module(name)
    except Exception as error:
        faults.append(f"{name}: {error}")
sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=load, args=(name,)) for name in names]
for each in threads:
    each.start()
for each in threads:
    each.join()
sys.exit(", ".join(faults) or 0)
"""


def test_threads_may_load_its_modules_at_once():
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
