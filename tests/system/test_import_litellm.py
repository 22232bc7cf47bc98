"""A site that moves from LiteLLM: its clients change their key and nothing else.

The clients are the openai SDK with the base URL and the names of models that they had; what arrives at the providers,
with which key and under which name of the model, is read off the stand-ins.
"""

import json

import openai
import pytest
from system.operations_world import site_at
from tests_support import HOST, Provider

pytestmark = pytest.mark.system
CONFIG = """
model_list:
  - model_name: fast
    litellm_params: {model: openai/stand-in-fast, api_key: os.environ/OPENAI_API_KEY}
  - model_name: smart
    litellm_params: {model: openai/stand-in-smart, api_key: os.environ/OPENAI_API_KEY}
  - model_name: ours
    litellm_params:
      {model: custom_openai/stand-in-ours, api_base: 'https://chat.example.test/v1', api_key: sk-in-clear-77}
  - model_name: bedrock-left-behind
    litellm_params: {model: bedrock/x, aws_region_name: eu-central-1}
router_settings: {model_group_alias: {gpt-4: smart}, fallbacks: [{ours: [fast]}]}
general_settings: {master_key: sk-1234}
"""  # fmt: skip
EXPORT = {
    "keys": [
        {"token": "88dc28", "key_name": "sk-...ab12", "user_id": "ada", "team_id": "t1", "models": ["fast", "ours"]},
        {"token": "99dc28", "key_name": "sk-...cd34", "user_id": "bob", "rpm_limit": 2},
    ],
    "teams": [{"team_id": "t1", "team_alias": "physics"}],
}
SECRETS = {"openai-api-key": "sk-of-openai-1", "litellm-custom-openai-1": "sk-of-ours-1"}


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    stand_in = Provider(tmp_path_factory.mktemp("second"))
    yield stand_in
    stand_in.stop()


@pytest.fixture(scope="module")
def moved(provider, second, tmp_path_factory):
    """The site with what was imported in force, and the new keys by owner."""
    folder = tmp_path_factory.mktemp("moved")
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "export.json").write_text(json.dumps(EXPORT))
    with site_at(folder / "site", provider, second) as site:
        words = (folder / "config.yaml", "--export", folder / "export.json", "--to", folder / "new", "--json")
        told = json.loads(site.run("import", "litellm", *map(str, words)).stdout)
        site.down()
        site.config = folder / "new" / "gnomon.yaml"
        assert {one["name"] for one in told["held"]} == set(SECRETS)
        for one in told["held"]:
            (folder / "key").write_text(SECRETS[one["name"]])
            site.run("keys", "add", one["name"], "--provider", one["provider"], "--from", str(folder / "key"))
        site.run("config", "check")
        site.up()
        yield site, {one["owner"]: one["key"] for one in told["keys"]}


def ask(moved, owner, model, **more):
    site, keys = moved
    base = f"http://127.0.0.1:{site.gateway}/v1"
    with openai.OpenAI(api_key=keys.get(owner, owner), base_url=base, max_retries=0, timeout=30) as client:
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "hello"}], **more)
        pieces = [chunk.choices[0].delta for chunk in answer if chunk.choices] if more.get("stream") else None
        return "".join(one.content or "" for one in pieces) if pieces else answer.choices[0].message.content


def arrived(stand_in):
    last = stand_in.arrivals()[-1]
    return json.loads(last["body"])["model"], last["authorization"]


@pytest.mark.parametrize(
    ("owner", "model", "sent", "key"),
    [
        ("ada", "fast", "stand-in-fast", "sk-of-openai-1"),
        ("bob", "gpt-4", "stand-in-smart", "sk-of-openai-1"),
        ("litellm-master", "smart", "stand-in-smart", "sk-of-openai-1"),
    ],
)
def test_clients_ask_as_before(moved, provider, owner, model, sent, key):
    assert ask(moved, owner, model)
    assert arrived(provider) == (sent, f"Bearer {key}")


@pytest.mark.parametrize("stream", [False, True])
def test_another_provider_answers_its_models(moved, second, stream):
    assert ask(moved, "ada", "ours", stream=stream)
    assert arrived(second) == ("stand-in-ours", "Bearer sk-of-ours-1")


@pytest.mark.parametrize(
    ("owner", "model", "status"),
    [
        ("ada", "smart", 403),  # not among the models of that key
        ("ada", "gpt-4", 403),
        ("litellm-master", "bedrock-left-behind", 403),  # told in the report, and never sent to another provider
        ("litellm-master", "never-listed", 403),
        ("sk-1234", "fast", 403),  # the old master key opens nothing
    ],
)
def test_what_is_not_theirs_is_refused(moved, provider, second, owner, model, status):
    before = len(provider.arrivals()), len(second.arrivals())
    with pytest.raises(openai.APIStatusError) as raised:
        ask(moved, owner, model)
    assert raised.value.status_code == status
    assert (len(provider.arrivals()), len(second.arrivals())) == before


def test_limits_of_a_key_hold(moved):
    def all_four():
        for _ in range(4):
            ask(moved, "bob", "fast")

    with pytest.raises(openai.RateLimitError):
        all_four()


def test_no_old_secret_lies_in_what_was_written(moved):
    site, keys = moved
    files = b"".join(path.read_bytes() for path in site.config.parent.iterdir())
    for secret in ("sk-in-clear-77", "sk-1234", "88dc28", *keys.values(), *SECRETS.values()):
        assert secret.encode() not in files
    assert HOST.encode() in files
