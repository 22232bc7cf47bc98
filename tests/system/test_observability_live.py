"""What Prometheus and OpenTelemetry themselves read of an appliance: with their programs and packages, not ours."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from contextlib import contextmanager

import httpx
import pytest
from system.conftest import free_port, running
from system.operations_world import URL, body, eventually
from tests_support import ROOT

from appliance.observe import genai
from appliance.store.tally_pages import COUNTERS, HISTOGRAMS

PYTHON = ROOT / ".cache" / "conformance" / "otel" / "bin" / "python"
DRIVER = ROOT / "tests" / "conformance" / "otel_driver.py"
MANY = 40
pytestmark = [pytest.mark.system, pytest.mark.conformance, pytest.mark.timeout(180)]
# Gauges and counters beside those of the tally; the sensor's two are empty where no sensor is configured.
STANDING = (
    *("up", "info", "uptime_seconds", "policy_version", "policy_applied", "problems", "restarts_total"),
    *("worker_flows", "worker_journal_fill", "exchanges_running", "store_rows", "store_file_bytes", "store_wal_bytes"),
    *("store_waiting", "store_last_commit_seconds", "store_records_total", "store_repeats_total"),
    *("store_frames_refused_total", "store_unplaced_total"),
)
FILLED = ("exchanges_opened", "exchanges_closed", "tokens", "request_bytes", "response_bytes", "unpriced")


class Receiver:
    """The driver in its own environment."""

    def __init__(self):
        self.process = subprocess.Popen([PYTHON, DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def told(self):
        said, _ = self.process.communicate("", timeout=30)
        return json.loads(said)

    def stop(self):
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()


@contextmanager
def prometheus(folder, target):
    """Prometheus with one target; a question to its API."""
    port, program = free_port(), shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (apt-get install prometheus)")
    folder.mkdir()
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
        f"- {{job_name: gnomon, static_configs: [{{targets: ['{target}']}}]}}\n"
    )
    command = [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    log = (folder / "log").open("w")
    process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stderr=log, stdout=log)

    def ask(path, **query):
        address = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    try:
        yield ask
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.fixture(scope="module")
def observed(provider, tmp_path_factory):
    """An appliance that was asked some things, what Prometheus has of it, and what OpenTelemetry's packages read."""
    if not PYTHON.exists():
        pytest.skip("tests/conformance/otel is not installed; `make conformance` does it")
    folder, figures, receiver = tmp_path_factory.mktemp("observed"), free_port(), Receiver()
    extra = (
        f"metrics: {{listen: '127.0.0.1:{figures}'}}\n"
        f"otel: {{endpoint: 'http://127.0.0.1:{receiver.port}', interval_s: 1}}\n"
    )
    try:
        with (
            running(folder / "site", provider, extra=extra) as site,
            prometheus(folder / "prometheus", f"127.0.0.1:{figures}") as ask,
            httpx.Client(proxy=f"http://127.0.0.1:{site.proxy}", verify=site.trust(), timeout=20) as client,
        ):
            assert client.post(URL, json=body()).status_code == 200
            assert client.post(URL, json=body(stream=True)).status_code == 200
            assert client.post(URL, json=body("stand-in-503")).status_code == 503
            eventually(lambda: counted(ask, "gnomon_exchanges_closed_total") == 3)
            before = series(ask)
            for number in range(MANY):  # what comes from the network: models, clients, conversations
                said = body(f"stand-in-say.{number}") | {"user": f"u{number}"}
                client.post(URL, json=said, headers={"user-agent": f"agent{number}/1"})
            eventually(lambda: counted(ask, "gnomon_exchanges_closed_total") == 3 + MANY)
            found = {
                "before": before, "after": series(ask), "metadata": ask("metadata"),
                "targets": ask("targets")["activeTargets"], "page": page(figures),
            }  # fmt: skip
        yield found | {"otel": receiver.told()}
    finally:
        receiver.stop()


def page(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return answer.read()


def counted(ask, name):
    data = ask("query", query=f"sum({name})")
    return float(data["result"][0]["value"][1]) if data and data["result"] else None


def series(ask):
    found = ask("query", query='{__name__=~"gnomon_.+"}')["result"]
    return {tuple(sorted(one["metric"].items())) for one in found}


def test_prometheus_takes_every_line(observed):
    (target,) = observed["targets"]
    assert (target["health"], target["lastError"]) == ("up", "")


def test_promtool_has_nothing_to_say(observed):
    done = subprocess.run(["promtool", "check", "metrics"], input=observed["page"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_every_family_is_there_with_its_kind_and_words(observed):
    known = {name: told[0] for name, told in observed["metadata"].items() if name.startswith("gnomon_")}
    expected = {f"gnomon_{family.name}_total": ("counter", family.words) for family in COUNTERS}
    expected |= {f"gnomon_{family.name}": ("histogram", family.words) for family in HISTOGRAMS}
    assert {name: (known[name]["type"], known[name]["help"]) for name in expected} == expected
    assert {f"gnomon_{name}" for name in STANDING} <= known.keys()
    filled = {dict(labels)["__name__"] for labels in observed["after"]}
    assert {f"gnomon_{name}_total" for name in FILLED} <= filled
    assert {f"gnomon_{family.name}_bucket" for family in HISTOGRAMS} <= filled


def test_what_comes_from_the_network_makes_no_series(observed):
    assert len(observed["after"]) <= 1.1 * len(observed["before"])
    labels = {name for one in observed["after"] for name, _ in one}
    assert labels <= {
        *("__name__", "instance", "job", "le", "part", "table", "worker", "version", "stage", "sensor"),
        *("service", "effective", "outcome", "type", "reason", "severity", "leg"),
    }
    values = {value for one in observed["after"] for _, value in one}
    assert [value for value in values if "stand-in" in value or "agent" in value or value == "127.0.0.1"] == []


def test_opentelemetry_reads_all_of_it(observed):
    told = observed["otel"]
    assert told["faults"] == []
    assert len(told["spans"]) == 3 + MANY


def test_names_and_units_are_those_of_the_conventions(observed):
    told = observed["otel"]
    known = told["known"]
    used = {name for span in told["spans"] for name in span["attributes"]}
    used |= {name for metric in told["metrics"] for said in metric["attributes"] for name in said}
    ours = {name for name in used if not name.startswith("gnomon.")} - {"otel.metric.overflow"}
    assert ours
    assert ours - set(known["names"]) == set()
    assert {metric["name"] for metric in told["metrics"]} == {genai.TOKENS, genai.DURATION, genai.FIRST}
    assert {metric["name"]: metric["unit"] for metric in told["metrics"]}.items() <= known["units"].items()
    said = [span["attributes"] for span in told["spans"]]
    assert {one["gen_ai.operation.name"] for one in said} <= set(known["operations"])
    assert {one["gen_ai.provider.name"] for one in said} <= set(known["providers"])
    assert {span["kind"] for span in told["spans"]} == {3}  # client


def test_every_provider_and_operation_that_we_may_name_is_known_or_our_own_word(observed):
    known = observed["otel"]["known"]
    assert set(genai._PROVIDERS.values()) <= set(known["providers"])
    assert set(genai._OPERATIONS.values()) <= set(known["operations"])
