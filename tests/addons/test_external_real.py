"""The same against a real ICAP server, Debian's c-icap with its own services.

Packages: c-icap, libc-icap-mod-urlcheck.
"""

import asyncio
import contextlib
import shutil
import socket
from pathlib import Path

import pytest
from tests_support import HOST
from worker_world import worker_at

from addons.external import FAILED, FOUND, WHOLE
from appliance.config.schema import IcapConfig, InspectConfig, PolicyConfig
from appliance.model.names import Stage

MODULES = next(Path("/usr/lib").glob("*/c_icap"), Path("/usr/lib/c_icap"))
MAGIC, TEMPLATES = Path("/etc/c-icap/c-icap.magic"), Path("/usr/share/c_icap/templates")
PROGRAM = shutil.which("c-icap", path="/usr/bin:/usr/sbin:/usr/local/bin")
pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(
        PROGRAM is None or not (MODULES / "srv_url_check.so").exists(), reason="c-icap is not installed"
    ),
]
URL = f"https://{HOST}/v1/chat/completions"
POLICY = """
rules:
  - id: external
    match: {ai: true, labels: {entities: [EXTERNAL_DLP]}}
    then: {disposition: block}
"""


@contextlib.asynccontextmanager
async def c_icap(folder: Path, denied: str):
    """A real server; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "denied.txt").write_text(f"{denied}: x\n")
    (folder / "c-icap.conf").write_text(f"""
PidFile {folder}/pid
CommandsSocket {folder}/ctl
Timeout 20
StartServers 1
MaxServers 2
MinSpareThreads 2
MaxSpareThreads 4
ThreadsPerChild 4
Port 127.0.0.1:{port}
TmpDir {folder}
ModulesDir {MODULES}
ServicesDir {MODULES}
TemplateDir {TEMPLATES}
LoadMagicFile {MAGIC}
ServerLog {folder}/server.log
AccessLog {folder}/access.log
Service echo srv_echo.so
Service ex206 srv_ex206.so
Service url_check_module srv_url_check.so
url_check.LookupTableDB denied host hash:{folder}/denied.txt "Denied"
url_check.Profile default block denied
url_check.Profile default pass ALL
""")
    assert PROGRAM
    told = folder / "out.txt"
    with told.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            PROGRAM, "-N", "-f", str(folder / "c-icap.conf"), stdout=out, stderr=out
        )
    try:
        async with asyncio.timeout(20):
            while process.returncode is None:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.02)
        assert process.returncode is None, told.read_text()
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def ask(tmp_path, provider, address, sizes, *, deadline_s=10.0, on_failure="close"):
    (tmp_path / "policy.yaml").write_text(POLICY)
    icap = IcapConfig(address=address, deadline_s=deadline_s, on_failure=on_failure)
    policy = PolicyConfig(file=str(tmp_path / "policy.yaml"))
    answers = []
    async with (
        worker_at(tmp_path, provider, Stage.ENFORCE, policy=policy, inspect=InspectConfig(icap=icap)) as worker,
        worker.client() as client,
    ):
        for size in sizes:
            words = "the plan " * (size // 9 + 1)
            body = {"model": "stand-in-echo", "messages": [{"role": "user", "content": words}]}
            answers.append((await client.post(URL, json=body)).status_code)
    labels = [{label["entity"] for label in event["facts"].get("labels", ())} for event in worker.events("open")]
    return answers, labels


SIZES = (10, WHOLE + 10, 300_000)
"""In one piece, with a preview, and with much behind the preview."""


@pytest.mark.parametrize("service", ["echo", "ex206"])
async def test_what_comes_back_untouched_is_clean(provider, tmp_path, service):
    async with c_icap(tmp_path, "denied.example") as port:
        answers, labels = await ask(tmp_path, provider, f"icap://127.0.0.1:{port}/{service}", SIZES)
        asked = (tmp_path / "access.log").read_text()
    assert answers == [200] * 3
    assert not any(one & {FOUND, FAILED} for one in labels)
    assert asked.count("REQMOD") == 3
    assert asked.count("OPTIONS") == 1, "asked once, for the preview"


async def test_what_is_refused_is_found(provider, tmp_path):
    async with c_icap(tmp_path, HOST) as port:
        answers, labels = await ask(tmp_path, provider, f"icap://127.0.0.1:{port}/url_check", SIZES)
    assert answers == [403] * 3
    assert all(FOUND in one for one in labels)


async def test_what_is_not_refused_goes_on(provider, tmp_path):
    async with c_icap(tmp_path, "denied.example") as port:
        answers, labels = await ask(tmp_path, provider, f"icap://127.0.0.1:{port}/url_check", SIZES)
    assert answers == [200] * 3
    assert not any(one & {FOUND, FAILED} for one in labels)


@pytest.mark.parametrize(("on_failure", "status"), [("close", 503), ("pass", 200)])
async def test_a_service_that_is_not_there_fails(provider, tmp_path, on_failure, status):
    async with c_icap(tmp_path, "denied.example") as port:
        address = f"icap://127.0.0.1:{port}/nosuch"
        answers, labels = await ask(tmp_path, provider, address, SIZES, on_failure=on_failure)
    assert answers == [status] * 3
    assert all(FAILED in one for one in labels)
