"""Receives OTLP/HTTP and reads it with OpenTelemetry's own packages; at the end of its input it tells what it read.

Runs in the environment of tests/conformance/otel: `python otel_driver.py` prints its port. Every body is read twice:
by opentelemetry-proto-json (the JSON form), and as protobuf by its schema, strictly: a member that the schema does not
know is a fault. Names are held against opentelemetry-semantic-conventions: attributes, metrics with their units.
"""

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest as MetricsProto
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest as TracesProto
from opentelemetry.proto_json.collector.metrics.v1.metrics_service import ExportMetricsServiceRequest as MetricsJson
from opentelemetry.proto_json.collector.trace.v1.trace_service import ExportTraceServiceRequest as TracesJson
from opentelemetry.semconv import attributes as stable
from opentelemetry.semconv._incubating import attributes as incubating
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics

FORMS = {"/v1/traces": (TracesJson, TracesProto), "/v1/metrics": (MetricsJson, MetricsProto)}
IDS = ("traceId", "spanId", "parentSpanId")


def with_ids(value):
    """The same with ids as protobuf's JSON has bytes: OTLP alone writes them in hexadecimal."""
    if isinstance(value, list):
        return [with_ids(one) for one in value]
    if not isinstance(value, dict):
        return value
    told = {name: with_ids(one) for name, one in value.items()}
    return told | {name: base64.b64encode(bytes.fromhex(told[name])).decode() for name in IDS if name in told}


class Units:
    """A meter that remembers what the conventions make."""

    def __init__(self):
        self.made = {}

    def create_histogram(self, name, unit="", **_):
        self.made[name] = unit


def units():
    meter = Units()
    for name in dir(gen_ai_metrics):
        if name.startswith("create_"):
            getattr(gen_ai_metrics, name)(meter)
    return meter.made


def names():
    """Every attribute that the conventions know."""
    import importlib
    import pkgutil

    found = set()
    for package in (stable, incubating):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            members = vars(importlib.import_module(module.name)).items()
            found |= {value for name, value in members if name.isupper() and isinstance(value, str)}
    return found


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    told = {"spans": [], "metrics": [], "faults": [], "requests": 0}
    lock = threading.Lock()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = ""
        try:
            self.take(body)
        except Exception as error:  # noqa: BLE001 - whatever reading raises is told
            fault = f"{self.path}: {type(error).__name__}: {error}"
        with self.lock:
            self.told["requests"] += 1
            self.told["faults"] += [fault] if fault else []
        self.send_response(400 if fault else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def take(self, body):
        assert self.headers["Content-Type"] == "application/json"
        form, proto = FORMS[self.path]
        read = form.from_json(body.decode())
        strict = json_format.ParseDict(with_ids(json.loads(body)), proto())
        strict.SerializeToString()
        found = self.spans(strict) if self.path == "/v1/traces" else self.metrics(strict)
        assert len(found) == self.counted(read), "the two readings differ"
        with self.lock:
            self.told["spans" if self.path == "/v1/traces" else "metrics"] += found

    @staticmethod
    def counted(read):
        resources = getattr(read, "resource_spans", None) or getattr(read, "resource_metrics", None)
        scopes = [one for each in resources for one in (getattr(each, "scope_spans", None) or each.scope_metrics)]
        return sum(len(getattr(one, "spans", None) or one.metrics) for one in scopes)

    @staticmethod
    def spans(strict):
        every = [span for each in strict.resource_spans for scope in each.scope_spans for span in scope.spans]
        for span in every:
            assert len(span.trace_id) == 16
            assert len(span.span_id) == 8
            assert span.end_time_unix_nano >= span.start_time_unix_nano > 10**18
        return [{"name": span.name, "kind": span.kind, **plain(span.attributes)} for span in every]

    @staticmethod
    def metrics(strict):
        every = [one for each in strict.resource_metrics for scope in each.scope_metrics for one in scope.metrics]
        found = []
        for one in every:
            points = one.histogram.data_points
            for point in points:
                assert sum(point.bucket_counts) == point.count
                assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
            said = [plain(point.attributes)["attributes"] for point in points]
            found.append({"name": one.name, "unit": one.unit, "attributes": said, "sets": len(points)})
        return found

    def log_message(self, *_):
        pass


def plain(attributes):
    return {"attributes": {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}}


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.shutdown()
    known = {
        "names": sorted(names()),
        "units": units(),
        "providers": [one.value for one in gen_ai_attributes.GenAiProviderNameValues],
        "operations": [one.value for one in gen_ai_attributes.GenAiOperationNameValues],
        "token_types": [one.value for one in gen_ai_attributes.GenAiTokenTypeValues],
    }
    json.dump(Receiver.told | {"known": known}, sys.stdout)


if __name__ == "__main__":
    main()
