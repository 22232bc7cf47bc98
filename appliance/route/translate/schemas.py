"""Schemas of Google's own kind (OpenAPI 3.0 with types in capitals) as JSON Schema.

Source: Gemini API reference, `Schema`. Rules: pure; only words of the schema change, never names of properties, and
what is no such schema stays as it is.
"""

from typing import Final

from appliance.route.translate.losses import Refused

_DEEPEST: Final = 64
_ONE: Final = ("items", "additionalProperties", "additional_properties")
_MANY: Final = ("anyOf", "any_of", "prefixItems")
_NAMES: Final = {
    "any_of": "anyOf",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "additional_properties": "additionalProperties",
}
_COUNTS: Final = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_ORDER: Final = frozenset({"propertyOrdering", "property_ordering"})


def json_schema(schema: object, depth: int = 0) -> object:
    """The same as JSON Schema."""
    if not isinstance(schema, dict):
        return schema
    if depth > _DEEPEST:
        raise Refused("a schema is nested too deeply")
    made: dict[str, object] = {}
    for key, value in schema.items():
        if key in _ORDER or key == "nullable":
            continue
        name = _NAMES.get(str(key), str(key))
        made[name] = _value(str(key), name, value, depth)
    if schema.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made


def _value(key: str, name: str, value: object, depth: int) -> object:
    if name == "type" and isinstance(value, str):
        return value.lower()
    if key == "properties" and isinstance(value, dict):
        return {each: json_schema(inside, depth + 1) for each, inside in value.items()}
    if key in _ONE:
        return json_schema(value, depth + 1)
    if key in _MANY and isinstance(value, list):
        return [json_schema(inside, depth + 1) for inside in value]
    if name in _COUNTS and isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])  # 64-bit numbers are strings in Google's JSON
    return value
