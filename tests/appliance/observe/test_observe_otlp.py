"""OTLP as JSON: shapes, names, numbers and bounds."""

import json

import pytest
from observe_made import NOW, ended

from appliance.observe import genai, otlp
from appliance.observe.otlp import Metrics, traces


def plain(attributes):
    found = {}
    for one in attributes:
        ((kind, value),) = one["value"].items()
        found[one["key"]] = int(value) if kind == "intValue" else value
    return found


def spans(*found):
    (resource,) = json.loads(traces(found, "1.2.3"))["resourceSpans"]
    assert plain(resource["resource"]["attributes"]) == {"service.name": "gnomon", "service.version": "1.2.3"}
    return resource["scopeSpans"][0]["spans"]


def test_a_span_has_the_names_of_the_conventions_and_no_content():
    (span,) = spans(ended())
    assert (span["name"], span["kind"], "status" in span) == ("chat gpt-4o", 3, False)
    assert (span["startTimeUnixNano"], span["endTimeUnixNano"]) == ("1763700000000000000", "1763700002000000000")
    assert (len(span["traceId"]), len(span["spanId"])) == (32, 16)
    bytes.fromhex(span["traceId"] + span["spanId"])
    assert plain(span["attributes"]) == {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": True, "gen_ai.response.model": "gpt-4o-2024-08-06", "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20, "gen_ai.usage.cache_read.input_tokens": 64, "gen_ai.conversation.id": "c_1",
        "gen_ai.response.time_to_first_chunk": 0.3, "server.address": "api.openai.com", "server.port": 443,
        "http.response.status_code": 200, "gnomon.service": "openai", "gnomon.outcome": "completed",
        "gnomon.disposition": "allow",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "error"), [({"status": 429}, "429"), ({"outcome": "blocked", "status": 0}, "blocked")]
)
def test_failures(changed, error):
    (span,) = spans(ended(**changed))
    assert span["status"] == {"code": 2}
    assert plain(span["attributes"])["error.type"] == error


def test_ids_are_of_the_exchange():
    first, again, other = spans(ended(1), ended(1), ended(2))
    assert (first["traceId"], first["spanId"]) == (again["traceId"], again["spanId"])
    assert first["traceId"] != other["traceId"]


def test_texts_are_cut_and_made_sound():
    (span,) = spans(ended(model="m" * 999 + "\ud800"))
    assert len(plain(span["attributes"])["gen_ai.request.model"]) == otlp.MAX_TEXT
    spans(ended(model="\ud800"))


def points(metrics):
    (scope,) = json.loads(metrics.request(NOW + 9, "1.2.3"))["resourceMetrics"][0]["scopeMetrics"]
    return {
        (one["name"], *sorted(map(str, plain(point["attributes"]).values()))): point
        for one in scope["metrics"]
        for point in one["histogram"]["dataPoints"]
    }


def test_histograms_are_cumulative():
    metrics = Metrics(NOW)
    assert metrics.request(NOW, "1") == b""
    metrics.add([ended(1), ended(2, input_tokens=3)])
    metrics.add([ended(3, stream=False, input_tokens=None, output_tokens=None), ended(4, api="openai.files")])
    found = points(metrics)
    tokens = found[genai.TOKENS, "chat", "gpt-4o", "input", "openai"]
    assert (tokens["count"], tokens["sum"], tokens["startTimeUnixNano"]) == ("2", 103, "1763700000000000000")
    assert tokens["bucketCounts"][:5] == ["0", "1", "0", "0", "1"]  # 3 lies at or below 4, 100 at or below 256
    assert len(tokens["bucketCounts"]) == len(tokens["explicitBounds"]) + 1
    assert found[genai.DURATION, "chat", "gpt-4o", "openai"]["count"] == "3"
    assert found[genai.FIRST, "chat", "gpt-4o", "openai"]["sum"] == 0.6


def test_models_cannot_make_many_series(monkeypatch):
    monkeypatch.setattr(otlp, "MAX_SETS", 3)
    metrics = Metrics(NOW)
    metrics.add(ended(n, model=f"m{n}") for n in range(10))
    durations = [key for key in points(metrics) if key[0] == genai.DURATION]
    assert len(durations) == 4
    assert points(metrics)[genai.DURATION, "True"]["count"] == "7"
