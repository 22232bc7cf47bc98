"""What system tests and worker tests share: the stand-in provider as a process."""

import json
import subprocess
import sys
from pathlib import Path

from appliance.standin.certificates import write_certificates

HOST = "api.openai.com"
ROOT = Path(__file__).resolve().parents[1]


class Provider:
    """The stand-in: its port, its root, and the arrivals it wrote."""

    def __init__(self, folder: Path, *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.arrivals_file = folder / "arrivals.jsonl"
        self.ca, certificate, key = write_certificates(folder, (HOST, "api.anthropic.com", "chat.example.test"))
        command = [sys.executable, "-m", "appliance.standin.provider", "--keep", "--arrivals", self.arrivals_file]
        command += ["--certificate", certificate, "--key", key, *options]
        self.process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, cwd=ROOT)
        self.port = int(self.process.stdout.readline())

    def arrivals(self) -> list[dict]:
        if not self.arrivals_file.exists():
            return []
        return [json.loads(line) for line in self.arrivals_file.read_text().splitlines()]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()
