"""docs/reference/catalogue.md, made from the data: what is known, from where, and how a site says otherwise.

Rules: the words of the record and of the categories stand beside the code; a test compares the page with this.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from appliance.config.catalogue import load_catalogue
from appliance.model.catalogue import CATEGORIES, Catalogue, Service

# What `sources` says, and where it is from.
SOURCES: Final = {
    "v2fly": "v2fly/domain-list-community (MIT)",
    "litellm": "BerriAI/litellm (MIT)",
    "models.dev": "models.dev (MIT)",
    "radiusmethod": "radiusmethod/shadowai-domains (MIT)",
    "abixb": "abixb/llm-hosts-blocklist (MIT)",
    "aiqso": "AIQSO/zeek-ai-detection (Apache-2.0)",
    "shadow-ai-guard": "AmanSK5/shadow-ai-guard (Apache-2.0)",
    "owner": "the owner's own addresses, as its site, documentation or clients name them; in none of the lists above",
    "advisory": "a published security advisory",
}
_MOST = 30

_HEAD = """\
# Catalogue of AI services

{services} services of {owners} owners, by {names} names; version `{version}`. Sensor, proxy and policy share it.
Made from [discovery/catalogue](../../discovery/catalogue/README.md) by
`python -m appliance.config.catalogue_reference`.

`gnomon catalogue show HOST` says which entry matches a host, where it stands and why; exit 1 where none does.

## How a name is matched

A whole name comes first, then whatever has the longest fixed end: `.name` stands for a name and everything below it, a
pattern's `*` for one label or part of one. Case, one trailing dot and the spelling of international names do not
matter; names longer than 255 octets match nothing. Two services never hold the same name, and a name below another
owner's `.name` is in the embedded data only where that wider host is marked as shared.

## Fields

| field | meaning |
|---|---|
| `id` | stable for ever: decisions and policies name it |
| `name`, `owner` | for people |
| `category` | see below; a site's own services may use other words |
| `surface` | `api`, `web`, `agent`, `mcp`, `assets` |
| `domains` | a name, or `.name` for it and everything below |
| `patterns`, `regions` | names with `*`, and what it is known to stand for: certificates are made for these only |
| `dialect` | the wire format of its chat API, where one is known |
| `shared_host` | people do other things there too: no rule that rests on `ai`, `categories` or `unapproved` denies it |
| `confidence` | 0-1, how sure it is that traffic to the name is use of AI; sites of documentation and status are low |
| `jurisdiction` | country of the owner's seat (ISO 3166); not where the servers stand |
| `trains_on_data` | `no`, `opt_in`, `opt_out`, `free_tier` (only what is not paid for), `yes`: under default settings |
| `retention_days` | how long prompts are kept by default; 0: not kept |
| `terms` | where the owner says so; a contract of your own may say otherwise, and terms change: read them |
| `sources` | who names the host |
"""

_OVERRIDE = """\
## What a site says otherwise

`catalogue.override` in the configuration names a YAML file, or a folder of `*.yaml`. It may add or replace whole
services, change fields of known ones, and remove some, each by `id`:

```yaml
services:
  - id: house_llm
    name: House LLM
    owner: Example Corp
    category: model_api
    surface: api
    domains: [.llm.corp.example]
change:
  notion: {shared_host: false, confidence: 0.9}
  openai: {also: [openai-gateway.corp.example]}   # names beside those it has; `domains` replaces them all
remove: [phind]
```

Faults are told with file, line and key, and the file is refused as a whole: an unknown id or key, a name that is no
host name, a name that another service holds. A running appliance takes it up with `gnomon reload`; where it is refused,
the old one stays in force. New names need a new intermediate certificate, which is issued by itself while the root key
is there; where it is away the change is refused with the names that need it, and the others go on.

`gnomon catalogue update FILE` reads such a file over what is in force and prints what would be added (`+`), removed
(`-`) and changed (`~`), and which names lie below another owner's; contradictions are refused. `--apply` writes the
result into the override (in a folder: into `update.yaml`).
"""


def render_reference() -> str:
    """The whole page."""
    catalogue = load_catalogue()
    services = catalogue.services.values()
    head = _HEAD.format(
        services=len(services),
        owners=len({service.owner for service in services}),
        names=sum(len(service.names) for service in services),
        version=catalogue.version,
    )
    parts = [head, _OVERRIDE, *_categories(catalogue), *_owners(services), *_terms(services), *_sources(services)]
    return "\n".join(parts) + "\n"


def _categories(catalogue: Catalogue) -> Iterator[str]:
    found = Counter(service.category for service in catalogue.services.values())
    names = Counter(service.category for service in catalogue.services.values() for _ in service.names)
    yield "## Categories\n\n| category | services | names | meaning |\n|---|---|---|---|"
    yield "\n".join(f"| `{one}` | {found[one]} | {names[one]} | {words} |" for one, words in CATEGORIES.items()) + "\n"


def _owners(services: Iterable[Service]) -> Iterator[str]:
    found = Counter(service.owner for service in services if service.owner != "unknown")
    seats = {service.owner: service.jurisdiction or "" for service in services}
    names = Counter(service.owner for service in services for _ in service.names)
    most = sorted(found, key=lambda owner: (-names[owner], owner))[:_MOST]
    yield f"## Owners\n\nThe {_MOST} with most names.\n\n| owner | seat | services | names |\n|---|---|---|---|"
    yield "\n".join(f"| {owner} | {seats[owner]} | {found[owner]} | {names[owner]} |" for owner in most) + "\n"
    seated = Counter(service.jurisdiction for service in services if service.jurisdiction)
    told = ", ".join(f"{seat} {count}" for seat, count in sorted(seated.items(), key=lambda one: (-one[1], one[0])))
    yield f"Services by seat: {told}.\n"


def _terms(services: Iterable[Service]) -> Iterator[str]:
    yield "## What owners say about prompts\n"
    yield "Public words under default settings, as far as they were looked up; not advice.\n"
    yield "| service | trains on data | keeps, days | terms |\n|---|---|---|---|"
    rows = [
        f"| {one.name} | `{one.trains_on_data}` | {_days(one.retention_days)} | {one.terms} |"
        for one in sorted(services, key=lambda one: one.name.lower())
        if one.trains_on_data
    ]
    yield "\n".join(rows) + "\n"


def _days(kept: int | None) -> str:
    return "" if kept is None else str(kept)


def _sources(services: Iterable[Service]) -> Iterator[str]:
    found = Counter(source for service in services for source in service.sources)
    yield "## Sources\n\n| source | services | what it is |\n|---|---|---|"
    yield "\n".join(f"| `{name}` | {found[name]} | {words} |" for name, words in SOURCES.items())


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_reference())
