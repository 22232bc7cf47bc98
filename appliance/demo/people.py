"""The people of the demo and what they run: Maria's program with the `openai` SDK, Jonas with curl.

Rules: each calls from an address of their own and trusts the appliance's root only; curl is given everything it needs
on its standard input, so that no key stands in the process list.
"""

import json
import shutil
import subprocess
from importlib.util import find_spec
from typing import Final

import msgspec

from appliance.demo.places import HOSTS, JONAS, Places
from appliance.demo.processes import Process, environment, module
from appliance.model.errors import OperatorError

CLIENT_KEY: Final = "sk-of-the-client"
_CURL_S: Final = 20
_TOLD: Final = "\n%{http_code}\t%{content_type}\t%header{x-gnomon-route}"
_BROWSER: Final = (
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
)


class Told(msgspec.Struct, frozen=True):
    """What a client got. `status` 0: no answer."""

    status: int
    text: str
    route: str | None
    error: str | None = None
    pieces: int = 1
    content_type: str = ""


def check_programs() -> None:
    """OperatorError: what the demo's people run is not installed."""
    if find_spec("openai") is None or find_spec("httpx") is None:
        raise OperatorError("gnomon demo drives the openai SDK, which is not installed; run: pip install openai")
    if shutil.which("curl") is None:
        raise OperatorError("gnomon demo drives curl, which is not installed; install the package curl")


class Maria:
    """A program with the SDK that keeps running."""

    def __init__(self, places: Places) -> None:
        command = module("appliance.demo.sdk_client", places.proxy_url, places.root)
        self.process = Process("the openai SDK's program", command)

    def chat(self, service: str, text: str, *, stream: bool = False) -> Told:
        """A chat completion from a service."""
        asked = {"base_url": f"https://{HOSTS[service]}/v1", "key": CLIENT_KEY, "text": text, "stream": stream}
        return msgspec.json.decode(self.process.ask(json.dumps(asked)), type=Told)


class Jonas:
    """Somebody at a command line and in a browser."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def chat(self, service: str, text: str) -> Told:
        """A chat completion through the proxy."""
        return self._post(f"https://{HOSTS[service]}/v1/chat/completions", text, proxy=True)

    def by_gateway(self, route: str, text: str) -> Told:
        """A chat completion from a gateway route."""
        return self._post(f"http://127.0.0.1:{self._places.gateway}/{route}/v1/chat/completions", text, proxy=False)

    def browse(self, url: str) -> Told:
        """A page, asked for as a browser does."""
        return self._curl(url, [f"{name}: {value}" for name, value in _BROWSER], None, proxy=True)

    def _post(self, url: str, text: str, *, proxy: bool) -> Told:
        body = json.dumps({"model": "stand-in", "messages": [{"role": "user", "content": text}]})
        return self._curl(
            url, ["content-type: application/json", f"authorization: Bearer {CLIENT_KEY}"], body, proxy=proxy
        )

    def _curl(self, url: str, headers: list[str], body: str | None, *, proxy: bool) -> Told:
        options = [("url", url), ("interface", JONAS), ("cacert", str(self._places.root)), ("noproxy", "")]
        options += [("header", header) for header in headers]
        options += [("proxy", self._places.proxy_url)] if proxy else []
        options += [("data", body)] if body is not None else []
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in options]
        command = ["curl", "-q", "-sS", "--max-time", str(_CURL_S), "--config", "-", "-w", _TOLD]
        done = subprocess.run(  # noqa: S603 - a command line of ours, no shell
            command, input="\n".join(lines), capture_output=True, text=True, env=environment(), check=False
        )
        text, _, told = done.stdout.rpartition("\n")
        status, content_type, route = told.split("\t")
        return Told(int(status), text, route or None, done.stderr.strip() or None, content_type=content_type)
