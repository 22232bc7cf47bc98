"""Other gateways beside ours: LiteLLM's proxy and Portkey's gateway, each alone on the core that our worker has.

Owns: how each is started and asked. Rules: pinned releases without a published advisory, in environments of their own
(tests/eval/gateways), which hold their packages by hash; they get the bodies, the load and the TLS provider that ours
gets; what of them would slow them down is switched off; what one cannot do is told where its figures are explained
(page.py); a peer that is not installed is an OperatorError, never left out in silence.
"""

import http.client
import os
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.bench.box import PROXY_CORE, Certificates, free_port, process
from appliance.model.errors import OperatorError

_ROOT = Path(__file__).parents[2]
ENVIRONMENTS = _ROOT / ".cache" / "gateways"
SOURCES = _ROOT / "tests" / "eval" / "gateways"
READY_S = 120.0  # LiteLLM imports for some ten seconds of a quiet core
PATH = "/v1/chat/completions"
ASKED = b'{"model": "stand-in", "messages": [{"role": "user", "content": "ready?"}]}'
OK = 200
# None has a guard on, but for `litellm_guarded`: LiteLLM with its own filter of personal data and keys.
NAMES = ("litellm", "litellm_guarded", "portkey")
_CONFIG = """\
model_list:
  - model_name: stand-in
    litellm_params: {{model: openai/stand-in, api_base: '{base}', api_key: sk-bench}}
litellm_settings: {{ssl_verify: '{ca}', telemetry: false, set_verbose: false, turn_off_message_logging: true}}
general_settings: {{master_key: sk-bench, disable_spend_logs: true}}
"""
_GUARD = """\
guardrails:
  - guardrail_name: personal-data
    litellm_params:
      guardrail: litellm_content_filter
      mode: pre_call
      default_on: true
      patterns:
        - {pattern_type: prebuilt, pattern_name: email, action: MASK}
        - {pattern_type: prebuilt, pattern_name: us_ssn, action: MASK}
        - {pattern_type: prebuilt, pattern_name: visa, action: MASK}
        - {pattern_type: prebuilt, pattern_name: aws_access_key, action: MASK}
"""


@dataclass(frozen=True)
class Peer:
    """One that runs. `tls`: what clients trust of it; None: it speaks no TLS to them. `headers`: of each request."""

    name: str
    port: int
    pid: int
    tls: Path | None
    headers: tuple[str, ...] = ()


@contextmanager
def peer(name: str, folder: Path, provider: int, made: Certificates) -> Iterator[Peer]:
    """One of `NAMES`, ready. OperatorError: it is not installed, or does not answer."""
    starts: Mapping[str, Callable[..., Peer]] = {"portkey": _portkey}
    with ExitStack() as stack:
        running = starts.get(name, _litellm)(name, folder, provider, made, stack)
        _await_answer(running)
        yield running


def installed() -> None:
    """OperatorError: with what to do, where one is not."""
    for place in (_litellm_program(), _portkey_program()):
        if not place.is_file():
            raise OperatorError(f"{place}: a gateway to compare with is not installed: run `make gateways`")


def _litellm_program() -> Path:
    return ENVIRONMENTS / "litellm" / "bin" / "litellm"


def _portkey_program() -> Path:
    return ENVIRONMENTS / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"


def _litellm(name: str, folder: Path, provider: int, made: Certificates, stack: ExitStack) -> Peer:
    port, config = free_port(), folder / f"{name}.yaml"
    told = _CONFIG.format(base=f"https://127.0.0.1:{provider}/v1", ca=made.ca)
    config.write_text(told + (_GUARD if name == "litellm_guarded" else ""))
    command = [str(_litellm_program()), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--num_workers", "1", "--telemetry", "False"]
    command += ["--ssl_certfile_path", str(made.certificate), "--ssl_keyfile_path", str(made.key)]
    # Its price list from the package instead of the network, and no reading of files that lie about.
    more = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MODE": "PRODUCTION", "LITELLM_LOG": "ERROR"}
    running = stack.enter_context(process(command, PROXY_CORE, _environment(folder, more)))
    return Peer(name, port, running.pid, made.ca)


def _portkey(name: str, folder: Path, provider: int, made: Certificates, stack: ExitStack) -> Peer:
    port = free_port()
    command = ["node", "--require", str(SOURCES / "portkey" / "loopback.cjs"), str(_portkey_program())]
    command += [f"--port={port}", "--headless"]
    more = {"NODE_ENV": "production", "NODE_EXTRA_CA_CERTS": str(made.ca)}
    running = stack.enter_context(process(command, PROXY_CORE, _environment(folder, more)))
    told = ("x-portkey-provider: openai", f"x-portkey-custom-host: https://127.0.0.1:{provider}/v1")
    return Peer(name, port, running.pid, None, told)


def _environment(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours but where programs lie: no key and no setting reaches a peer."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), **more}


def _await_answer(running: Peer) -> None:
    """Ask until it answers."""
    deadline, said = time.monotonic() + READY_S, "nothing"
    while time.monotonic() < deadline:
        try:
            status = _asked(running)
        except OSError as error:
            said = type(error).__name__
        except http.client.HTTPException as error:
            said = type(error).__name__
        else:
            if status == OK:
                return
            said = str(status)
        time.sleep(0.2)
    raise OperatorError(f"{running.name} does not answer within {READY_S:.0f} s: the last thing was {said}")


def _asked(running: Peer) -> int:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer sk-bench"}
    headers |= {name: value.strip() for name, _, value in (line.partition(":") for line in running.headers)}
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    if running.tls is not None:
        context = ssl.create_default_context(cafile=str(running.tls))
        connection = http.client.HTTPSConnection("127.0.0.1", running.port, timeout=10, context=context)
    try:
        connection.request("POST", PATH, ASKED, headers)
        return connection.getresponse().status
    finally:
        connection.close()
