"""How AI software shows itself, as data: sound, of services that exist, read strictly."""

import msgspec
import pytest

from appliance.config.catalogue import load_catalogue
from appliance.model.errors import OperatorError
from discovery import fingerprints, signatures
from discovery.signatures import CLIENTS, SERVERS, Client

CATALOGUE = load_catalogue()
SOUND = {"service": "ollama", "ports": [1], "alone": 0.5, "paths": ["/x"], "shows": [{"text": "x", "sure": 0.9}]}


def test_each_server_stands_once_and_is_a_service_that_people_run_themselves():
    services = [server.service for server in SERVERS]
    assert len(services) == len(set(services)) >= 30
    assert {CATALOGUE.services[name].category for name in services} == {"local_model"}
    assert {client.service for client in CLIENTS if client.service} <= set(CATALOGUE.services)


def test_what_the_data_must_be_of():
    named = {"ollama", "vllm", "sglang", "tgi", "tei", "llama_cpp", "lmstudio_server", "localai", "koboldcpp"}
    named |= {
        "open_webui",
        "litellm_proxy",
        "bifrost",
        "portkey_gateway",
        "comfyui",
        "stable_diffusion_webui",
        "triton",
    }
    named |= {"ray_serve", "xinference", "flowise", "langflow", "dify_server", "n8n", "qdrant_server", "chroma_server"}
    named |= {"weaviate_server", "milvus", "a2a_agent"}
    assert named <= {server.service for server in SERVERS}
    order = [server.service for server in SERVERS]
    assert order.index("koboldcpp") < order.index("ollama")  # it imitates the other


def test_a_user_agent_begins_in_lower_case_and_stands_once():
    agents = [client.agent for client in CLIENTS]
    assert len(agents) == len(set(agents))
    assert [agent for agent in agents if agent != agent.lower()] == []
    hidden = [(one, other) for n, one in enumerate(agents) for other in agents[n + 1 :] if other.startswith(one)]
    assert hidden == []  # the first that fits holds
    assert fingerprints.AGENTS["ollama-python/"] == "ollama"


def test_no_path_of_one_server_alone_belongs_to_another():
    paths = [path for server in SERVERS for path in server.paths]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"ports": [70_000]}, "ports"),
        ({"alone": 1.5}, "alone"),
        ({"paths": ["x"]}, "paths"),
        ({"more": 1}, "more"),
        ({"shows": [{"sure": 0.9}]}, "one kind"),
        ({"shows": [{"sure": 0.9, "text": "a", "title": "b"}]}, "one kind"),
        ({"shows": [{"sure": 0.9, "text": "a", "version": "value"}]}, "needs"),
        ({"shows": [{"text": "a"}]}, "sure"),
    ],
)
def test_what_is_unsound_is_refused_whole(change, word):
    with pytest.raises(OperatorError, match=word):
        signatures.servers(msgspec.json.encode([SOUND | change]))


def test_what_is_sound_is_read():
    assert signatures.servers(msgspec.json.encode([SOUND]))[0].service == "ollama"
    with pytest.raises(OperatorError, match=r"clients\.json"):
        signatures.read("clients.json", Client, b"{")


def test_a_path_tells_the_first_server_that_has_it():
    def plainly(path: str, port: int):
        return next((one for one in SERVERS if _has(one, path, port)), None)

    paths = {path + end for one in SERVERS for path in (*one.paths, *one.common) for end in ("", "x", "/y")}
    for port in {80, *(port for one in SERVERS for port in one.ports)}:
        assert [path for path in paths if plainly(path, port) is not fingerprints.server_of(path, port)] == []


def _has(server, path: str, port: int) -> bool:
    known = server.paths + (server.common if port in server.ports else ())
    return any(path.startswith(each) if each.endswith("/") else path == each for each in known)
