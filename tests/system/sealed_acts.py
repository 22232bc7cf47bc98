"""What is done in the room without a way out; each act gets a folder and answers with what the test then asserts."""

import contextlib
import json
import os
import socket
import subprocess
from pathlib import Path

import httpx
import openai
from system.conftest import CLEAN, GNOMON, Appliance, running
from tests_support import HOST, ROOT, Provider

MAIL = "maria.keller@corp-mail.co.uk"
TEXTS = (
    f"see https://docs.example.co.uk/a?b=c and write to {MAIL}",
    "call +44 20 7946 0958 from 10.1.2.3",
    "plain words",
)
CHAT = {
    "model": "stand-in",
    "messages": [{"role": "user", "content": f"Write to {MAIL}, see https://a.example.museum"}],
}
INNER = ("10.0.0.1:443", "169.254.169.254:80", "[fd00::1]:443", "[fe80::1]:443")
# Names and addresses outside (RFC 2606, 5737, 3849) and one AI service whose name is not mapped to the stand-in.
OUTSIDE4, OUTSIDE6, OUTSIDE_NAME, UNMAPPED = "198.51.100.7", "2001:db8:1::7", "canary.example", "api.anthropic.com"


@contextlib.contextmanager
def appliance_in(folder: Path, extra: str = ""):
    """A running appliance and its stand-in provider."""
    provider = Provider(folder / "provider")
    try:
        with running(folder / "appliance", provider, extra=extra) as appliance:
            yield appliance, provider
    finally:
        provider.stop()


def everything(folder: Path) -> dict:
    """The whole appliance at work, and every command that a person or script would use beside it."""
    with appliance_in(folder) as (appliance, provider):
        told = {"proxy": ask(appliance, f"http://127.0.0.1:{appliance.proxy}")}
        told["gateway"] = ask(appliance, None)
        told["refused"] = [tunnel_to(appliance, place) for place in INNER]
        told["arrived"] = len(provider.arrivals())
        told["leaked"] = sum(MAIL in arrival["body"] for arrival in provider.arrivals())
        told["commands"] = {
            " ".join(words): appliance.run(*words, check=False).returncode for words in commands(folder)
        }
        told["status"] = appliance.status()["phase"]
        told["scan"] = scan(appliance)
    return told


def commands(folder: Path) -> tuple[tuple[str, ...], ...]:
    """What is run beside the running appliance; the folder is only for files of one's own."""
    rules = folder / "policy.yaml"
    rules.write_text(
        "rules: [{id: a, layer: organisation, match: {services: [openai]}, then: {disposition: observe}}]\n"
    )
    explain = ("policy", "explain", HOST, "--entity", "EMAIL_ADDRESS")
    return (("policy", "check", str(rules)), explain, ("ca", "status"), ("journal", "verify"), ("stage", "observe"))


def ask(appliance: Appliance, proxy: str | None) -> list[str]:
    """A plain answer, a stream, and a body that no dialect knows."""
    trust = appliance.trust() if proxy else True
    base = None if proxy else f"http://127.0.0.1:{appliance.gateway}/v1"
    with httpx.Client(proxy=proxy, verify=trust, trust_env=False, timeout=30) as plain:
        client = openai.OpenAI(api_key="sk-test", base_url=base, http_client=plain, max_retries=0)
        whole = client.chat.completions.create(**CHAT).choices[0].message.content
        chunks = client.chat.completions.create(**CHAT, stream=True)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        other = plain.post(f"{base or f'https://{HOST}/v1'}/other", json={"input": MAIL})
    return [whole, streamed, str(other.status_code)]


def tunnel_to(appliance: Appliance, place: str) -> str:
    """Ask for something at an inner address; the answer's status, or `closed`."""
    with socket.create_connection(("127.0.0.1", appliance.proxy), timeout=30) as client:
        client.sendall(f"GET http://{place}/ HTTP/1.1\r\nhost: {place}\r\n\r\n".encode())
        return client.recv(65_536)[9:12].decode() or "closed"


def scan(appliance: Appliance) -> list[str]:
    """`gnomon scan` over a few texts."""
    lines = "".join(json.dumps({"id": str(number), "text": text}) + "\n" for number, text in enumerate(TEXTS))
    command = [*GNOMON, "scan", "--format", "jsonl", "--config", str(appliance.config)]
    done = subprocess.run(
        command, input=lines.encode(), capture_output=True, cwd=ROOT, env=CLEAN, timeout=60, check=True
    )
    return [json.loads(line)["verdict"] for line in done.stdout.splitlines()]


def attempts(folder: Path) -> dict:
    """Every kind of attempt that the wire must hear, at last one of the appliance's own worker."""
    with contextlib.suppress(OSError):
        socket.getaddrinfo(OUTSIDE_NAME, 443)
    for family, kind, address in (
        (socket.AF_INET, socket.SOCK_STREAM, OUTSIDE4),
        (socket.AF_INET6, socket.SOCK_STREAM, OUTSIDE6),
        (socket.AF_INET6, socket.SOCK_DGRAM, OUTSIDE6),
    ):
        with socket.socket(family, kind) as sender:
            sender.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sender.connect((address, 443))
            if kind == socket.SOCK_DGRAM:
                sender.send(b"x")
    with appliance_in(folder, extra="  connect_timeout_s: 1\n") as (appliance, _):
        response = httpx.post(
            f"https://{UNMAPPED}/v1/messages",
            json={"model": "m"},
            proxy=f"http://127.0.0.1:{appliance.proxy}",
            verify=appliance.trust(),
            timeout=60,
        )
    return {"answer": response.status_code, "user": os.geteuid()}
