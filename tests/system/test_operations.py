"""The running appliance is changed, upgraded, stopped: nobody is refused, nothing lost, bad input changes nothing."""

import json
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from system.conftest import CLEAN, GNOMON, Appliance, running
from system.operations_world import (
    GREETING,
    MAIL,
    URL,
    Storm,
    body,
    closes_at_rest,
    eventually,
    proxied,
    settled,
    site_at,
    status,
    through_gateway,
    workers,
)
from tests_support import ROOT, Provider

from appliance.bus.client import BlockingClient
from appliance.journal.record import encode_line, genesis
from appliance.model.event import Notice
from appliance.store.wire import Append, Appended

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def site(provider, tmp_path_factory):
    with running(tmp_path_factory.mktemp("site"), provider, stage="observe", workers=2) as started:
        eventually(lambda: settled(started, 2))
        yield started


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The provider that a reload turns to."""
    stand_in = Provider(tmp_path_factory.mktemp("other"))
    yield stand_in
    stand_in.stop()


def test_status_tells_people_and_programs(site):
    told = site.status()
    assert (told["phase"], told["stage"], told["workers"], told["applied"]) == ("up", "observe", 2, 2)
    assert sorted(child["name"] for child in told["children"]) == ["store", "w0", "w1"]
    text = site.run("status").stdout.decode()
    assert "applied on 2/2" in text
    assert f"proxy 127.0.0.1:{site.proxy}" in text


def test_status_of_nothing_is_exit_1(tmp_path):
    config = tmp_path / "gnomon.yaml"
    config.write_text(f"state_dir: {tmp_path}/state\n")
    done = subprocess.run(
        [*GNOMON, "status", "--json", "--config", config], capture_output=True, cwd=ROOT, env=CLEAN, check=False
    )
    assert done.returncode == 1
    assert json.loads(done.stdout) == {"phase": "down"}


def test_the_stage_changes_everywhere_at_once_and_is_recorded(site, provider):
    before = workers(site)
    for stage, arrives in (("enforce", False), ("observe", True)):
        told = site.run("stage", stage).stdout.decode()
        assert "applied on 2/2" in told
        seen = len(provider.arrivals())
        for _ in range(6):  # new connections: either worker may serve each
            with proxied(site) as client:
                assert client.post(URL, json=body(text=f"write to {MAIL}")).status_code == 200
        bodies = [arrival["body"] for arrival in provider.arrivals()[seen:]]
        assert len(bodies) == 6
        assert all((MAIL in text) is arrives for text in bodies)
    assert workers(site) == before
    assert site.status()["stage"] == "observe"
    version = site.status()["policy_version"]
    for number, stage in ((version - 1, "enforce"), (version, "observe")):
        words = f"snapshot {number}, stage {stage}"
        notices = eventually(
            lambda words=words: [
                notice["worker"]
                for notice in site.ask_store("notices", note="policy_applied")
                if notice["detail"].startswith(words)
            ],
            lambda told: len(told) == 2,
        )
        assert set(notices) == {"w0", "w1"}


def test_a_broken_configuration_changes_nothing(site):
    before, config = workers(site), site.config.read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        faults = {
            config + "workrs: 3\n": b"gnomon.yaml:",
            config + "state_dir: /elsewhere\n": b"gnomon.yaml:",
            config.replace(f"127.0.0.1:{site.proxy}", f"127.0.0.1:{port}"): b"in use",
            config + "gateway: {routes: {openai: {service: nobody, target: 'https://api.openai.com'}}}\n": b"catalogue",
        }
        for text, words in faults.items():
            site.config.write_text(text)
            done = site.run("reload", check=False)
            assert done.returncode == 2
            assert words in done.stderr, done.stderr
            assert b"Traceback" not in done.stderr
    site.config.write_text(config)
    assert workers(site) == before
    assert settled(site, 2)
    with through_gateway(site) as client:
        assert client.post("/v1/chat/completions", json=body()).status_code == 200


def test_reload_takes_the_new_configuration_and_refuses_nobody(site, other):
    config = site.config.read_text().replace(f"127.0.0.1:{site.provider.port}", f"127.0.0.1:{other.port}")
    config = config.replace(str(site.provider.ca), str(other.ca)).replace("workers: 2", "workers: 1")
    old_news(site, "two-months", "a-week")
    pids = workers(site).values()
    with Storm(site).blowing() as storm:
        site.config.write_text(config + "store: {retention: {notices: 30}}\n")
        site.run("reload")
        eventually(lambda: settled(site, 1, without=pids))
        enough = storm.served + 20
        eventually(lambda: storm.served, lambda served: served >= enough)
    assert storm.failed == []
    with proxied(site) as client:
        assert client.post(URL, json=body()).status_code == 200
    assert len(other.arrivals()) == 1
    notes = eventually(
        lambda: {row["note"] for row in site.ask_store("notices")}, lambda found: "two-months" not in found
    )
    assert "a-week" in notes


def old_news(site, *notes) -> None:
    """Two notices in the store, 60 and 7 days old: the first is past the age that the reload asks for."""
    mark, lines = genesis("test", 1), b""
    for note, days in zip(notes, (60, 7), strict=True):
        line, mark = encode_line(mark, Notice(time.time() - days * 86_400, "test", "info", note), {})
        lines += line
    with BlockingClient(site.folder / "run" / "ingest.sock") as client:
        head = Append(producer="test", epoch=1, first_seq=1, last_seq=2, oldest=1)
        assert client.call("append", head, lines, reply=Appended)[0] == Appended(2)
    assert set(notes) <= {row["note"] for row in site.ask_store("notices")}


def test_an_upgrade_keeps_process_and_listeners(site):
    pid, pids = status(site).pid, workers(site).values()
    with Storm(site).blowing() as storm:
        site.run("reload", "--upgrade")
        told = json.loads(site.run("status", "--json", check=False).stdout)  # at once, while its socket is away
        assert told.get("pid") == pid, told
        eventually(lambda: settled(site, 1, without=pids))
    assert storm.failed == []
    assert storm.served
    assert status(site).pid == pid == site.process.pid
    with through_gateway(site) as client:
        assert client.get("/healthz").status_code == 200


class Held:
    """A stream whose provider sent one event and waits."""

    def __init__(self, appliance, route="openai") -> None:
        self._client = through_gateway(appliance)
        path = f"/{route}/v1/chat/completions"
        request = self._client.build_request("POST", path, json=body("stand-in-hold", stream=True))
        self._answer = self._client.send(request, stream=True)
        self._lines = self._answer.iter_lines()
        self.first = next(self._lines)

    def rest(self) -> list[str]:
        lines = [line for line in self._lines if line]
        self._answer.close()
        self._client.close()
        return lines

    def ends_in_words(self) -> None:
        """The stream was ended by the appliance, in the dialect's own form."""
        assert '"Noon "' in self.first
        error, done = self.rest()
        assert done == "data: [DONE]"
        assert json.loads(error.removeprefix("data: "))["error"]["code"] == "drain"

    def ends_whole(self) -> None:
        """Every word came."""
        *events, done = [line for line in (self.first, *self.rest()) if line]
        assert done == "data: [DONE]"
        deltas = (json.loads(event.removeprefix("data: "))["choices"][0]["delta"] for event in events)
        assert "".join(delta.get("content", "") for delta in deltas) == GREETING


TWO_ROUTES = """gateway:
  routes:
    openai: {service: openai, target: 'https://api.openai.com'}
    local: {service: local, target: 'https://chat.example.test'}
"""


def test_down_lets_streams_finish_and_ends_the_rest_in_their_own_form(tmp_path, provider):
    prompt = Provider(tmp_path / "provider")
    try:
        with site_at(tmp_path / "site", provider, second=prompt, extra=TWO_ROUTES) as appliance:
            late, in_time = Held(appliance), Held(appliance, "local")
            command = threading.Thread(target=appliance.run, args=("down",))
            command.start()
            eventually(lambda: status(appliance).phase, lambda phase: phase == "draining")
            prompt.process.send_signal(signal.SIGUSR1)
            in_time.ends_whole()
            late.ends_in_words()
            command.join()
            assert appliance.process.wait(30) == 0
            closes = closes_at_rest(appliance)
        assert [close["outcome"] for close in closes] == ["completed", "drained"]
        assert closes[1]["status"] == 200
    finally:
        prompt.stop()


def test_a_signal_drains_as_the_command_does(site):
    held = Held(site)
    site.process.send_signal(signal.SIGTERM)
    held.ends_in_words()
    assert site.process.wait(30) == 0
    assert [close["outcome"] for close in closes_at_rest(site)].count("drained") == 1


def test_a_killed_supervisor_leaves_nobody_behind(tmp_path, provider):
    appliance = Appliance(tmp_path, provider)
    appliance.up()
    pids = [child.pid for child in status(appliance).children]
    try:
        appliance.process.kill()
        appliance.process.wait()
        eventually(lambda: [pid for pid in pids if alive(pid)], lambda left: not left)
    finally:
        appliance.down()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
