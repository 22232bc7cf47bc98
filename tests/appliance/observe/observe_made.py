"""Answers of store and supervisor, made up."""

from appliance.bus.control import ChildStatus, SensorStatus, Status
from appliance.model.names import Stage
from appliance.store.pages import Health
from appliance.store.tally_pages import BOUNDS, Ended, Series, Spread, Tallied

NOW = 1_763_700_000.0
HEALTH = Health(1, {"findings": 3}, (), 9, 4096, 0, 5, 6, 7, 8, 9, 10, 11, 2.5)
STATUS = Status(
    *("up", 1, 60.0, "1.2.3", Stage.ENFORCE, 4, 2, 2, "127.0.0.1:1", "127.0.0.1:2", "/var/lib/gnomon", 1),
    children=(ChildStatus("w0", 2, "ready", 59.0, 4, 7, 0.25), ChildStatus("store", 3, "ready", 59.0)),
    sensors=(SensorStatus("sensor0", "eth0", "capturing", lost_last_minute=3),),
)


def ended(number=1, **changed):
    said = {
        "number": number, "exchange": f"x{number}", "began": NOW, "ended": NOW + 2, "service": "openai",
        "api": "openai.chat", "model": "gpt-4o", "stream": True, "host": "api.openai.com", "port": 443,
        "outcome": "completed", "status": 200, "effective": "allow", "model_served": "gpt-4o-2024-08-06",
        "input_tokens": 100, "output_tokens": 20, "cached_tokens": 64, "first_byte_ms": 300.0, "conversation": "c_1",
    }  # fmt: skip
    return Ended(**said | changed)


def tallied(*found, life=1, last=None):
    counts = (1, *[0] * len(BOUNDS))
    series = (Series("tokens", ("openai", "input"), 100), Series("refusals", ("quota",), 2))
    spreads = (Spread("first_byte_seconds", ("openai",), counts, 0.3),)
    return Tallied(life, 1, series, spreads, found, last if last is not None else (found[-1].number if found else 0))
