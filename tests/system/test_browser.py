"""A real browser at a stand-in web chat: no key goes up or comes down, and the page still works."""

import json
import shutil
import subprocess
import threading

import pytest
from sdk_world import Provider

pytestmark = pytest.mark.system
HOST = "chatgpt.com"
KEY = "ghp_" + "a1B2" * 9
# Like the real thing in what matters: the prompt goes up as JSON, the answer comes as a stream that the page reads.
PAGE = f"""<!doctype html><title>chat</title><script>
(async () => {{
  const body = JSON.stringify({{action: "next", model: "auto", conversation_id: "c-1", messages: [{{id: "m-1",
    author: {{role: "user"}}, content: {{content_type: "text", parts: ["my key is {KEY}, is it safe?"]}}}}]}});
  const answer = await fetch("/backend-api/conversation", {{method: "POST", body,
    headers: {{"content-type": "application/json", accept: "text/event-stream"}}}});
  const reader = answer.body.getReader(), decoder = new TextDecoder();
  let raw = "", said = "";
  for (;;) {{
    const {{done, value}} = await reader.read();
    if (done) break;
    raw += decoder.decode(value, {{stream: true}});
  }}
  for (const line of raw.split("\\n")) {{
    const v = line.startsWith("data: {{") ? JSON.parse(line.slice(6)).v : null;
    if (typeof v === "string") said += v;
  }}
  await fetch("/done", {{method: "POST", body: JSON.stringify({{raw, said}})}});
}})().catch(error => fetch("/done", {{method: "POST", body: "failed: " + error}}));
</script>"""
STREAM = (
    'event: delta_encoding\ndata: "v1"\n\n'
    'event: delta\ndata: {"p": "", "o": "add", "v": {"message": {"id": "m-2", "author": {"role": "assistant"}, '
    '"content": {"content_type": "text", "parts": [""]}, "metadata": {"resolved_model_slug": "gpt-5"}}}}\n\n'
    'event: delta\ndata: {"p": "/message/content/parts/0", "o": "append", "v": "Never paste it, "}\n\n'
    'data: {"v": "say I. Take "}\n\n'
    + "".join(f'data: {{"v": "{KEY[at : at + 7]}"}}\n\n' for at in range(0, len(KEY), 7))
    + 'data: {"v": ", or none."}\n\ndata: [DONE]\n\n'
)


class WebChat(Provider):
    """The page, its stream, and what the page made of it."""

    def __init__(self, folder) -> None:
        super().__init__(folder, (HOST,))
        self.finished = threading.Event()

    def answer(self, sock, path, body) -> bool:  # noqa: ARG002 - it is always the same
        if path == "/done":
            self.finished.set()
        kind, data = "text/html", PAGE.encode()
        if path != "/":
            kind, data = "text/event-stream", STREAM.encode() if path == "/backend-api/conversation" else b""
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n"
        sock.sendall(head.encode() + data)
        return True


@pytest.fixture
def chat(tmp_path, appliance_class):
    provider = WebChat(tmp_path / "provider")
    made = appliance_class(tmp_path / "box", provider)
    hosts = f"hosts: {{'{HOST}:443': '127.0.0.1:{provider.port}'}}\n  #"
    made.config.write_text(made.config.read_text().replace("hosts: {", hosts, 1))
    try:
        yield made.up(), provider
    finally:
        made.down()
        provider.stop()


def browse(appliance, folder) -> subprocess.Popen:
    """Chromium in a home of its own, which trusts the appliance's root as an administrator would make it."""
    database = folder / ".pki" / "nssdb"
    database.mkdir(parents=True)
    trust = ["certutil", "-d", f"sql:{database}"]
    subprocess.run([*trust, "-N", "--empty-password"], check=True, capture_output=True)
    added = [*trust, "-A", "-t", "C,,", "-n", "gnomon", "-i", str(appliance.ca)]
    subprocess.run(added, check=True, capture_output=True)
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    flags += [f"--user-data-dir={folder / 'profile'}", f"--proxy-server=http://127.0.0.1:{appliance.proxy}"]
    flags += ["--disable-background-networking", "--disable-component-update"]
    command = ["chromium", *flags, f"https://{HOST}/"]
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.mark.skipif(not (shutil.which("chromium") and shutil.which("certutil")), reason="chromium, libnss3-tools")
def test_no_key_goes_up_or_comes_down_and_the_page_still_works(chat, tmp_path):
    appliance, provider = chat
    browser = browse(appliance, tmp_path / "home")
    try:
        assert provider.finished.wait(60), "the page did not finish"
    finally:
        browser.kill()
        browser.wait()
        browser.stdin.close()
    arrived = {arrival.line: arrival.body for arrival in provider.arrived}
    prompt = arrived["POST /backend-api/conversation"].decode()
    assert KEY not in prompt
    assert "my key is <GITHUB_TOKEN>, is it safe?" in prompt
    page = json.loads(arrived["POST /done"])
    assert page["said"] == "Never paste it, say I. Take <GITHUB_TOKEN>, or none."
    assert KEY not in page["raw"]
    before, _, behind = STREAM.partition(f'"{KEY[:7]}"')
    assert page["raw"].startswith(before)
    assert page["raw"].endswith(behind[behind.index(", or") :])
