"""The demo's processes: they end when asked, they end when the demo is killed, and keys do not reach them."""

import os
import select
import signal
import subprocess
import sys

import pytest

from appliance.demo.processes import Process, environment
from appliance.model.errors import OperatorError

pytestmark = pytest.mark.system
SPEAKS = "import sys, time\nprint('ready', flush=True)\nfor line in sys.stdin: print(line.strip()[::-1], flush=True)"
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(60)"
PARENT = """
import sys, time
from appliance.demo.processes import Process
child = Process("child", [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(60)"])
print(child.answer(), end="", flush=True)
time.sleep(60)
"""


def running(code: str) -> Process:
    process = Process("the child", [sys.executable, "-c", code])
    assert process.answer() == "ready\n"
    return process


def test_it_answers_and_ends():
    process = running(SPEAKS)
    assert process.ask("shadow") == "wodahs\n"
    process.end()
    process.end()
    assert process._popen.returncode == -signal.SIGTERM


def test_what_does_not_end_is_killed(monkeypatch):
    monkeypatch.setattr("appliance.demo.processes.END_S", 0.2)
    process = running(DEAF)
    process.end()
    assert process._popen.returncode == -signal.SIGKILL


def test_one_that_ends_by_itself_is_told_with_its_last_words():
    process = running("import sys\nprint('ready', flush=True)\nsys.exit('no such luck')")
    with pytest.raises(OperatorError, match=r"(?s)the child ended unexpectedly.*no such luck"):
        process.ask("noon")
    process.end()


def test_children_end_with_a_parent_that_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    watched = os.pidfd_open(child)
    try:
        parent.kill()
        parent.wait()
        assert select.select([watched], [], [], 30)[0]
    finally:
        os.close(watched)
        parent.stdout.close()


def test_a_leash_whose_parent_has_gone_starts_nothing():
    command = [sys.executable, "-I", "-m", "appliance.demo.leash", "1", sys.executable, "-c", "print('runs')"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the parent has gone" in done.stderr


def test_no_key_and_no_proxy_is_handed_on(monkeypatch):
    for name in ("OPENAI_API_KEY", "https_proxy", "SSL_CERT_FILE", "GITHUB_TOKEN", "PYTHONPATH"):
        monkeypatch.setenv(name, "x")
    handed = environment()
    assert "PATH" in handed
    assert not {"OPENAI_API_KEY", "https_proxy", "SSL_CERT_FILE", "GITHUB_TOKEN", "PYTHONPATH"} & set(handed)
