"""Real SDKs as the oracle: what they make of an answer is the same directly and through the appliance.

One driver process asks for all scenarios of an SDK, once directly and once through the appliance.
"""

import functools
import hashlib
import hmac
import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
from sdk_sayings import HIDDEN, SECRET
from sdk_world import HOSTS, Arrival, Provider, tunnel_to

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.conformance, pytest.mark.system]
SCENARIOS = ("chat", "stream", "tools", "error", "abort", "async")
# What carries the key in the stream that `leak` is answered with, as each SDK names it: the leaves that differ.
LEAKS = {
    "openai": {"content", "reasoning_content", "arguments"},
    "responses": {"delta", "text", "arguments"},
    "anthropic": {"thinking", "text", "partial_json"},
    "gemini": {"text", "token"},
    "mistral": {"text", "content", "arguments"},
    "cohere": {"tool_plan", "text", "arguments"},
    "ollama": {"thinking", "content", "token"},
    "bedrock": {"text", "input"},
    "litellm": {"content", "reasoning_content", "arguments"},
}
SDKS = tuple(LEAKS)
# Of one hop; asked for anew, so that answers can be read; and what an SDK makes anew for each request.
OTHERWISE = {"connection", "proxy-connection", "proxy-authorization", "keep-alive", "accept-encoding"}
OTHERWISE |= {"amz-sdk-invocation-id", "x-amz-date", "authorization", "idempotency-key", "content-length"}
USAGE = b'"stream_options":{"include_usage":true},'  # what the appliance asks for itself, and takes out of the answer


class Run(NamedTuple):
    """What an SDK made of each scenario, and what arrived at the provider."""

    answers: dict[str, dict]
    arrived: dict[str, Arrival]


@pytest.fixture(scope="module")
def world(tmp_path_factory, appliance_class):
    folder = tmp_path_factory.mktemp("sdks")
    provider = Provider(folder / "provider")
    made = appliance_class(folder / "box", provider)
    hosts = ", ".join(f"'{host}:443': '127.0.0.1:{provider.port}'" for host in HOSTS)
    made.config.write_text(made.config.read_text().replace("hosts: {", f"hosts: {{{hosts}}}\n  #", 1))
    try:
        yield made.up(), provider
    finally:
        made.down()
        provider.stop()


@pytest.fixture(scope="module")
def runs(world):
    """Both runs of an SDK, made when it is first asked for."""
    appliance, provider = world

    @functools.cache
    def of(sdk: str) -> tuple[Run, Run]:
        both = ((provider.tunnel, provider.ca), (appliance.proxy, appliance.ca))
        made = []
        for port, trust in both:
            before = len(provider.arrived)
            answers = drive(sdk, (*SCENARIOS, "secret", "leak", "long"), port, trust)
            made.append(Run(answers, {arrival.case: arrival for arrival in provider.arrived[before:]}))
        return made[0], made[1]

    return of


def drive(sdk: str, scenarios: tuple[str, ...], proxy: int, trust: Path) -> dict[str, dict]:
    python = ROOT / ".cache" / "conformance" / ("litellm" if sdk == "litellm" else "sdk") / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{python} is not there: run `make conformance`")
    env = {"PATH": os.environ["PATH"], "LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONHASHSEED": "0"}
    env |= dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), f"http://127.0.0.1:{proxy}")
    env |= dict.fromkeys(("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"), str(trust))
    command = [str(python), str(ROOT / "tests/conformance/sdk_driver.py"), sdk, *scenarios]
    done = subprocess.run(command, env=env, capture_output=True, timeout=120, cwd="/")
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)


def leaves(item, name: str = "") -> list[tuple[str, object]]:
    """Every leaf of plain data in order, with the name it goes by."""
    if isinstance(item, dict):
        return [leaf for key in sorted(item) for leaf in leaves(item[key], key)]
    if isinstance(item, list):
        return [leaf for each in item for leaf in leaves(each, name)]
    return [(name, item)]


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("sdk", SDKS)
def test_an_sdk_sees_no_difference(runs, sdk, scenario):
    direct, through = runs(sdk)
    straight, answer = direct.answers[scenario], through.answers[scenario]
    raised = scenario == "abort" or (scenario == "error" and sdk != "responses")  # it yields the error as an event
    assert ("error" in straight) == raised, straight
    assert bool(straight["objects"]) == (scenario != "error" or sdk == "responses"), straight
    assert answer.get("error") == straight.get("error")
    objects, expected = answer["objects"], without_odds(straight["objects"]) if sdk == "cohere" else straight["objects"]
    if scenario == "abort":  # what was still held when the provider broke off may be half a key: it goes no further
        assert objects
        expected = expected[: len(objects)]
    assert objects == expected
    sent, arrived = direct.arrived[scenario], through.arrived[scenario]
    assert arrived.line == sent.line
    assert arrived.body.replace(USAGE, b"", 1) == sent.body.replace(USAGE, b"", 1)
    assert (arrived.body == sent.body) or sdk in {"openai", "litellm"}
    assert end_to_end(arrived) == end_to_end(sent)
    if sdk == "bedrock":
        assert is_signed(sent)
        assert is_signed(arrived)


def without_odds(item):
    """Tokens told a second time, with their odds, are taken out of answers: a declared edit."""
    if isinstance(item, list):
        return [without_odds(each) for each in item]
    if isinstance(item, dict):
        return {key: None if key == "logprobs" else without_odds(value) for key, value in item.items()}
    return item


def end_to_end(arrival: Arrival) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in arrival.headers if name not in OTHERWISE)


def is_signed(arrival: Arrival) -> bool:
    """Whether the signature (AWS Signature Version 4) is that of what arrived."""
    headers = dict(arrival.headers)
    fields = dict(part.strip(", ").split("=", 1) for part in headers["authorization"].split(" ")[1:])
    method, _, path = arrival.line.partition(" ")
    names = fields["SignedHeaders"].split(";")
    lines = [method, quote(path, safe="/"), "", *(f"{name}:{headers[name]}" for name in names), "", ";".join(names)]
    canonical = "\n".join([*lines, hashlib.sha256(arrival.body).hexdigest()])
    _, *scope = fields["Credential"].split("/")
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = ("AWS4" + "x" * 40).encode()
    for part in (*scope, "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], "/".join(scope), digest])):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex() == fields["Signature"]


@pytest.mark.parametrize("sdk", [sdk for sdk in SDKS if sdk != "bedrock"])
def test_a_key_in_a_prompt_does_not_arrive(runs, sdk):
    direct, through = runs(sdk)
    assert SECRET.encode() in direct.arrived["secret"].body
    assert through.arrived["secret"].body == direct.arrived["secret"].body.replace(SECRET.encode(), HIDDEN.encode())
    assert through.answers["secret"] == direct.answers["secret"]


def test_what_is_signed_is_refused_rather_than_sent_broken(runs):
    direct, through = runs("bedrock")
    assert SECRET.encode() in direct.arrived["secret"].body
    assert "secret" not in through.arrived
    assert "signed_body" in through.answers["secret"]["error"]["text"]


@pytest.mark.parametrize("sdk", SDKS)
def test_a_key_split_over_deltas_is_hidden_and_the_rest_is_equal(runs, sdk):
    direct, through = (run.answers["leak"] for run in runs(sdk))
    assert SECRET not in json.dumps(through)
    before, after = texts(direct, sdk), texts(through, sdk)
    assert after == {name: text.replace(SECRET, HIDDEN) for name, text in before.items()}
    assert all(SECRET in text for text in before.values())
    if sdk != "litellm":  # it makes other objects of a call's delta that is empty
        assert others(through, sdk) == others(direct, sdk)


@pytest.mark.parametrize("sdk", SDKS)
def test_long_deltas_say_the_same_where_they_come_in_two(runs, sdk):
    direct, through = (run.answers["long"] for run in runs(sdk))
    assert texts(through, sdk) == texts(direct, sdk)
    assert len(through["objects"]) >= len(direct["objects"])
    assert {str(other) for other in others(through, sdk)} == {str(other) for other in others(direct, sdk)}


def texts(answer: dict, sdk: str) -> dict[str, str]:
    """What grew in a stream, under each name."""
    assert "error" not in answer
    found = dict.fromkeys(LEAKS[sdk], "")
    for name, value in leaves(answer["objects"]):
        if name in found:
            found[name] += value or ""
    return found


def others(answer: dict, sdk: str) -> list[list[tuple[str, object]]]:
    """Everything else of each object."""
    return [[leaf for leaf in leaves(item) if leaf[0] not in LEAKS[sdk]] for item in answer["objects"]]


def test_a_realtime_conversation_is_the_same_but_for_the_key(appliance, provider):
    straight = tunnel_to(provider.port)
    direct = drive("openai", ("turns",), straight.getsockname()[1], provider.ca)["turns"]
    straight.close()
    before = len(provider.arrivals())
    through = drive("openai", ("turns",), appliance.proxy, appliance.ca)["turns"]
    first = [event["type"] for event in direct["objects"]].index("response.done") + 1
    assert through["objects"][:first] == direct["objects"][:first]
    said = [
        next(event["text"] for event in answer["objects"][first:] if event["type"] == "response.output_text.done")
        for answer in (direct, through)
    ]
    assert SECRET in said[0]
    assert said[1] == said[0].replace(SECRET, HIDDEN)
    assert SECRET not in json.dumps(provider.arrivals()[before:])
