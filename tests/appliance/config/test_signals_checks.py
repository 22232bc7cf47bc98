"""Sections about signals and about telling other systems: what is refused, and in which words."""

from pathlib import Path

import pytest

from appliance.config import yaml_source
from appliance.config.load import parse
from appliance.model.errors import OperatorError

SOUND = """
signals: {days: 14, percentile: 99, factor: 2, prompts: 500}
metrics: {listen: "10.0.0.1:9464", clients: [10.0.0.0/24]}
otel: {endpoint: "https://collector.example:4318", interval_s: 30, spans: false}
log: {format: json}
neutrality: {openai: {cached_share: 0.4, first_byte_ms: 350}}
"""


def read(text):
    return parse(yaml_source.parse(text.encode(), "gnomon.yaml"), Path("/"))


def test_sound_sections_are_read():
    config = read(SOUND)
    assert (config.signals.days, config.metrics.clients, config.otel.spans) == (14, ("10.0.0.0/24",), False)
    assert (config.log.format, config.neutrality["openai"].first_byte_ms) == ("json", 350)
    assert read('metrics: {listen: "[::1]:0"}').metrics.listen == "[::1]:0"


def test_everything_that_tells_others_is_off_by_default():
    config = read("{}")
    assert (config.metrics.listen, config.otel.endpoint, config.log.format) == (None, None, "text")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("signals: {days: 0}", "signals.days: must lie between 1 and 28"),
        ("signals: {percentile: 100}", "signals.percentile: must lie between 0 and 100"),
        ("signals: {factor: 0.5}", "signals.factor: must lie between 1 and 1000"),
        ("signals: {repeats: 0}", "signals.repeats: must be at least 1"),
        ("signals: {prompt: 5}", "prompts"),
        ('metrics: {listen: "9464"}', "metrics.listen: write host:port"),
        ('metrics: {listen: "localhost:9464"}', "metrics.listen: write an address of this machine"),
        ('metrics: {listen: "0.0.0.0:9464"}', "metrics.listen: is reachable from other machines: set metrics.clients"),
        ('metrics: {listen: "10.0.0.1:1", clients: [0.0.0.0/0]}', "metrics.clients.0: admits every address"),
        ('metrics: {listen: "10.0.0.1:1", clients: [x]}', "metrics.clients.0: not a network"),
        ('otel: {endpoint: "collector:4318"}', "otel.endpoint: must start with https:// or http://"),
        ('otel: {endpoint: "http://u:p@c"}', "otel.endpoint: must not hold credentials"),
        ("otel: {interval_s: 0.5}", "otel.interval_s: must be at least 1"),
        ("otel: {headers: /no/such}", "otel.headers: /no/such: no such file"),
        ("log: {format: xml}", "log.format"),
        ("neutrality: {openai: {cached_share: 2}}", "neutrality.openai.cached_share: must lie between 0 and 1"),
        ("neutrality: {openai: {first_byte_ms: 0}}", "neutrality.openai.first_byte_ms: must be more than 0"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, said):
    with pytest.raises(OperatorError) as told:
        read(text)
    assert said in str(told.value).replace("[0]", ".0")
    assert "u:p" not in str(told.value)
