"""A configuration and an export as they come from LiteLLM, with every kind of value that an import takes."""

import json
from pathlib import Path

from appliance.config import yaml_source
from appliance.config.litellm.imported import Read, imported
from appliance.config.litellm.source import read_config, read_export

NOW = 1_900_000_000.0
IN_CLEAR = "sk-clear-0123456789abcdef"
MASTER = "sk-master-0123456789"
CONFIG = f"""
model_list:
  - model_name: fast
    litellm_params: {{model: openai/gpt-4o-mini, api_key: os.environ/OPENAI_API_KEY, weight: 3}}
  - model_name: fast
    litellm_params: {{model: gpt-4.1-mini, api_key: {IN_CLEAR}, weight: 1}}
  - model_name: gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY, rpm: 20_000, temperature: 0.1}}
    model_info: {{access_groups: [good], mode: chat}}
  - model_name: o3
    litellm_params: {{model: openai/o3, api_key: os.environ/OPENAI_API_KEY}}
  - model_name: llama
    litellm_params: {{model: groq/llama-3.3-70b-versatile, api_key: os.environ/GROQ_API_KEY}}
    model_info: {{input_cost_per_token: 0.00000059, output_cost_per_token: 0.00000079}}
  - model_name: own
    litellm_params: {{model: hosted_vllm/qwen, api_base: 'http://127.0.0.1:8000/v1', api_key: nothing}}
  - model_name: claude
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_key: os.environ/ANTHROPIC_API_KEY}}
  - model_name: cloud
    litellm_params: {{model: azure_text/mine, api_base: 'https://x.openai.azure.com', api_key: {IN_CLEAR}}}
router_settings:
  routing_strategy: simple-shuffle
  num_retries: 9
  allowed_fails: 3
  cooldown_time: 30
  timeout: 60
  fallbacks: [{{llama: [gpt-4o]}}]
  model_group_alias: {{gpt-4: gpt-4o}}
  redis_password: redis-secret-1
litellm_settings:
  max_budget: 700
  budget_duration: 7d
  drop_params: true
  success_callback: [langfuse]
general_settings:
  master_key: {MASTER}
  database_url: postgres://user:pg-secret@db/x
  of_tomorrow: 1
environment_variables: {{LANGFUSE_SECRET: lf-secret-1}}
"""
HASH = "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b"
EXPORT = {
    "keys": [
        {"token": HASH, "key_name": "sk-...ab12", "key_alias": "batch", "user_id": "ada", "team_id": "t1",
         "models": ["good"], "max_budget": 10.0, "budget_duration": "30d", "soft_budget": 8.0, "rpm_limit": 2,
         "tpm_limit": None, "spend": 1.5, "metadata": {"model_rpm_limit": {"fast": 1}}, "blocked": None,
         "expires": "2031-01-01T00:00:00Z", "org_id": "research"},
        {"token": HASH, "key_name": "sk-...cd34", "user_id": "bob", "blocked": True},
        {"token": HASH, "key_name": "sk-...ef56", "user_id": "eve", "expires": "2020-01-01T00:00:00"},
        {"token": HASH, "key_name": "sk-...gh78", "user_id": "dan", "models": []},
    ],
    "teams": [{"team_id": "t1", "team_alias": "physics", "max_budget": 100, "budget_duration": "1d",
               "models": ["fast", "gpt-4o"], "of_tomorrow": 1}],
    "users": [{"user_id": "ada", "max_budget": 5, "max_parallel_requests": 3}],
    "total_count": 4,
}  # fmt: skip


def read_from(folder: Path, config: str = CONFIG, export=EXPORT, base: str = "") -> Read:
    (folder / "config.yaml").write_text(config)
    exports = ()
    if export is not None:
        (folder / "export.json").write_text(json.dumps(export))
        exports = (read_export(folder / "export.json"),)
    given = yaml_source.parse(base.encode(), "base.yaml") if base else None
    return Read(read_config(folder / "config.yaml"), exports, given, folder)


def taken_over(folder: Path, ids=(), **more):
    return imported(read_from(folder, **more), ids, NOW)


def value(found, name):
    return yaml_source.parse(found.files[name].encode(), name).value
