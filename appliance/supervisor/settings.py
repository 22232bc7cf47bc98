"""What one run of the supervisor is given: how to load the configuration, which programs to start, what to check.

Rules: a child's command line names folders and descriptors, never a secret; `-I` keeps the caller's environment and
working folder out of the child's imports.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appliance.supervisor.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from appliance.config.schema import Config
    from appliance.model.names import Stage
    from appliance.supervisor.sensors import Source
    from appliance.supervisor.supervisor import Supervisor


@dataclass(frozen=True)
class Programs:
    """The command lines of the children; descriptors are inherited under the same numbers."""

    def store(self, config: Config) -> list[str]:
        """The store, or what stands in for it where records are shipped."""
        module = "appliance.peers" if config.ships_records else "appliance.store"
        return [sys.executable, "-I", "-m", module, "--run-dir", config.run_dir]

    def worker(self, config: Config, name: str, fds: Mapping[str, int]) -> list[str]:
        """A proxy worker. `fds`: descriptors of the listeners.

        `-O`: a quarter of mitmproxy's time goes to assertions and type checks of its own records.
        """
        argv = [sys.executable, "-I", "-O", "-m", "addons.launch", "--run-dir", config.run_dir, "--worker", name]
        return [*argv, *(word for listener, fd in fds.items() for word in (f"--{listener}-fd", str(fd)))]

    def sensor(self, config: Config, name: str, source: Source, listeners: Mapping[str, str]) -> list[str]:
        """A sensor. `listeners`: name to address and port, as they are bound."""
        argv = [sys.executable, "-I", "-O", "-m", "discovery.launch", "--run-dir", config.run_dir, "--name", name]
        places = [word for listener, place in listeners.items() for word in ("--listener", f"{listener}={place}")]
        return [*argv, f"--{source.kind}={source.name}", *places]


@dataclass(frozen=True)
class Settings:
    """What `gnomon up` was asked. `load` reads the configuration, flags applied, each time anew."""

    load: Callable[[], Config]
    stage: Stage | None = None
    announce: Callable[[Supervisor], None] = lambda _: None
    programs: Programs = field(default_factory=Programs)
    evidence: Evidence = field(default_factory=Evidence)
