"""A policy file as a whole, and its JSON Schema for editors.

Rules: pure; the YAML form is these records, key for key; what an editor shows beside a key is the comment beside its
field, so nothing is described twice.
"""

import inspect as source_of
import re
from typing import Any

import msgspec

from appliance.policy import cases, rules
from appliance.policy.cases import Case
from appliance.policy.rules import Rule

DIALECT = "http://json-schema.org/draft-07/schema#"
TITLE = "Gnomon policy"
_FIELD = re.compile(r"    (\w+): .*?#\s(?P<words>.+)\Z")


class PolicyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A policy file."""

    rules: tuple[Rule, ...] = ()  # the rules; their order decides only the route
    tests: tuple[Case, ...] = ()  # requests and what must become of them: `gnomon policy test`


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a policy file, with words for every key."""
    schema = msgspec.json.schema(PolicyFile)
    records = {name: record for module in (rules, cases) for name, record in vars(module).items()}
    for name, told in schema["$defs"].items():
        record = PolicyFile if name == PolicyFile.__name__ else records.get(name)
        if isinstance(record, type) and issubclass(record, msgspec.Struct):
            _describe(record, told["properties"])
    # A reference may have no neighbours in draft 7, which editors go by.
    return {"$schema": DIALECT, "title": TITLE, "allOf": [{"$ref": schema["$ref"]}], "$defs": schema["$defs"]}


def _describe(record: type[msgspec.Struct], properties: dict[str, Any]) -> None:
    matches = map(_FIELD.match, source_of.getsource(record).splitlines())
    words = {found[1]: found["words"] for found in matches if found}
    names = {field.name: field.encode_name for field in msgspec.structs.fields(record)}
    for name, text in words.items():
        told = properties.get(names.get(name, ""))
        if told is not None:
            properties[names[name]] = _with_words(told, text)


def _with_words(told: dict[str, Any], text: str) -> dict[str, Any]:
    if "$ref" not in told:
        return {"description": text, **told}
    rest = {key: value for key, value in told.items() if key != "$ref"}
    return {"description": text, "allOf": [{"$ref": told["$ref"]}], **rest}


def render_schema() -> str:
    """The schema as it is published."""
    return msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode() + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_schema())
