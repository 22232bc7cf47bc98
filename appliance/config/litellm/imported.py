"""A whole import: their configuration and exports in; configuration, policy, prices, keys to mint and the account out.

Theory of operation. `imported` is asked twice: before keys are minted, with placeholders for their ids, so that all of
it is checked by our own loaders before anything is made; and with the ids afterwards. The policy is what held before
(the operator's file, or the embedded one with every rule in stage observe, because their program hides and blocks
nothing) and rules for the models. Rules: pure but for the files that a configuration of the operator's names.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from appliance.config import load, yaml_source
from appliance.config.catalogue import load_catalogue
from appliance.config.command import check_routes
from appliance.config.conversion import convert
from appliance.config.litellm.account import Account, Line, Outcome
from appliance.config.litellm.budgets import label
from appliance.config.litellm.deployments import Deployment, Models, read_models
from appliance.config.litellm.groups import Routed, chosen, routed
from appliance.config.litellm.holders import Held, Minted, Names, placeholder, read_holders
from appliance.config.litellm.settings import Settings, read_settings
from appliance.config.litellm.source import items, section
from appliance.config.policy_file import parse_policy, read_document
from appliance.config.prices_schema import PricesFile
from appliance.config.schema import Config
from appliance.config.yaml_source import Document, Value
from appliance.model.catalogue import Catalogue

type Pairs = dict[str, Value]
CONFIG, POLICY, PRICES, REPORT = "gnomon.yaml", "policy.yaml", "prices.yaml", "report.md"
MASTER = "litellm-master"


class Imported(msgspec.Struct, frozen=True):
    """`files`: name to text, sound; `keys`: to be minted, in the order of the ids; `held`: keys to be added."""

    files: dict[str, str]
    keys: tuple[Minted, ...]
    held: tuple[tuple[str, str, str], ...]  # name, service, where it is now
    lines: tuple[Line, ...]
    cautions: tuple[str, ...]
    models: int  # names that are answered here; 0: nothing is worth taking


class Read(msgspec.Struct, frozen=True):
    """What is read once. `base`: the operator's configuration that is added to."""

    source: Document
    exports: tuple[Document, ...]
    base: Document | None
    folder: Path


def imported(read: Read, ids: Sequence[str], now: float) -> Imported:
    """All of it. OperatorError: nothing can be carried over, or what was made is not sound beside `base`."""
    source = read.source.value if isinstance(read.source.value, dict) else {}
    base = _base(read)
    catalogue = _catalogue(base, read.folder)
    account = Account(source, Path(read.source.name).name)
    models = read_models(source.get("model_list"), account, catalogue)
    settings = read_settings(source, models.names, account)
    deployments = (*models.deployments, *_renamed(models.deployments, settings.aliases))
    wishes = chosen(deployments, settings.fallbacks)
    routes = routed(wishes, catalogue, account)
    names = Names((*models.names, *settings.aliases), _access_groups(models.deployments))
    keys: tuple[Minted, ...] = ()
    if settings.master:
        keys = (Minted("the master key", MASTER, (), None, (), None),)
    held = Held(keys, (), ())
    accounts = [account]
    ids = (*ids, *map(placeholder, range(len(ids), len(keys) + _most_keys(read.exports))))
    for export in read.exports:
        accounts.append(Account(export.value, export.name))
        value = export.value if isinstance(export.value, dict) else {}
        more = read_holders(value, accounts[-1], names, ids[len(held.keys) :], now)
        held = Held((*held.keys, *more.keys), (*held.rules, *more.rules), (*held.budgets, *more.budgets))
    policy = _policy(base, read.folder, (*held.rules, *_of_models(models, tuple(wishes), routes)))
    prices = _prices(base, read.folder, models)
    config = _merged(base, _config(models, settings, routes, held))
    files = {CONFIG: _rendered(config), POLICY: _rendered(policy)}
    files |= {PRICES: _rendered(prices)} if models.prices else {}
    _sound(files, catalogue)
    lines = tuple(line for one in accounts for line in one.lines())
    cautions = tuple(_cautions(base, routes, held))
    return Imported(files, held.keys, _to_hold(deployments), lines, cautions, len(wishes))


def _rendered(value: Pairs) -> str:
    """As YAML; a part that stands in two places is written twice, as a reader wants it."""
    return yaml_source.render(msgspec.json.decode(msgspec.json.encode(value)))


def _base(read: Read) -> Pairs:
    """The operator's configuration, with whole paths: it is written into another folder."""
    if read.base is None:
        return {}
    found = _settled(read.base.value, load.parse(read.base, read.folder))
    return found if isinstance(found, dict) else {}


def _settled(value: Value, config: object) -> Value:
    if isinstance(value, dict):
        parts = config if isinstance(config, dict) else {key: getattr(config, key, None) for key in value}
        return {key: _settled(item, parts.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(config, tuple):
        return [_settled(item, config[number]) for number, item in enumerate(value)]
    return config if isinstance(value, str) and type(config) is str else value


def _prices(base: Pairs, folder: Path, models: Models) -> Pairs:
    """Theirs before the operator's own: what stands first counts first."""
    given = section(base, "prices").get("file")
    before = yaml_source.read(folder / given).value if isinstance(given, str) else {}
    own = before if isinstance(before, dict) else {}
    return {**own, "models": [*models.prices, *items(own.get("models"))]}


def _most_keys(exports: Sequence[Document]) -> int:
    """No more keys than these are minted."""
    return sum(len(items(one.value.get("keys"))) for one in exports if isinstance(one.value, dict))


def _renamed(deployments: tuple[Deployment, ...], aliases: dict[str, str]) -> list[Deployment]:
    return [one._replace(asked=alias) for alias, model in aliases.items() for one in deployments if one.asked == model]


def _access_groups(deployments: Sequence[Deployment]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for one in deployments:
        for group in one.groups:
            found[group] = (*found.get(group, ()), one.asked)
    return found


def _catalogue(base: Pairs, folder: Path) -> Catalogue:
    part = base.get("catalogue")
    given = part.get("override") if isinstance(part, dict) else None
    return load_catalogue(folder / given if isinstance(given, str) else None)


def _config(models: Models, settings: Settings, routes: Routed, held: Held) -> Pairs:
    made: Pairs = {"stage": "enforce", "policy": {"file": POLICY}}
    if held.keys:
        made["identity"] = {"virtual_keys": True, "required": True}
    if routes.routes:
        gateway: Pairs = {"default_route": routes.default, "routes": routes.routes}
        gateway |= {name: part for name, part in (("tries", settings.tries), ("health", settings.health)) if part}
        made |= {"providers": routes.providers, "gateway": gateway}
    if routes.private:
        made["egress"] = {"allow_private": [*routes.private]}
    if budgets := _once((*settings.budgets, *models.budgets, *held.budgets)):
        made["budgets"] = [*budgets]
    return made | ({"prices": {"file": PRICES}} if models.prices else {})


def _once(budgets: Sequence[Pairs]) -> list[Value]:
    """Each with a name of its own."""
    taken: set[str] = set()
    made: list[Value] = []
    for one in budgets:
        name, number = str(one["name"]), 1
        while name in taken:
            number += 1
            name = f"{str(one['name'])[:58]}-{number}"
        taken.add(name)
        made.append({**one, "name": name})
    return made


def _merged(base: Pairs, ours: Pairs) -> Pairs:
    """The operator's configuration with ours added: lists get longer, single values of the operator's stay."""
    made = dict(base)
    for key, value in ours.items():
        before = made.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            made[key] = _merged(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            made[key] = [*before, *value]
        elif key not in made or key in ("file", "default_route"):
            made[key] = value
    return made


def _policy(base: Pairs, folder: Path, rules: Sequence[Pairs]) -> Pairs:
    part = base.get("policy")
    given = part.get("file") if isinstance(part, dict) else None
    document = read_document(folder / given if isinstance(given, str) else None)
    value = document.value if isinstance(document.value, dict) else {}
    before = value.get("rules")
    kept: list[Value] = []
    for rule in before if isinstance(before, list) else []:
        lowered = not given and isinstance(rule, dict) and rule.get("layer") != "safety"
        kept.append({**rule, "stage": "observe"} if lowered and isinstance(rule, dict) else rule)
    return {"rules": [*_distinct(rules), *kept]} | ({"tests": value["tests"]} if given and "tests" in value else {})


def _distinct(rules: Sequence[Pairs]) -> list[Value]:
    taken: dict[str, int] = {}
    made: list[Value] = []
    for rule in rules:
        name = str(rule["id"])
        taken[name] = taken.get(name, 0) + 1
        made.append(rule if taken[name] == 1 else {**rule, "id": f"{name[:58]}-{taken[name]}"})
    return made


def _of_models(models: Models, carried: Sequence[str], routes: Routed) -> list[Pairs]:
    """Names to their routes; a stop for names that nobody has listed, as there, and for those left behind."""
    made: list[Pairs] = [
        {
            "id": f"models-of-{label(route)[:50]}",
            "match": {"listeners": ["gateway"], "models": [_literal(name) for name in asked]},
            "then": {"disposition": "redirect", "route": route},
            "reason": "This model is answered by another route.",
        }
        for route, asked in routes.redirects.items()
    ]
    if not routes.routes:
        return made
    block: Pairs = {"disposition": "block"}
    left = [name for name in models.names if name not in carried]
    if left := [*left, *routes.unreached]:  # the default route's provider knows nothing of these
        at: Pairs = {
            "listeners": ["gateway"],
            "services": [routes.service],
            "models": [_literal(name) for name in left],
        }
        told = "This model is not served at this address; ask your administrator."
        made.insert(0, {"id": "models-left-behind", "match": at, "then": block, "reason": told})
    if "*" not in carried:
        listed: Pairs = {"listeners": ["gateway"], "models_except": [_literal(name) for name in carried]}
        told = "No such model is listed here; ask your administrator for the list."
        made.insert(0, {"id": "models-listed", "match": listed, "then": block, "reason": told})
    return made


def _literal(name: str) -> str:
    """A name in which `[` and `?` mean themselves."""
    return "".join(f"[{char}]" if char in "[?" else char for char in name)


def _sound(files: dict[str, str], catalogue: Catalogue) -> None:
    """OperatorError: our own loaders do not take it."""
    value = yaml_source.parse(files[CONFIG].encode(), CONFIG).value
    whole = value if isinstance(value, dict) else {}
    for name in ("policy", "prices"):  # not there yet: their texts are checked below
        if isinstance(part := whole.get(name), dict) and part.get("file") in (POLICY, PRICES):
            whole = {key: item for key, item in whole.items() if key != name}
    config = load.parse(yaml_source.parse(_rendered(whole).encode(), CONFIG), Path.cwd())
    check_routes(config, catalogue)
    parse_policy(yaml_source.parse(files[POLICY].encode(), POLICY))
    if PRICES in files:
        convert(yaml_source.parse(files[PRICES].encode(), PRICES), PricesFile)


def _to_hold(deployments: Sequence[Deployment]) -> tuple[tuple[str, str, str], ...]:
    """Keys that are to be added, each once."""
    found = {
        one.held: (one.held, one.service, one.variable or "in clear in the source") for one in deployments if one.held
    }
    return tuple(found[name] for name in sorted(found))


def _cautions(base: Pairs, routes: Routed, held: Held) -> list[str]:
    """What an operator should know before clients are moved."""
    listens = Config().listen.gateway
    said = [f"The gateway listens on {listens} unless listen.gateway says otherwise; off this machine it needs TLS."]
    if base.get("stage", "enforce") != "enforce":
        said.append("Names of models reach other routes than the default one only in stage: enforce.")
    if "policy" not in base:
        said.append(
            "Every rule of the embedded policy but known-bad is in stage observe: it records and hides nothing."
        )
    if routes.redirects:
        said.append("By other routes than the default one go chat calls only; embeddings, files and images do not.")
    if routes.unreached:
        said.append(f"Not reached by root /v1: {', '.join(sorted(routes.unreached)[:20])}.")
    said.append("GET /v1/models is answered by the provider of the default route, not from the list of names.")
    identity = section(base, "identity")
    if held.keys and identity.get("virtual_keys") is False:
        said.append("identity.virtual_keys is false in your configuration and stays so: the new keys are not taken.")
    if held.keys:
        said.append("Callers of the forward proxy must be known too, unless identity.required is set to false.")
    else:
        said.append("Nobody has to show a key, as there; whoever reaches the gateway uses the keys that are held.")
    return said


def counted(lines: Sequence[Line]) -> dict[str, int]:
    """How many values of the source became what."""
    return {outcome.value: sum(line.values for line in lines if line.outcome is outcome) for outcome in Outcome}
