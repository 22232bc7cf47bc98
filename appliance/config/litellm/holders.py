"""Keys, teams and users as their API exports them: virtual keys to be minted, budgets, and models each may ask for.

Rules: pure; neither a key nor its hash is copied: who held one gets a new one. A key that is blocked or has ended is
not minted anew. A team is a group, an organisation a department, a user the owner of the key.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from appliance.config.litellm.account import Account
from appliance.config.litellm.budgets import Whom, budgets_of, label
from appliance.config.litellm.source import items, section, text, words, yes
from appliance.config.yaml_source import Path_, Value

type Pairs = dict[str, Value]
ALL = frozenset({"all-proxy-models", "all-team-models", "*"})
_NOTHING = frozenset({"no-default-models"})
_MAX_NAME = 128
_KEPT_BOOKS = "what has been used there is not carried over: counters begin at nothing"
_NONE: dict[str, str] = {
    **dict.fromkeys(("token", "key", "key_name", "api_key"), "no key is copied: a virtual key is minted in its place"),
    **dict.fromkeys(
        ("spend", "total_spend", "model_spend", "budget_reset_at", "soft_budget_cooldown"), _KEPT_BOOKS
    ),
    **dict.fromkeys(
        ("created_at", "created_by", "updated_at", "updated_by", "settings_updated_at", "last_active", "budget_id",
         "object_permission_id", "rotation_count", "last_rotation_at", "key_rotation_at", "litellm_organization_table",
         "last_refreshed_at", "budget_reset_at", "team_member_permissions", "user_alias", "user_email", "sso_user_id",
         "team_memberships", "members_with_roles", "admins", "members", "teams", "user_role", "team_count", "key_count",
         "password_reset_required", "last_breach_check_at", "organization_memberships", "default_team_member_models",
         "members_count", "keys_count", "project_id", "agent_id", "key_type", "model_id", "litellm_model_table"),
        "their program's own books; who is in a group stands in identity.members or in each key",
    ),
    **dict.fromkeys(
        ("allowed_routes", "allowed_passthrough_routes", "denied_passthrough_routes", "permissions", "policies",
         "object_permission", "allowed_cache_controls", "guardrails", "access_group_ids", "config", "router_settings",
         "allowed_vector_store_indexes", "enforced_params", "disable_global_guardrails", "prompts", "tags",
         "budget_fallbacks", "auto_rotate", "rotation_interval"),
        "settings by key are policy rules here (match: {virtual_keys: [ID]})",
    ),
    "aliases": "names of models are the routes', the same for every key",
    "metadata": "notes of their own; only limits by model in it are carried over",
    "litellm_budget_table": "only its limits are carried over",
}  # fmt: skip


class Minted(NamedTuple):
    """A key to mint. `was`: how their list shows the old one, which is no secret."""

    was: str
    owner: str
    groups: tuple[str, ...]
    department: str | None
    models: tuple[str, ...]
    expires: float | None


class Held(NamedTuple):
    """What of an export matters. `rules`: of policy; `budgets`: with the ids of keys in them."""

    keys: tuple[Minted, ...]
    rules: tuple[Pairs, ...]
    budgets: tuple[Pairs, ...]


class Names(NamedTuple):
    """What names of models mean: all there are, and those of each access group."""

    models: tuple[str, ...]
    groups: dict[str, tuple[str, ...]]

    def of(self, asked: Sequence[str]) -> tuple[str, ...]:
        """The models that a list allows; none: all."""
        if not asked or ALL & set(asked):
            return ()
        found = [model for name in asked for model in self.groups.get(name, (name,)) if name not in _NOTHING]
        return tuple(dict.fromkeys(found)) or ("none",)


def read_holders(value: dict[str, Value], account: Account, names: Names, ids: Sequence[str], now: float) -> Held:
    """Everything of one export. `ids`: of the keys to be minted, as many as there may be."""
    teams = _team_names(value)
    keys: list[Minted] = []
    rules: list[Pairs] = []
    budgets: list[Pairs] = []
    for number, entry in enumerate(items(value.get("teams"))):
        if isinstance(entry, dict):
            path: Path_ = ("teams", number)
            group = teams.get(text(entry.get("team_id")), "")
            if not group:
                account.none(path, "a team without a name: nobody can be in it")
                continue
            whom = Whom(f"team-{group}", {"group": [group]})
            rules += _only(entry, path, f"team-{group}", {"groups": [group]}, names, account)
            budgets += _limits(entry, path, whom, account)
            _team(entry, path, group, account)
    for number, entry in enumerate(items(value.get("users"))):
        if isinstance(entry, dict) and (user := _name(entry.get("user_id"))):
            path = ("users", number)
            rules += _only(entry, path, f"user-{user}", {"users": [user]}, names, account)
            budgets += _limits(entry, path, Whom(f"user-{user}", {"user": [user]}), account)
            account.became((*path, "user_id"), f"user {user}")
            _rest(entry, path, account)
    for number, entry in enumerate(items(value.get("keys"))):
        if not isinstance(entry, dict):
            continue
        path = ("keys", number)
        made = _key(entry, path, teams, names, account, now)
        if made is not None:
            key_id = ids[len(keys)]
            keys.append(made)
            rules += _only(entry, path, f"key-{key_id}", {"virtual_keys": [key_id]}, names, account)
            budgets += _limits(entry, path, Whom(f"key-{key_id}", {"key": [key_id]}), account)
        _rest(entry, path, account)
    _pages(value, account)
    return Held(tuple(keys), tuple(_shared(rules)), tuple(budgets))


def _shared(rules: list[Pairs]) -> list[Pairs]:
    """One rule for all keys that may ask for the same models."""
    made: list[Pairs] = []
    by_models: dict[tuple[str, ...], list[Value]] = {}
    for rule in rules:
        match = section(rule, "match")
        keys = items(match.get("virtual_keys"))
        models = words(match.get("models_except"))
        if keys and models in by_models:
            by_models[models] += keys
            continue
        if keys:
            by_models[models] = keys
        made.append(rule)
    return made


def placeholder(number: int) -> str:
    """The id of a key that is not minted yet."""
    return f"{number:010d}"


def _key(entry: Pairs, path: Path_, teams: dict[str, str], names: Names, account: Account, now: float) -> Minted | None:
    ends = _moment(entry.get("expires"))
    why = "blocked there" if yes(entry.get("blocked")) else ""
    why = why or ("it has ended" if ends is not None and ends <= now else "")
    if why:
        account.none(path, f"{why}: no key is minted for it")
        return None
    team = text(entry.get("team_id"))
    group = teams.get(team, _name(team))
    owner = _name(entry.get("user_id")) or _name(entry.get("key_alias")) or group or f"litellm-key-{path[-1]}"
    department = _name(entry.get("organization_id")) or _name(entry.get("org_id"))
    told = {"user_id": f"owner {owner}", "key_alias": "note of the key", "team_id": f"group {group}"}
    told |= {"org_id": f"department {department}", "organization_id": f"department {department}"}
    told |= {"expires": "ends at the same moment"}
    for key, said in told.items():
        if entry.get(key):
            account.became((*path, key), said)
        elif key in entry:
            account.taken((*path, key), "not given")
    account.taken((*path, "blocked"), "it is not")
    was = f"{text(entry.get('key_name')) or 'a key'} {text(entry.get('key_alias'))}".strip()
    groups = (group,) if group else ()
    return Minted(was, owner, groups, department or None, names.of(words(entry.get("models"))), ends)


def _team(entry: Pairs, path: Path_, group: str, account: Account) -> None:
    for key in ("team_id", "team_alias"):
        if key in entry:
            account.became((*path, key), f"group {group}")
    if yes(entry.get("blocked")):
        account.none((*path, "blocked"), "block the group by a policy rule (match: {groups: [...]})")
    elif "blocked" in entry:
        account.taken((*path, "blocked"), "it is not")
    if text(entry.get("organization_id")):
        account.none((*path, "organization_id"), "a department is each key's: it stands at the keys of this team")
    _rest(entry, path, account)


def _limits(entry: Pairs, path: Path_, whom: Whom, account: Account) -> list[Pairs]:
    """Its own, and those of a table of limits that it is tied to."""
    own = budgets_of(entry, path, whom, account)
    tied = section(entry, "litellm_budget_table")
    named = whom._replace(name=f"{whom.name}-tied")
    return own + (budgets_of(tied, (*path, "litellm_budget_table"), named, account) if tied else [])


def _only(entry: Pairs, path: Path_, name: str, match: Pairs, names: Names, account: Account) -> list[Pairs]:
    """The rule that lets it ask for its models only."""
    asked = words(entry.get("models"))
    allowed = names.of(asked)
    if not allowed:
        if "models" in entry:
            account.taken((*path, "models"), "all models")
        return []
    account.became((*path, "models"), "a policy rule blocks all others")
    told = "This key may not ask for that model."
    whole: Pairs = {**match, "listeners": ["gateway"], "models_except": [*allowed]}
    return [{"id": f"{label(name)[:56]}-models", "layer": "user", "match": whole, "then": {"disposition": "block"},
             "reason": told}]  # fmt: skip


def _rest(entry: Pairs, path: Path_, account: Account) -> None:
    for key, value in entry.items():
        if account.known((*path, key)):
            continue
        if key in _NONE:
            account.none((*path, key), _NONE[key])
        elif value in (None, [], {}, "", 0, False):
            account.taken((*path, key), "not given")


def _pages(value: Pairs, account: Account) -> None:
    """What an answer of the API has around its lists."""
    for key in ("total_count", "current_page", "total_pages", "page", "page_size", "total"):
        if key in value:
            account.none((key,), "counts the pages of the export")


def _team_names(value: Pairs) -> dict[str, str]:
    """Id to the alias where that is one team's only, else to the id."""
    found = [entry for entry in items(value.get("teams")) if isinstance(entry, dict)]
    aliases = [_name(entry.get("team_alias")) for entry in found]
    return {
        text(entry.get("team_id")): alias if alias and aliases.count(alias) == 1 else _name(entry.get("team_id"))
        for entry, alias in zip(found, aliases, strict=True)
    }


def _name(value: Value) -> str:
    """A text as names of people and groups are here."""
    return "".join("-" if char == "*" else char for char in text(value) if char.isprintable()).strip()[:_MAX_NAME]


def _moment(value: Value) -> float | None:
    """Seconds since the epoch of an ISO date, in UTC where it says no zone."""
    try:
        found = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
