"""A whole import: every value accounted for, no secret anywhere, and what was made means what the source meant."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litellm_world import CONFIG, EXPORT, HASH, IN_CLEAR, MASTER, NOW, read_from, taken_over, value

from appliance.config.catalogue import load_catalogue
from appliance.config.litellm.account import UNKNOWN, Account, Outcome, leaves
from appliance.config.litellm.imported import Read, counted, imported
from appliance.config.litellm.report import report
from appliance.config.policy_file import parse_policy
from appliance.config.yaml_source import Document, parse
from appliance.model.errors import OperatorError
from appliance.model.facts import Facts, Principal
from appliance.model.names import Disposition, Stage
from appliance.policy.engine import compile_policy
from appliance.policy.snapshot import PolicySnapshot
from appliance.route.native import at_home

PRICES = "prices: {file: mine.yaml}\nstate_dir: state\n"
IDS = ("masterkey0", "adasnewkey", "dansnewkey")


@pytest.fixture
def found(tmp_path):
    return taken_over(tmp_path, IDS)


def test_every_value_of_the_source_stands_in_the_account(tmp_path):
    read = read_from(tmp_path)
    whole = sum(1 for document in (read.source, *read.exports) for _ in leaves(document.value))
    assert sum(counted(imported(read, (), NOW).lines).values()) == whole


def test_what_is_not_known_is_told_as_that(found):
    unknown = [line.place for line in found.lines if line.words == UNKNOWN]
    assert unknown == ["config.yaml: general_settings.of_tomorrow", "export.json: teams[0].of_tomorrow"]


def test_no_secret_of_the_source_stands_anywhere(found):
    told = "".join((*found.files.values(), report(found), repr(found)))
    for secret in (IN_CLEAR, MASTER, HASH, "redis-secret-1", "pg-secret", "lf-secret-1"):
        assert secret not in told


def test_models_become_routes(found):
    config = value(found, "gnomon.yaml")
    gateway = config["gateway"]
    assert gateway["default_route"] == "gpt-4o"
    routes = gateway["routes"]
    assert routes["gpt-4o"]["targets"] == [{"provider": "openai-2", "models": {"gpt-4": "gpt-4o"}}] or routes["gpt-4o"]
    fast = routes["fast"]["targets"]
    assert [(one["weight"], one["models"]["fast"]) for one in fast] == [(3, "gpt-4o-mini"), (1, "gpt-4.1-mini")]
    held = {config["providers"][one["provider"]]["credential"] for one in fast}
    assert held == {"held:openai-api-key", "held:litellm-openai-1"}
    claude = routes["claude"]["targets"][0]  # carried over: a name that stays the same is written down as well
    assert (claude["models"], config["providers"][claude["provider"]]["service"]) == (
        {"claude": "claude-sonnet-4-5"},
        "anthropic",
    )
    llama = routes["llama"]["targets"]
    assert [one["models"]["llama"] for one in llama] == ["llama-3.3-70b-versatile", "gpt-4o"]
    assert [config["providers"][one["provider"]]["service"] for one in llama] == ["groq", "openai"]
    assert routes["own"]["targets"][0]["models"] == {"own": "qwen"}
    assert config["egress"]["allow_private"] == [{"network": "127.0.0.1", "port": 8000, "purpose": "serves own"}]
    assert gateway["tries"] == {"retries": 5, "head_s": 60.0}
    assert gateway["health"] == {"failures": 3, "open_s": 30.0}
    assert {name for name, _, _ in found.held} >= {"openai-api-key", "groq-api-key", "litellm-openai-1"}


def test_prices_are_per_million_tokens(found):
    assert value(found, "prices.yaml") == {"models": [{"model": "llama", "input": 0.59, "output": 0.79}]}


def test_limits_become_budgets_of_the_new_keys(found):
    budgets = {one["name"]: one for one in value(found, "gnomon.yaml")["budgets"]}
    assert budgets["all-cost-day"] == {
        "name": "all-cost-day", "what": "cost", "amount": 100, "window": "day", "unpriced": "pass"
    }  # fmt: skip
    assert budgets["key-adasnewkey-cost-month"] == {
        "name": "key-adasnewkey-cost-month", "what": "cost", "amount": 10, "window": "month",
        "match": {"key": ["adasnewkey"]}, "unpriced": "pass", "warn": 80,
    }  # fmt: skip
    assert budgets["key-adasnewkey-requests-minute"]["amount"] == 2
    assert budgets["key-adasnewkey-fast-requests-minute"]["match"] == {"key": ["adasnewkey"], "model": ["fast"]}
    assert budgets["team-physics-cost-day"]["match"] == {"group": ["physics"]}
    assert budgets["user-ada-cost-month"]["amount"] == 5
    assert budgets["user-ada-streams-now"]["what"] == "streams"


def test_keys_are_minted_for_who_may_still_ask(found):
    assert [(one.owner, one.groups, one.department) for one in found.keys] == [
        ("litellm-master", (), None), ("ada", ("physics",), "research"), ("dan", (), None)
    ]  # fmt: skip
    assert found.keys[1].expires == 1_924_992_000.0
    assert found.keys[1].models == ("gpt-4o",)


def verdict(found, model, *, key="dansnewkey", service="openai", groups=(), method="POST"):
    rules = parse_policy(parse(found.files["policy.yaml"].encode(), "policy.yaml"))
    policy = compile_policy(
        PolicySnapshot(version=1, created=NOW, stage=Stage.ENFORCE, rules=rules), load_catalogue(), b"key"
    )
    who = Principal("x", "127.0.0.1", method="key", key=key, groups=groups)
    facts = Facts(
        principal="p_x", client="127.0.0.1", host="api.openai.com", port=443, service=service, category="model_api",
        listener="gateway", model=model, method=method, path="/v1/chat/completions", virtual_key=who.key, groups=groups,
    )  # fmt: skip
    return policy.judge(facts, NOW)


@pytest.mark.parametrize(
    ("model", "key", "disposition"),
    [
        ("gpt-4o", "dansnewkey", Disposition.ALLOW),
        ("gpt-4", "dansnewkey", Disposition.ALLOW),
        ("llama", "dansnewkey", Disposition.REDIRECT),
        ("fast", "dansnewkey", Disposition.REDIRECT),
        ("cloud", "dansnewkey", Disposition.BLOCK),  # could not be carried over
        ("claude", "dansnewkey", Disposition.REDIRECT),  # in other words than the default route's: carried over
        ("gpt-unheard-of", "dansnewkey", Disposition.BLOCK),
        (None, "dansnewkey", Disposition.BLOCK),  # a call whose model is not told
        ("gpt-4o", "adasnewkey", Disposition.ALLOW),
        ("llama", "adasnewkey", Disposition.BLOCK),
        ("gpt-4", "adasnewkey", Disposition.BLOCK),
    ],
)
def test_who_may_ask_for_which_model(found, model, key, disposition):
    assert verdict(found, model, key=key).effective is disposition


def test_a_team_keeps_to_its_models(found):
    assert verdict(found, "fast", groups=("physics",)).effective is Disposition.REDIRECT
    assert verdict(found, "llama", groups=("physics",)).effective is Disposition.BLOCK
    assert verdict(found, None, groups=("physics",), method="GET").effective is Disposition.ALLOW


def test_any_model_goes_where_the_star_does(tmp_path):
    config = "model_list:\n- model_name: '*'\n  litellm_params: {model: 'openai/*'}\n"
    found = taken_over(tmp_path, config=config, export=None)
    assert "models_except" not in found.files["policy.yaml"]
    assert value(found, "gnomon.yaml")["gateway"]["default_route"] == "imported"
    assert verdict(found, "gpt-unheard-of").effective is Disposition.ALLOW
    assert not found.keys


def test_the_operators_own_configuration_and_policy_are_added_to(tmp_path):
    (tmp_path / "mine.yaml").write_text("models: [{model: own, input: 0, output: 0}]\ndiscounts: [{percent: 5}]\n")
    (tmp_path / "own.yaml").write_text("rules: [{id: mine, match: {ai: true}, then: {disposition: redact}}]\n")
    base = (
        "stage: observe\npolicy: {file: own.yaml}\nlisten: {gateway: '127.0.0.1:4444'}\n"
        "budgets: [{name: before, what: requests, amount: 5, window: day}]\n"
    )
    found = taken_over(tmp_path, base=base + PRICES)
    config = value(found, "gnomon.yaml")
    assert (config["stage"], config["listen"]) == ("observe", {"gateway": "127.0.0.1:4444"})
    assert config["policy"] == {"file": "policy.yaml"}
    assert config["state_dir"] == f"{tmp_path}/state"  # it is written into another folder
    prices = value(found, "prices.yaml")
    assert [one["model"] for one in prices["models"]] == ["llama", "own"]
    assert prices["discounts"] == [{"percent": 5}]
    assert config["budgets"][0]["name"] == "before"
    assert value(found, "policy.yaml")["rules"][-1] == {
        "id": "mine", "match": {"ai": True}, "then": {"disposition": "redact"}
    }  # fmt: skip
    assert any("stage: enforce" in word for word in found.cautions)


def test_what_is_wrong_beside_the_operators_own_is_refused(tmp_path):
    with pytest.raises(OperatorError, match="all-cost-day stands twice"):
        taken_over(tmp_path, base="budgets: [{name: all-cost-day, what: requests, amount: 5, window: day}]\n")


def test_nothing_that_can_be_carried_over_is_told(tmp_path):
    found = taken_over(tmp_path, config="model_list:\n- {model_name: a, litellm_params: {model: bedrock/x}}\n")
    assert found.models == 0
    assert "signed with an AWS key" in report(found)


def test_hostile_names_are_made_inert(tmp_path):
    config = CONFIG.replace("of_tomorrow", '"\\e[2Jsk-\\n"')
    assert "\x1b" not in report(taken_over(tmp_path, config=config))


texts = st.sampled_from(["", "x", "openai/*", "openai/gpt-4o", "os.environ/K", "http://10.0.0.1:1", "1d", "*", "a[?]"])
plain = st.one_of(st.none(), st.booleans(), st.integers(-2, 10**7), st.floats(0, 9, allow_nan=False), texts)
words_ = ["model_list", "model_name", "litellm_params", "model", "api_base", "max_budget", "fallbacks", "models",
          "router_settings", "litellm_settings", "model_info", "keys", "teams", "user_id", "num_retries", "weight",
          "model_group_alias", "budget_limits", "metadata", "team_id", "budget_duration", "expires"]  # fmt: skip
trees = st.recursive(
    plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from([*words_, "of_tomorrow"]), inner, max_size=5)
    ),
    max_leaves=25,
)
entry = st.fixed_dictionaries(
    {"model_name": texts, "litellm_params": st.fixed_dictionaries({"model": texts}, optional={"api_base": texts,
     "api_key": texts, "weight": plain, "rpm": plain, "max_budget": plain, "order": plain})}
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries(
        {"model_list": st.one_of(trees, st.lists(entry, max_size=4)), "router_settings": trees},
        optional={"litellm_settings": trees, "general_settings": trees},
    ),
    st.fixed_dictionaries({"keys": trees, "teams": trees, "users": trees}),
)
def test_whatever_stands_there_is_accounted_for_and_what_is_made_is_sound(tmp_path_factory, config, export):
    read = Read(Document("c.yaml", config, {}), (Document("e.json", export, {}),), None, tmp_path_factory.getbasetemp())
    found = imported(read, (), NOW)
    assert sum(counted(found.lines).values()) == sum(1 for part in (config, export) for _ in leaves(part))


def test_an_account_covers_by_the_nearest_line():
    account = Account({"a": {"b": 1, "c": [2, {}]}, "d": None}, "f")
    account.none(("a",), "why")
    account.became(("a", "b"), "that")
    lines = account.lines()
    assert [(line.place, line.outcome, line.values) for line in lines] == [
        ("f: a.b", Outcome.TRANSLATED, 1), ("f: a", Outcome.NONE, 2), ("f: d", Outcome.NONE, 1)
    ]  # fmt: skip
    assert lines[2].words == UNKNOWN


def test_the_world_of_these_tests_is_json():
    assert msgspec.json.decode(msgspec.json.encode(EXPORT))["total_count"] == 4


AZURE = """model_list:
- model_name: gpt-4o
  litellm_params:
    {model: azure/mine, api_base: 'https://x.openai.azure.com/', api_key: os.environ/AZURE_API_KEY,
     api_version: 2024-10-21}
  model_info: {base_model: azure/gpt-4o}
- model_name: old
  litellm_params: {model: azure/o, api_base: 'https://x.openai.azure.com/openai/deployments/o'}
"""


def test_deployments_at_azure_are_asked_below_openai_v1(tmp_path):
    found = taken_over(tmp_path, config=AZURE, export=None)
    config = value(found, "gnomon.yaml")
    (provider,) = config["providers"].values()
    assert provider == {
        "service": "azure_openai", "target": "https://x.openai.azure.com", "credential": "held:azure-api-key"
    }  # fmt: skip
    (route,) = config["gateway"]["routes"].values()
    assert route["targets"][0]["models"] == {"gpt-4o": "mine"}
    assert at_home(load_catalogue().services["azure_openai"], "/v1/chat/completions") == "/openai/v1/chat/completions"
    told = report(found)
    assert "its calls stand below another path than /openai/v1" in told
    assert "take none" in told
    assert "write its price" in told
