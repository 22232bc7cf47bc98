"""What the tests of a running appliance share: asking its sockets, talking through it, and a storm of connections."""

import json
import socket
import threading
import time
from contextlib import contextmanager

import duckdb
import httpx
from system.conftest import Appliance
from tests_support import HOST

from appliance.bus.client import BlockingClient
from appliance.bus.control import Status, StatusRequest
from appliance.bus.errors import Unreachable
from appliance.model.decision import Proposal
from appliance.store.wire import Decide, Decided

PATIENCE_S = 30.0
MAIL = "maria.keller@corp-mail.com"
URL = f"https://{HOST}/v1/chat/completions"
GREETING = "Noon is when the shadow is shortest."


@contextmanager
def site_at(folder, provider, second=None, extra="", places=None, **options):
    """A running appliance with a service of its own beside OpenAI: `chat.example.test`, answered by `second`.

    `places`: ports of this machine behind further names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    second = second or provider
    bundle, catalogue = folder / "bundle.pem", folder / "services.yaml"
    bundle.write_bytes(provider.ca.read_bytes() + second.ca.read_bytes())
    catalogue.write_text(
        "services:\n- {id: local, name: Local, owner: Us, category: model_api, domains: [chat.example.test],"
        " dialect: openai.chat}\n"
        "- {id: sketch, name: Sketch, owner: Us, category: image, domains: [sketch.example.test]}\n"
    )
    appliance = Appliance(folder, provider, extra=f"catalogue: {{override: {catalogue}}}\n{extra}", **options)
    text = appliance.config.read_text().replace(f"ca_bundle: {provider.ca}", f"ca_bundle: {bundle}")
    ports = {"chat.example.test:443": second.port, f"{HOST}:8443": provider.port} | (places or {})
    hosts = "".join(f"'{name}': '127.0.0.1:{port}', " for name, port in ports.items())
    appliance.config.write_text(text.replace("hosts: {", f"hosts: {{{hosts}"))
    try:
        yield appliance.up()
    finally:
        appliance.down()


def body(model="stand-in", *, stream=False, text="hello"):
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}


def proxied(appliance, **more) -> httpx.Client:
    more.setdefault("proxy", f"http://127.0.0.1:{appliance.proxy}")
    return httpx.Client(verify=appliance.trust(), timeout=PATIENCE_S, trust_env=False, **more)


def through_gateway(appliance, **more) -> httpx.Client:
    base = f"http://127.0.0.1:{appliance.gateway}"
    return httpx.Client(base_url=base, timeout=PATIENCE_S, trust_env=False, **more)


def eventually(question, wanted=bool):
    """Ask until the answer is as wanted; the last answer. For what has no event to wait for from outside."""
    deadline = time.monotonic() + PATIENCE_S
    while not wanted(found := question()):
        assert time.monotonic() < deadline, f"still {found}"
        time.sleep(0.02)
    return found


def status(appliance) -> Status:
    with BlockingClient(appliance.folder / "run" / "control.sock") as client:
        return client.call("status", StatusRequest(), reply=Status)[0]


def workers(appliance) -> dict[str, int]:
    return {child.name: child.pid for child in status(appliance).children if child.name != "store"}


def settled(appliance, count: int, without=()) -> bool:
    """As many ready workers as asked for, none of them among `without`, and all judge by the current snapshot."""
    try:
        found = status(appliance)
    except Unreachable:
        return False
    pids = [child.pid for child in found.children if child.name != "store" and child.state == "ready"]
    others = len(found.children) - 1 - len(pids)
    store = any(child.name == "store" and child.state == "ready" for child in found.children)
    return store and not others and len(pids) == count == found.applied and not set(pids) & set(without)


def decide(appliance, decision, version=None, **proposal) -> Decided:
    """A decision over analyst.sock, by this user; `version`: the snapshot that was looked at."""
    version = version or status(appliance).policy_version
    request = Decide(proposal=Proposal(decision=decision, **proposal), expected_version=version)
    with BlockingClient(appliance.folder / "run" / "analyst.sock") as client:
        return client.call("decide", request, reply=Decided)[0]


def applied(appliance, version) -> None:
    """Wait until every worker judges by snapshot `version`."""
    eventually(lambda: status(appliance), lambda now: now.policy_version == version and now.applied == now.workers)


def recorded(appliance, count: int, since: float, **request) -> tuple[dict, dict]:
    """Open and close record of the newest of `count` exchanges since `since`, once the store has all of them."""
    rows = eventually(
        lambda: appliance.ask_store("exchanges", since=since, **request),
        lambda rows: len(rows) == count and rows[0]["outcome"],
    )
    return record(appliance, rows[0]["exchange"], "open"), record(appliance, rows[0]["exchange"], "close")


def record(appliance, exchange, kind) -> dict:
    return next(
        row["body"]["event"] for row in appliance.ask_store("exchange", exchange=exchange) if row["kind"] == kind
    )


def closes_at_rest(appliance) -> list[dict]:
    """Every close record of an appliance that is down, oldest first."""
    with duckdb.connect(str(appliance.folder / "state/store/gnomon.duckdb"), read_only=True) as file:
        return [
            json.loads(row[0])["event"] for row in file.execute("SELECT body FROM exchange_close ORDER BY n").fetchall()
        ]


class Storm:
    """Connections one after the other to both doors, each with one request; what failed is kept."""

    def __init__(self, appliance) -> None:
        self.served, self.failed = 0, []
        self._appliance = appliance
        self._over = threading.Event()

    def gateway(self) -> None:
        head = b"GET /healthz HTTP/1.1\r\nHost: gnomon\r\nConnection: close\r\n\r\n"
        while not self._over.is_set():
            self._one(self._appliance.gateway, head)

    def proxy(self) -> None:
        head = f"CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n".encode()
        while not self._over.is_set():
            self._one(self._appliance.proxy, head)

    def _one(self, port: int, head: bytes) -> None:
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
                client.sendall(head)
                answer = client.recv(65536)
        except OSError as error:
            self.failed.append(repr(error))
            return
        if not answer.startswith(b"HTTP/1.1 200 "):
            self.failed.append(answer)
        self.served += 1

    @contextmanager
    def blowing(self):
        threads = [threading.Thread(target=door) for door in (self.gateway, self.proxy)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join(PATIENCE_S)
