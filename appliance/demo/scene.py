"""The scene of the demo: stand-ins, appliance and clients, up in one `with` and gone after it.

Rules: whatever happens in between, every process is ended and the folder removed; the appliance is `gnomon up` as
anybody starts it.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from appliance.demo.console import Console
from appliance.demo.people import Jonas, Maria
from appliance.demo.places import HOSTS, Places, prepare, write_config
from appliance.demo.processes import Process, module
from appliance.demo.recast import recast
from appliance.demo.story import Stage
from appliance.model.errors import OperatorError

_CAPTURES: Final = Path(__file__).resolve().parents[2] / "pcaps"
DEFAULT_CAPTURE: Final = _CAPTURES / "mixed-office.pcap"
_CAPTURED: Final = frozenset({"openai", "deepseek", "deepseek_web", "chatgpt", "claude", "ollama"})


@dataclass(frozen=True)
class Scene:
    """What stands while the story is told."""

    stage: Stage
    appliance: Process


@contextmanager
def scene(capture: Path) -> Iterator[Scene]:
    """Everything up. OperatorError: something could not be started."""
    packets = _moved(capture)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gnomon-demo-")))
        replayed = folder / "captures" / capture.name
        replayed.parent.mkdir()
        replayed.write_bytes(packets)
        places = prepare(folder, replayed, _CAPTURED if capture == DEFAULT_CAPTURE else frozenset())
        write_config(places, {service: _stand_in(stack, places, service) for service in HOSTS})
        appliance = _started(stack, Process("gnomon up", module("appliance.cli", "up", "--json", *_config(places))))
        appliance.answer()
        console = stack.enter_context(Console(places.run_dir))
        maria = Maria(places)
        _started(stack, maria.process)
        yield Scene(Stage(places, console, maria, Jonas(places)), appliance)


def command(places: Places, *words: str) -> list[str]:
    """The command line of a `gnomon` command for this demo's appliance."""
    return module("appliance.cli", *words, *_config(places))


def _config(places: Places) -> tuple[str, str]:
    return "--config", str(places.config)


def _started(stack: ExitStack, process: Process) -> Process:
    stack.callback(process.end)
    return process


def _stand_in(stack: ExitStack, places: Places, service: str) -> int:
    """Start the provider of a service; its port."""
    folder = places.provider(service)
    files = ("--certificate", folder / "server.pem", "--key", folder / "server.key")
    line = module("appliance.standin.provider", "--keep", "--arrivals", folder / "arrivals.jsonl", *files)
    return int(_started(stack, Process(f"the stand-in of {HOSTS[service]}", line)).answer())


def _moved(capture: Path) -> bytes:
    try:
        return recast(capture.read_bytes(), time.time(), str(capture))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise OperatorError(f"{capture}: {why}; name a capture with: gnomon demo --capture FILE") from None
