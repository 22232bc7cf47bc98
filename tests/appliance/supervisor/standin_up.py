"""`gnomon up` with stand-in children and without evidence: `standin_up.py CONFIG.json`."""

import asyncio
import sys
from pathlib import Path

import msgspec

from appliance.config.schema import Config
from appliance.journal.recover import RecoveryReport
from appliance.model.errors import OperatorError
from appliance.supervisor import log
from appliance.supervisor.announce import as_json
from appliance.supervisor.evidence import Evidence
from appliance.supervisor.handover import receive
from appliance.supervisor.settings import Programs, Settings
from appliance.supervisor.supervisor import Supervisor

CHILD = str(Path(__file__).with_name("standin_child.py"))


class StandIns(Programs):
    def store(self, config):
        return [sys.executable, "-I", CHILD, config.run_dir, "store"]

    def worker(self, config, name, fds):
        return [sys.executable, "-I", CHILD, config.run_dir, name, *map(str, fds.values())]

    def sensor(self, config, name, *_):
        return [sys.executable, "-I", CHILD, config.run_dir, name]


class NoEvidence(Evidence):
    def prepare(self, *_):
        return []

    def reprepare(self, *_):
        pass

    def due(self, *_):
        return ""

    def living(self, *_):
        return frozenset()

    def counters_stand(self, *_):
        return True

    def refund(self, *_):
        return 0

    def recover(self, *_):
        return RecoveryReport()


def load() -> Config:
    try:
        return msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Config)
    except msgspec.MsgspecError as error:
        raise OperatorError(f"{sys.argv[1]}:1: {error}") from None


def tell(supervisor: Supervisor) -> None:
    sys.stdout.write(as_json(supervisor.control.status()) + "\n")
    sys.stdout.flush()


async def main() -> None:
    settings = Settings(load, announce=tell, programs=StandIns(), evidence=NoEvidence())
    await Supervisor(settings, load()).run(receive())


if __name__ == "__main__":
    log.configure()
    try:
        asyncio.run(main())
    except OperatorError as error:
        sys.stderr.write(f"gnomon: {error}\n")
        sys.exit(2)
