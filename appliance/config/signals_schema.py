"""What may stand in the configuration about signals over time, and about what is told to other systems.

Rules: as in schema.py. Everything that tells other systems is off until it is configured.
"""

from typing import Literal

from appliance.config.section import Section


class SignalsConfig(Section, frozen=True):
    """Signals of model extraction and of overload: what one caller does in an hour, against what is usual here."""

    enabled: bool = True  # look for them in stored exchanges, every five minutes
    days: int = 7  # of history that make a baseline; before that only ten times the least number below is told
    percentile: float = 95  # of callers, whose busiest hours count as usual
    factor: float = 3  # how many times the usual is told
    prompts: int = 300  # distinct requests of a caller to a service in an hour: never told below this
    logprobs: int = 50  # requests for probabilities of tokens: likewise
    repeats: int = 60  # times that the very same request was sent: likewise
    models: int = 8  # models: likewise
    conversations: int = 120  # conversations: likewise


class MetricsConfig(Section, frozen=True):
    """The endpoint for Prometheus: numbers only, no names of people, addresses or hosts."""

    listen: str | None = None  # address and port of /metrics, e.g. 127.0.0.1:9464; without it there is none
    clients: tuple[str, ...] = ()  # networks that may read it; needed off loopback


class OtelConfig(Section, frozen=True):
    """OpenTelemetry over OTLP/HTTP: a span for each exchange with a model, and its metrics, without any content."""

    endpoint: str | None = None  # the collector, e.g. http://127.0.0.1:4318; without it nothing is sent
    headers: str | None = None  # file (0600) of lines NAME: VALUE that are sent along, such as an API key
    interval_s: float = 10  # between two sendings
    spans: bool = True  # send a span for each exchange
    metrics: bool = True  # send token usage and durations


class LogConfig(Section, frozen=True):
    """Log lines of the appliance, on its stderr."""

    format: Literal["text", "json"] = "text"  # json: one object a line


class BaselineEntry(Section, frozen=True):
    """How a service does without the appliance, as measured by you."""

    cached_share: float | None = None  # of the tokens of prompts, the part that the provider had cached: 0 to 1
    first_byte_ms: float | None = None  # median time to the first byte of an answer
