"""What tests of a sensor share: observations, a sensor over a small catalogue, a journal in memory."""

import asyncio

from appliance.model.catalogue import Catalogue, Service
from appliance.model.names import ObservationKind, Surface, Transport
from appliance.model.observation import Observation
from appliance.model.pseudonym import Pseudonyms
from discovery.aggregate import Aggregate
from discovery.box import Box
from discovery.classify import Classifier
from discovery.sensor import Sensor

SERVICES = (
    Service(id="openai", name="OpenAI", owner="OpenAI", category="model_api", domains=("api.openai.com",)),
    Service(
        id="chatgpt", name="ChatGPT", owner="OpenAI", category="chat", surface=Surface.WEB, domains=(".chatgpt.com",)
    ),
    Service(id="ollama", name="Ollama", owner="Ollama", category="local_model"),
)
PSEUDONYMS = Pseudonyms(b"k" * 32)
BOX = Box({"proxy": ("10.0.0.5", 8080), "gateway": ("10.0.0.5", 4000)}, {"10.0.0.5"})


def seen(name="api.openai.com", ts=1000.0, **more):
    fields = {"ts": ts, "src": "10.0.0.9", "sport": 1000, "dst": "192.0.2.1", "dport": 443, "server_name": name}
    return Observation(**fields | {"transport": Transport.TCP, "kind": ObservationKind.TLS} | more)


def sensor(*, own=None, interval_s=300.0, join_s=0.0):
    sight = Classifier(Catalogue(SERVICES, "1")).sight
    return Sensor("sensor0", "eth0", sight, PSEUDONYMS, BOX, Aggregate(interval_s), own, join_s)


class Journal:
    """Keeps events; `full`: how many appends are refused first."""

    def __init__(self):
        self.lines, self.full, self.fill = [], 0, 0.0

    def append(self, event, persons):
        from appliance.journal.writer import JournalFull

        if self.full:
            self.full -= 1
            raise JournalFull("full")
        self.lines.append((event, dict(persons)))
        return len(self.lines)

    def of(self, kind):
        return [event for event, _ in self.lines if type(event).__name__ == kind]

    def notes(self):
        return [event.note for event in self.of("Notice")]


async def until(happened):
    """Let others run until something that has no event has happened."""
    async with asyncio.timeout(20):
        while not happened():  # noqa: ASYNC110 - what is looked at is a plain value
            await asyncio.sleep(0.001)
