"""OTLP/HTTP in its JSON form: requests for traces and metrics. Pure.

Rules: as the protocol has it (opentelemetry-proto 1.x, JSON mapping): ids are hexadecimal, 64-bit numbers are text,
times are nanoseconds; histograms are cumulative from `began` on, so that a lost sending loses nothing. Bounded: beyond
`MAX_SETS` sets of attributes a metric goes on under one set, because names of models come from clients. Written here
because it is two shapes of JSON: the SDK brings protobuf, requests and threads of its own into the appliance.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from appliance.observe import genai
from appliance.observe.genai import Attributes, Value
from appliance.store.tally_pages import Ended

MAX_SETS: Final = 500  # of one metric
MAX_TEXT: Final = 256
_CLIENT, _ERROR, _CUMULATIVE = 3, 2, 2  # SpanKind, StatusCode, AggregationTemporality
_NANO: Final = 1_000_000_000
_BOUNDS: Final[Mapping[str, Sequence[float]]] = {
    genai.TOKENS: genai.TOKEN_BOUNDS,
    genai.DURATION: genai.SECOND_BOUNDS,
    genai.FIRST: genai.SECOND_BOUNDS,
}
_UNITS: Final = {genai.TOKENS: "{token}", genai.DURATION: "s", genai.FIRST: "s"}
_BEYOND: Final[Attributes] = {"otel.metric.overflow": True}  # as the SDK's specification calls it


class _Spread:
    def __init__(self, bounds: Sequence[float]) -> None:
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0


class Metrics:
    """Histograms since `began` (epoch seconds)."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._spreads: dict[str, dict[tuple[tuple[str, Value], ...], _Spread]] = {name: {} for name in _BOUNDS}

    def add(self, ended: Iterable[Ended]) -> None:
        """Count exchanges."""
        for one in ended:
            for name, attributes, value in genai.points(one):
                spread = self._spread(name, attributes)
                spread.counts[bisect_left(_BOUNDS[name], value)] += 1
                spread.sum += value

    def request(self, now: float, version: str) -> bytes:
        """ExportMetricsServiceRequest; empty where nothing was counted."""
        metrics = [self._metric(name, sets, now) for name, sets in self._spreads.items() if sets]
        if not metrics:
            return b""
        scope = {"scope": _scope(version), "metrics": metrics}
        return msgspec.json.encode({"resourceMetrics": [{"resource": _resource(version), "scopeMetrics": [scope]}]})

    def _spread(self, name: str, attributes: Attributes) -> _Spread:
        sets, key = self._spreads[name], tuple(sorted(attributes.items()))
        if key not in sets and len(sets) >= MAX_SETS:
            key = tuple(_BEYOND.items())
        return sets.setdefault(key, _Spread(_BOUNDS[name]))

    def _metric(self, name: str, sets: Mapping[tuple[tuple[str, Value], ...], _Spread], now: float) -> object:
        points = [
            {
                "attributes": _attributes(dict(key)),
                "startTimeUnixNano": _nano(self._began),
                "timeUnixNano": _nano(now),
                "count": str(sum(spread.counts)),
                "sum": spread.sum,
                "bucketCounts": [str(count) for count in spread.counts],
                "explicitBounds": _BOUNDS[name],
            }
            for key, spread in sets.items()
        ]
        histogram = {"dataPoints": points, "aggregationTemporality": _CUMULATIVE}
        return {"name": name, "unit": _UNITS[name], "histogram": histogram}


def traces(ended: Iterable[Ended], version: str) -> bytes:
    """ExportTraceServiceRequest: a span for each exchange."""
    scope = {"scope": _scope(version), "spans": [_span(one) for one in ended]}
    return msgspec.json.encode({"resourceSpans": [{"resource": _resource(version), "scopeSpans": [scope]}]})


def _span(ended: Ended) -> dict[str, object]:
    name, attributes = genai.span(ended)
    trace, span = genai.trace_of(ended)
    found: dict[str, object] = {
        "traceId": trace,
        "spanId": span,
        "name": _text(name),
        "kind": _CLIENT,
        "startTimeUnixNano": _nano(ended.began),
        "endTimeUnixNano": _nano(ended.ended),
        "attributes": _attributes(attributes),
    }
    return found | {"status": {"code": _ERROR}} if genai.failure(ended) else found


def _resource(version: str) -> object:
    return {"attributes": _attributes({"service.name": "gnomon", "service.version": version})}


def _scope(version: str) -> object:
    return {"name": "gnomon", "version": version}


def _attributes(found: Mapping[str, Value]) -> list[object]:
    return [{"key": name, "value": _value(value)} for name, value in found.items()]


def _value(value: Value) -> dict[str, object]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": _text(value)}


def _text(value: str) -> str:
    return value[:MAX_TEXT].encode("utf-8", "replace").decode()


def _nano(seconds: float) -> str:
    return str(round(seconds * 1_000_000) * (_NANO // 1_000_000))
