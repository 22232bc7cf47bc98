"""`router_settings`, `litellm_settings`, `general_settings` and the other sections: what each key becomes.

Rules: pure; each key of theirs stands here once, with its counterpart or the reason why there is none; what is missing
here is told as unknown by the account.
"""

from typing import NamedTuple

from appliance.config.litellm.account import Account
from appliance.config.litellm.budgets import Whom, budgets_of, window_of
from appliance.config.litellm.budgets import budget as budget_entry
from appliance.config.litellm.source import items, number, section, text, words
from appliance.config.yaml_source import Value

type Pairs = dict[str, Value]
_LEDGER = "counters are shared by all workers of this machine without another program"
_EVIDENCE = "every exchange stands in the journal and the store; `gnomon export`, `metrics:` and `otel:` hand it on"
_CACHE = "answers are not cached"
_ADMIN = "there is no administration over HTTP and no database to reach: the command line and the terminal are it"
_REACH = "what may be reached is for policy, `listen:` and `egress:` to say"
_LENGTHS = "lengths of requests are egress.max_body_bytes and a policy rule's request_bytes"
_WRITTEN = "a request goes on as its client wrote it; what is dropped or changed is a policy rule and recorded"
_GUARDS = "guards are policy rules over what detectors find; see docs/reference/policy.schema.json"
_ROUTING = "targets are drawn by weight, kept by conversation, and put last while they fail"
NONE: dict[str, dict[str, str]] = {
    "router_settings": {
        **dict.fromkeys(
            ("redis_host", "redis_port", "redis_password", "redis_url", "redis_db", "redis_cluster_nodes"), _LEDGER
        ),
        **dict.fromkeys(("cache_responses", "cache_kwargs", "caching_groups", "client_ttl", "ttl"), _CACHE),
        **dict.fromkeys(("set_verbose", "debug_level"), "log lines are for `log:` to say"),
        **dict.fromkeys(("enable_pre_call_checks", "optional_pre_call_checks", "context_window_fallbacks"), _LENGTHS),
        **dict.fromkeys(
            ("routing_strategy_args", "polling_interval", "default_priority", "enable_tag_filtering", "routing_groups",
             "tag_filtering_match_any", "model_group_retry_policy", "retry_policy", "allowed_fails_policy",
             "content_policy_fallbacks", "max_fallbacks", "default_litellm_params", "disable_cooldowns"),
            _ROUTING,
        ),
        "provider_budget_config": "give a budget a match of services, e.g. match: {service: [openai]}",
    },
    "litellm_settings": {
        **dict.fromkeys(
            ("websearch_interception_params", "code_interpreter_interception_params"), "no tools are run here"
        ),
        **dict.fromkeys(
            ("disable_end_user_cost_tracking_prometheus_only", "require_auth_for_metrics_endpoint",
             "include_cost_in_streaming_usage"),
            _EVIDENCE,
        ),
        **dict.fromkeys(
            ("callbacks", "success_callback", "failure_callback", "service_callback", "redact_user_api_key_info",
             "turn_off_message_logging", "langfuse_default_tags", "default_team_settings", "json_logs", "set_verbose"),
            _EVIDENCE,
        ),
        **dict.fromkeys(("cache", "cache_params", "enable_caching_on_provider_specific_optional_params"), _CACHE),
        **dict.fromkeys(("drop_params", "modify_params", "add_function_to_prompt"), _WRITTEN),
        **dict.fromkeys(("guardrails", "policies", "mcp_semantic_tool_filter"), _GUARDS),
        **dict.fromkeys(("ssl_verify", "ssl_certificate"), "servers are always verified; see egress.ca_bundle"),
        **dict.fromkeys(("context_window_fallbacks", "content_policy_fallbacks"), _LENGTHS),
        **dict.fromkeys(("default_internal_user_params", "upperbound_key_generate_params", "default_team_params"),
                        "keys are minted one by one, with budgets in the configuration"),
        **dict.fromkeys(("forward_traceparent_to_llm_provider", "return_response_headers"), _WRITTEN),
    },
    "general_settings": {
        **dict.fromkeys(
            ("database_url", "database_connection_pool_limit", "database_connection_timeout", "store_model_in_db",
             "database_type", "database_args", "disable_spend_logs", "disable_error_logs", "ui_access_mode",
             "disable_prisma_schema_update", "custom_team_metadata_validate", "team_metadata_validation_timeout",
             "team_metadata_validation_error_message",
             "allow_user_auth", "supported_db_objects", "proxy_batch_write_at", "disable_adding_master_key_hash_to_db",
             "disable_master_key_return", "disable_reset_budget", "enable_public_model_hub"),
            _ADMIN,
        ),
        **dict.fromkeys(
            ("alerting", "alert_types", "alerting_args", "alerting_threshold", "alert_to_webhook_url", "otel",
             "store_prompts_in_spend_logs", "maximum_spend_logs_retention_period"),
            _EVIDENCE,
        ),
        **dict.fromkeys(
            ("allowed_routes", "admin_only_routes", "public_routes", "pass_through_endpoints", "allowed_ips",
             "use_x_forwarded_for", "trusted_proxy_ranges", "user_url_allowed_hosts", "user_url_validation"),
            _REACH,
        ),
        **dict.fromkeys(("max_request_size_mb", "max_response_size_mb", "max_file_size_mb"), _LENGTHS),
        **dict.fromkeys(("custom_auth", "enable_jwt_auth", "litellm_jwtauth", "enable_oauth2_auth", "user_header_name"),
                        "who asks is for `identity:` to say, e.g. identity.tokens"),
        **dict.fromkeys(("key_management_system", "key_management_settings", "use_google_kms", "use_azure_key_vault"),
                        "keys are added by `gnomon keys add`, which takes a program's output (--command)"),
        **dict.fromkeys(("background_health_checks", "health_check_interval"), "see gateway.health.probe_s"),
        **dict.fromkeys(("use_redis_transaction_buffer", "coordination_redis"), _LEDGER),
        **dict.fromkeys(("completion_model", "infer_model_from_keys", "reject_clientside_metadata_tags",
                          "forward_client_headers_to_llm_api"), _WRITTEN),
    },
}  # fmt: skip
SECTIONS = {
    "environment_variables": "nothing of the environment is read or copied; keys are added by `gnomon keys add`",
    **dict.fromkeys(("guardrails", "policies", "policy_attachments"), _GUARDS),
    "mcp_servers": "tool servers are reached as they are, and governed by policy (hosted_mcp, tools)",
    "vector_store_registry": "vector stores are reached as they are, and governed by policy",
    "finetune_settings": "calls of that kind go to the default route where policy allows them",
    "files_settings": "calls of that kind go to the default route where policy allows them",
    "credential_list": "credentials are added by `gnomon keys add`; none is copied",
    "include": "other files are not followed: put all into one file and import that",
    "prompts": "prompts are their clients'",
    "search_tools": "no tools are run here",
    "sandbox_tools": "no tools are run here",
    "callback_settings": _EVIDENCE,
    "assistant_settings": "calls of that kind go to the default route where policy allows them",
}


class _Bound(NamedTuple):
    part: str
    ours: str
    low: float
    high: float
    whole: bool = False


_MAX_WAIT = 5.0  # gateway.tries.max_wait_s where nobody says otherwise
_BOUNDS = {
    "num_retries": _Bound("tries", "retries", 0, 5, whole=True),
    "timeout": _Bound("tries", "head_s", 0.1, 3600),
    "request_timeout": _Bound("tries", "head_s", 0.1, 3600),
    "retry_after": _Bound("tries", "wait_s", 0, 60),
    "allowed_fails": _Bound("health", "failures", 1, 1000, whole=True),
    "cooldown_time": _Bound("health", "open_s", 0.1, 3600),
}


class Settings(NamedTuple):
    """`fallbacks`: name to names; `aliases`: further name to name. `master`: clients may hold a master key."""

    tries: Pairs
    health: Pairs
    fallbacks: dict[str, tuple[str, ...]]
    aliases: dict[str, str]
    budgets: tuple[Pairs, ...]
    master: bool


def read_settings(source: dict[str, Value], names: tuple[str, ...], account: Account) -> Settings:
    """Everything but `model_list`. `names`: of its models, to which default fallbacks apply."""
    router, lite, general = (
        section(source, key) for key in ("router_settings", "litellm_settings", "general_settings")
    )
    tries, health = _tries(router, lite, account)
    fallbacks = _fallbacks(router, lite, names, account)
    aliases = _aliases(source, router, account)
    everybody = Whom("all", {})
    budgets = budgets_of(lite, ("litellm_settings",), everybody, account)
    budgets += _users(lite, account)
    for key in ("max_parallel_requests", "global_max_parallel_requests"):
        if amount := number(general.get(key)):
            per = "" if key.startswith("global") else "key"
            budgets.append(budget_entry(f"{key}".replace("_", "-"), "streams", amount, None, Whom("", {}, per)))
            account.became(("general_settings", key), f"budget {budgets[-1]['name']}; running streams are counted")
    master = "master_key" in general
    if master:
        account.became(("general_settings", "master_key"), "not copied; clients that hold it get a virtual key instead")
    for name, reasons in NONE.items():
        for key in section(source, name):
            if key in reasons and not account.known((name, key)):
                account.none((name, key), reasons[key])
    for key, why in SECTIONS.items():
        if key in source:
            account.none((key,), why)
    return Settings(tries, health, fallbacks, aliases, tuple(budgets), master)


def _tries(router: Pairs, lite: Pairs, account: Account) -> tuple[Pairs, Pairs]:
    """`gateway.tries` and `gateway.health`; the router's settings win, as there."""
    made: dict[str, Pairs] = {"tries": {}, "health": {}}
    for name, found in (("litellm_settings", lite), ("router_settings", router)):
        for key, value in found.items():
            amount, bound = number(value), _BOUNDS.get(key)
            if amount is None or bound is None:
                continue
            kept = min(bound.high, max(bound.low, amount))
            made[bound.part][bound.ours] = int(kept) if bound.whole else kept
            more = f"; {kept:g}, the nearest that is allowed" if kept != amount else ""
            account.became((name, key), f"gateway.{bound.part}.{bound.ours}{more}")
    if "stream_timeout" in router:
        account.none(("router_settings", "stream_timeout"), "one time holds for all: gateway.tries.head_s")
    strategy = text(router.get("routing_strategy"))
    if strategy == "simple-shuffle":
        account.taken(("router_settings", "routing_strategy"), "targets are drawn by weight")
    elif strategy:
        account.none(("router_settings", "routing_strategy"), _ROUTING)
    wait = number(made["tries"].get("wait_s"))
    if wait is not None and wait > _MAX_WAIT:
        made["tries"]["max_wait_s"] = wait
    return made["tries"], made["health"]


def _fallbacks(
    router: dict[str, Value], lite: dict[str, Value], names: tuple[str, ...], account: Account
) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, part in (("litellm_settings", lite), ("router_settings", router)):
        for number_, entry in enumerate(items(part.get("fallbacks"))):
            for model, others in entry.items() if isinstance(entry, dict) else ():
                found[model] = (*found.get(model, ()), *words(others))
                account.became((name, "fallbacks", number_), "further targets of the route, tried in order")
        for model in names if "default_fallbacks" in part else ():
            default = tuple(other for other in words(part["default_fallbacks"]) if other != model)
            found.setdefault(model, default)
            account.became((name, "default_fallbacks"), "further targets of every route without fallbacks of its own")
    return found


def _aliases(source: dict[str, Value], router: dict[str, Value], account: Account) -> dict[str, str]:
    found: dict[str, str] = {}
    lite = section(source, "litellm_settings")
    for path, part in (
        (("router_settings", "model_group_alias"), section(router, "model_group_alias")),
        (("litellm_settings", "model_alias_map"), section(lite, "model_alias_map")),
    ):
        for alias, value in part.items():
            model = text(value) or text(value.get("model") if isinstance(value, dict) else "")
            if model:
                found[alias] = model
                account.became((*path, alias), f"asked for as before; answered by {model}")
    return found


def _users(lite: dict[str, Value], account: Account) -> list[Pairs]:
    """Every user's budget."""
    most = number(lite.get("max_internal_user_budget"))
    if not most:
        return []
    window, amount, words_ = window_of(most, lite.get("internal_user_budget_duration"))
    for key in ("max_internal_user_budget", "internal_user_budget_duration"):
        if key in lite:
            account.became(("litellm_settings", key), f"budget each-user-cost-{window}{words_}")
    return [budget_entry(f"each-user-cost-{window}", "cost", amount, window, Whom("", {}, "user"))]
