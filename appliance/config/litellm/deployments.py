"""`model_list`: each entry read once, with what became of each of its keys.

Rules: pure; a key of a provider is never kept, neither in clear nor shortened: what is kept is the name under which it
is to be held; two entries with the same key share a name.
"""

import re
from typing import NamedTuple

from appliance.config.litellm.account import Account
from appliance.config.litellm.budgets import Whom, budgets_of
from appliance.config.litellm.providers import place_of, private_place, split_model
from appliance.config.litellm.source import environment, items, number, section, text, words, yes
from appliance.config.yaml_source import Path_, Value
from appliance.model.catalogue import Catalogue
from appliance.route.targets import parse_target

type Pairs = dict[str, Value]
_NO_NAME = re.compile(r"[^a-z0-9_-]+")
_MAX_MODEL = 128
MILLION = 1_000_000

_REASONS: dict[str, str] = {
    **dict.fromkeys(
        ("temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop", "reasoning_effort", "thinking"),
        "a request goes on as its client wrote it: nothing is filled in; a policy rule can lower max_tokens (limit)",
    ),
    **dict.fromkeys(("timeout", "stream_timeout", "max_retries"), "they hold for all routes: gateway.tries"),
    "api_version": "the paths below /openai/v1, where calls of Azure OpenAI are sent, take none",
    "base_model": "prices go by the name of the deployment: write its price into prices.yaml",
    **dict.fromkeys(
        ("extra_headers", "headers", "extra_body", "additional_drop_params", "drop_params", "organization"),
        "nothing is added to or dropped from a request by its target; a policy rule can inject or strip headers",
    ),
    **dict.fromkeys(
        ("mock_response", "litellm_credential_name", "tags", "tag_regex", "region_name", "guardrails"),
        "nothing of that kind decides about a target here",
    ),
    **dict.fromkeys(
        ("aws_access_key_id", "aws_secret_access_key", "aws_region_name", "aws_session_name", "aws_role_name",
         "vertex_project", "vertex_location", "vertex_credentials", "azure_ad_token", "tenant_id", "client_id",
         "client_secret"),
        "credentials of a cloud that signs requests or exchanges tokens: not done here, and nothing of it is copied",
    ),
}  # fmt: skip
_INFO = {
    "base_model": "prices go by the name of the deployment: write its price into prices.yaml",
    "id": "a number of their own",
    "db_model": "where their program keeps it",
    "mode": "what a call is, is read from the call",
    "supports_vision": "what a model can do is for its provider to say",
    "description": "routes have no description",
}


class _Here(NamedTuple):
    """`seen`: keys in clear, to the names that they are to be held under; forgotten after the reading."""

    catalogue: Catalogue
    seen: dict[str, str]


class Deployment(NamedTuple):
    """A model at a provider. `asked`, `sent`: its names; `held`: name of the key, empty: none; `variable`: where it is.

    `in_clear`: the source has the key itself.
    """

    asked: str
    sent: str
    service: str
    target: str
    held: str
    variable: str
    in_clear: bool
    shares: tuple[float | None, float | None, float | None]
    order: float | None
    path: Path_
    groups: tuple[str, ...] = ()

    @property
    def credential(self) -> str:
        """As a provider of ours has it."""
        return f"held:{self.held}" if self.held else "none"


class Models(NamedTuple):
    """All of `model_list`. `names`: all that clients may ask for, also of what cannot be carried over."""

    deployments: tuple[Deployment, ...]
    names: tuple[str, ...]
    prices: tuple[Pairs, ...]
    budgets: tuple[Pairs, ...]


def read_models(value: Value, account: Account, catalogue: Catalogue) -> Models:
    """Every entry that can be carried over; the others stand in the account with the reason."""
    found: list[Deployment] = []
    names: list[str] = []
    here = _Here(catalogue, {})
    prices: list[Pairs] = []
    budgets: list[Pairs] = []
    for number_, entry in enumerate(items(value)):
        path: Path_ = ("model_list", number_)
        name, params = (
            text(entry.get("model_name") if isinstance(entry, dict) else ""),
            section(entry, "litellm_params"),
        )
        if not name or not text(params.get("model")):
            account.none(path, "not an entry: it has no model_name, or no litellm_params.model")
            continue
        for old in ("tpm", "rpm", "weight"):  # where older files have them
            if isinstance(entry, dict) and old in entry:
                params = {old: entry[old], **params}
                account.became((*path, old), "share of the requests, where several targets have the name")
        one = _deployment(name, params, section(entry, "model_info"), path, account, here)
        if one is not None:
            found.append(one)
        names.append(name)
        prices += _prices(entry, path, account)
        budgets += budgets_of(params, (*path, "litellm_params"), Whom(f"model-{name}", {"model": [name]}), account)
        _rest(entry, path, account)
    return Models(tuple(found), tuple(dict.fromkeys(names)), tuple(prices), tuple(budgets))


def _deployment(
    name: str, params: dict[str, Value], info: dict[str, Value], path: Path_, account: Account, here: _Here
) -> Deployment | None:
    place_path = (*path, "litellm_params")
    provider, sent = split_model(text(params["model"]), text(params.get("custom_llm_provider")))
    base = text(params.get("api_base")) or text(params.get("base_url"))
    place = place_of(provider, "" if environment(base) else base, here.catalogue)
    why = place.why
    if environment(base):
        why = f"its address stands in the variable {environment(base)}; write it into the source and import again"
    elif not why and "*" in name + sent and not (name == "*" and sent == "*"):
        why = "a name with * is taken only as * alone; list the models of this provider one by one"
    elif not why and not all(0 < len(word) <= _MAX_MODEL and word.isprintable() for word in (name, sent)):
        why = f"a model's name here has 1 to {_MAX_MODEL} visible characters"
    if why:
        account.none(path, f"{why}; calls of it are not routed")
        return None
    held, variable, in_clear = _key(params, provider, place.variable, place.target, here.seen)
    _told(place_path, params, place.target, held, variable, account, in_clear=in_clear)
    account.taken((*path, "model_name"), f"clients ask for it as before: {name}")
    shares = (number(params.get("weight")), number(params.get("rpm")), number(params.get("tpm")))
    groups = words(info.get("access_groups"))
    order = number(params.get("order"))
    return Deployment(name, sent, place.service, place.target, held, variable, in_clear, shares, order, path, groups)


def _key(
    params: dict[str, Value], provider: str, usual: str, target: str, seen: dict[str, str]
) -> tuple[str, str, bool]:
    """Name under which the key is held, the variable it is in, and whether the source has it in clear."""
    value = text(params.get("api_key"))
    variable = environment(value) or ("" if value else usual)
    there = parse_target(target)
    if there.scheme == "http" and private_place(target) != ("127.0.0.1", there.port):
        return "", variable, False  # it would travel in clear
    if variable:
        return _slug(variable), variable, False
    if not value:
        return "", "", False
    name = f"litellm-{provider or 'key'}"
    number_ = 1 + sum(other.startswith(_slug(name)) for other in seen.values())
    return seen.setdefault(value, _slug(f"{name}-{number_}")), "", True


def _slug(name: str) -> str:
    return _NO_NAME.sub("-", name.lower().replace("_", "-")).strip("-")[:60] or "imported"


def _told(
    path: Path_, params: dict[str, Value], target: str, held: str, variable: str, account: Account, *, in_clear: bool
) -> None:
    account.became((*path, "model"), f"sent to {target}")
    for key in ("api_base", "base_url", "custom_llm_provider"):
        if key in params:
            account.became((*path, key), f"target {target}")
    if "api_key" in params and held:
        where = "it stands in clear in the source: change it at its provider" if in_clear else f"variable {variable}"
        account.became((*path, "api_key"), f"to be held as {held}; not copied ({where})")
    elif "api_key" in params:
        account.none((*path, "api_key"), "no key travels in clear over http:// here; give the server https://")
    for key in ("weight", "rpm", "tpm"):
        if key in params and not account.known((*path, key)):
            account.became(
                (*path, key), "share of the requests where several targets have the name; no limit by itself"
            )
    if "order" in params:
        account.became((*path, "order"), "order of the targets")


def _prices(entry: Value, path: Path_, account: Account) -> list[Pairs]:
    """Prices that the source gives, per million tokens."""
    names = {
        "input_cost_per_token": "input",
        "output_cost_per_token": "output",
        "cache_read_input_token_cost": "cached",
        "cache_creation_input_token_cost": "cache_write",
        "output_cost_per_reasoning_token": "reasoning",
    }
    found: Pairs = {}
    for part in ("litellm_params", "model_info"):
        for theirs, ours in names.items():
            value = number(section(entry, part).get(theirs))
            if value is not None:
                found.setdefault(ours, round(value * MILLION, 6))
                account.became((*path, part, theirs), "prices.yaml, in dollars per million tokens")
    if not {"input", "output"} <= found.keys() or not isinstance(entry, dict):
        return []
    name = text(entry.get("model_name"))
    return [{"model": name, **found}] if "*" not in name.strip("*") else []


def _rest(entry: Value, path: Path_, account: Account) -> None:
    """The keys that have no counterpart, each with its reason."""
    for key in section(entry, "litellm_params"):
        place = (*path, "litellm_params", key)
        if key in _REASONS and not account.known(place):
            account.none(place, _REASONS[key])
    for key, value in section(entry, "model_info").items():
        place = (*path, "model_info", key)
        if key == "access_groups" and words(value):
            account.became(place, "models of keys and teams that name the group")
        elif key in _INFO and not account.known(place):
            account.none(place, _INFO[key])
        elif key.startswith("supports_") and yes(value):
            account.none(place, _INFO["supports_vision"])
