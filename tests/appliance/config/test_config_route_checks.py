"""Providers, routes with targets, tries, health and parent proxies: what is accepted and what is refused, and where."""

import pytest

from appliance.config import load, yaml_source
from appliance.config.catalogue import load_catalogue
from appliance.config.command import check_routes
from appliance.config.credentials import asked_for
from appliance.config.effective import decode, encode
from appliance.config.yaml_source import render
from appliance.model.errors import OperatorError

SOUND = """providers:
  main: {service: openai, target: "https://api.openai.com", credential: "held:main"}
  eu: {service: openai, target: "https://eu.api.openai.com", credential: "held:eu"}
  own: {service: groq, target: "http://127.0.0.1:8000", credential: none}
gateway:
  default_route: smart
  tries: {retries: 2, head_s: 20}
  health: {probe_s: 30}
  routes:
    smart:
      models: {fast: gpt-4o-mini}
      targets: [{provider: main, weight: 3}, {provider: eu, weight: 1}, {provider: own, models: {fast: llama}}]
egress:
  via: [{proxy: "https://proxy.example:3128", hosts: [.openai.com], credential: "held:parent"}]
"""


def parsed(text, tmp_path):
    return load.parse(yaml_source.parse(text.encode(), "FILE"), tmp_path)


def test_the_first_target_fills_the_route(tmp_path):
    config = parsed(SOUND, tmp_path)
    route = config.gateway.routes["smart"]
    assert (route.service, route.target, route.credential) == ("openai", "https://api.openai.com", "held:main")
    assert decode(encode(config)) == config
    assert asked_for(config) == ("eu", "main", "parent")
    check_routes(config, load_catalogue(None))


def test_what_is_shown_can_be_used_as_a_file(tmp_path):
    import msgspec

    config = parsed(SOUND, tmp_path)
    assert parsed(render(msgspec.to_builtins(config)), tmp_path) == config


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{provider: own,", "{provider: owm,", "targets.2.provider: no such provider; did you mean 'own'?"),
        ("{provider: eu, weight: 1}", "{provider: main}", "targets.1.provider: stands twice"),
        ("weight: 3", "weight: -3", "targets.0.weight: must lie between"),
        ("{fast: gpt-4o-mini}", '{fast: ""}', "models.fast: a model is a name"),
        ("models: {fast: llama}", 'models: {fast: "a\\nb"}', "a model is a name"),
        ("    smart:\n", "    smart:\n      fallbacks: ['https://b.test']\n", "fallbacks: not beside targets"),
        ("    smart:\n", "    smart:\n      service: anthropic\n", "service: the first of the targets decides"),
        ("http://127.0.0.1:8000", "https://x.test/path", "providers.own.target: must be scheme"),
        ("  own: {", "  Own: {", "a provider is lower-case"),
        ('"held:eu"', '"sk-real-key"', "providers.eu.credential: not one of client, none, held:NAME"),
        ('"https://eu.api.openai.com"', '"http://eu.api.openai.com"', "must not travel in clear"),
        ("retries: 2", "retries: 6", "gateway.tries.retries: must lie between 0 and 5"),
        ("head_s: 20", "head_s: 0", "gateway.tries.head_s"),
        ("probe_s: 30", "probe_s: 0.2", "gateway.health.probe_s"),
        ("[.openai.com]", "['*.openai.com']", "egress.via.0.hosts.0: not a host name"),
        ('"https://proxy.example:3128"', '"http://proxy.example:3128"', "a password must not travel in clear"),
        ('"https://proxy.example:3128"', '"https://me:pw@proxy.example"', "must not hold credentials"),
        ('"held:parent"', "me:pw", "egress.via.0.credential: write held:NAME"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, old, new, words):
    assert old in SOUND
    with pytest.raises(OperatorError) as caught:
        parsed(SOUND.replace(old, new, 1), tmp_path)
    assert words.replace(".0", "").split(":")[-1] in str(caught.value)
    assert "FILE:" in str(caught.value)
    assert "sk-real-key" not in str(caught.value)
    assert "me:pw" not in str(caught.value)


@pytest.mark.parametrize("missing", ["service", "target"])
def test_a_route_of_its_own_says_where_it_goes(tmp_path, missing):
    entry = {"service": "openai", "target": "'https://api.openai.com'"}
    told = ", ".join(f"{key}: {value}" for key, value in entry.items() if key != missing)
    with pytest.raises(OperatorError, match=f"{missing}: is missing"):
        parsed(f"gateway: {{routes: {{openai: {{{told}}}}}}}\n", tmp_path)


def test_targets_speak_what_can_be_carried_over_and_are_known(tmp_path):
    catalogue = load_catalogue(None)
    with pytest.raises(
        OperatorError, match=r"targets\[1\].provider: .* speaks cohere.chat.* between anthropic.messages"
    ):
        check_routes(parsed(SOUND.replace("eu: {service: openai", "eu: {service: cohere"), tmp_path), catalogue)
    check_routes(parsed(SOUND.replace("eu: {service: openai", "eu: {service: anthropic"), tmp_path), catalogue)
    with pytest.raises(OperatorError, match=r"providers.eu.service: no service 'opnai'.*did you mean"):
        check_routes(parsed(SOUND.replace("eu: {service: openai", "eu: {service: opnai"), tmp_path), catalogue)
