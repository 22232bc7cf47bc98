"""The JSON Schema of a policy file: words for every key, and what it refuses."""

import msgspec

from appliance.policy.document import DIALECT, json_schema, render_schema


def test_every_key_of_every_record_has_words():
    schema = json_schema()
    bare = [
        f"{name}.{key}"
        for name, record in schema["$defs"].items()
        for key, told in record.get("properties", {}).items()
        if not told.get("description")
    ]
    assert bare == []
    assert schema["$schema"] == DIALECT


def test_no_reference_has_a_neighbour_that_draft_7_would_pass_over():
    def refs(value):
        if isinstance(value, dict):
            if "$ref" in value:
                yield value
            for inner in value.values():
                yield from refs(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from refs(inner)

    assert all(len(found) == 1 for found in refs(json_schema()))


def test_it_refuses_unknown_keys_and_names_the_key_from():
    schema = msgspec.json.decode(render_schema())
    assert schema["$defs"]["Match"]["additionalProperties"] is False
    assert schema["$defs"]["Step"]["required"] == ["from", "disposition"]
    assert schema["$defs"]["Rule"]["properties"]["rollout"]["items"] == {"$ref": "#/$defs/Step"}
