"""`gnomon credential`: keys come from stdin or an unseen prompt, and are never shown."""

import io
import json
import os
import pty
import select
import subprocess
import sys
from types import SimpleNamespace

import pytest

from appliance import cli
from appliance.config.site_key import load_site_key

SECRET = "sk-of-the-company"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "gnomon.yaml"
    path.write_text(
        f"state_dir: {tmp_path}/state\n"
        "gateway: {routes: {openai: {service: openai, target: 'https://api.openai.com', credential: 'held:team'}}}\n"
    )
    return path


@pytest.fixture
def gnomon(config, monkeypatch, capsys):
    def run(*words, stdin=b""):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: False, buffer=io.BytesIO(stdin)))
        code = cli.main(["credential", *words, "--config", str(config)])
        told = capsys.readouterr()
        assert SECRET not in told.out + told.err
        return code, told.out, told.err

    return run


def test_set_list_remove(gnomon, config, tmp_path):
    assert gnomon("list")[0] == 1
    code, out, err = gnomon("set", "team", stdin=SECRET.encode() + b"\n")
    assert (code, out) == (0, f"{tmp_path}/state/credentials/team written\n")
    assert "within a second" in err
    assert SECRET.encode() not in (tmp_path / "state/credentials/team").read_bytes()
    load_site_key(tmp_path / "state")
    code, out, _ = gnomon("list", "--json")
    (entry,) = json.loads(out)
    assert (code, entry["name"], entry["place"], entry["fault"]) == (0, "team", "file", "")
    assert entry["fingerprint"].startswith("k_")
    (tmp_path / "state/credentials/team").chmod(0o644)
    code, _, err = gnomon("list")
    assert (code, "chmod 600" in err) == (1, True)
    assert gnomon("remove", "team")[0] == 0
    assert gnomon("remove", "team")[0] == 1


@pytest.mark.parametrize("stdin", [b"", b"sk of the company", b"a\nb\n", b"x" * 9000])
def test_what_is_no_key_is_refused(gnomon, tmp_path, stdin):
    code, out, err = gnomon("set", "team", stdin=stdin)
    assert (code, out) == (2, "")
    assert "nothing was written" in err
    assert not (tmp_path / "state/credentials/team").exists()


def test_a_key_given_as_a_name_is_not_repeated(gnomon):
    code, _, err = gnomon("set", "SK-OF-THE-COMPANY", stdin=b"x")
    assert code == 2
    assert "SK-OF" not in err


def test_on_a_terminal_it_is_asked_for_unseen(config, tmp_path):
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "appliance.cli", "credential", "set", "team", "--config", str(config)]
    process = subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True, close_fds=True
    )
    os.close(follower)
    shown = b""
    while b"not shown" not in shown:
        assert select.select([leader], [], [], 20)[0], shown
        shown += os.read(leader, 4096)
    os.write(leader, SECRET.encode() + b"\n")
    while chunk := _rest(leader):
        shown += chunk
    assert process.wait(20) == 0
    os.close(leader)
    assert SECRET.encode() not in shown
    assert (tmp_path / "state/credentials/team").stat().st_size > len(SECRET)


def _rest(leader: int) -> bytes:
    try:
        return os.read(leader, 4096)
    except OSError:  # the other side has closed
        return b""
