"""Models, versions and numbers: their digits are no telephone numbers; keys and checksums count all the same."""

import json

import pytest
from real_detectors import detectors

from appliance.inspect.dialects import Call
from appliance.inspect.heads import Heads
from appliance.inspect.identifiers import is_count
from appliance.inspect.inspection import Inspector

MODELS = ("gpt-5.4-2026-08-01", "claude-sonnet-4-5-20250929", "us.anthropic.claude-3-5-sonnet-20241022-v2:0")
CARD = "4111111111111111"
KEY = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


def labels(body, path="/v1/chat/completions"):
    found = Inspector(detectors()).request(
        Call("POST", path, "application/json"), None, json.dumps(body).encode(), None
    )
    return {label.entity for label in found.labels if label.score >= 0.1}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/elsewhere"])
def test_a_model_is_no_telephone_number(model, path):
    assert labels({"model": model, "messages": []}, path) == set()


def test_nor_are_the_models_of_a_batch():
    rows = [{"custom_id": "a", "params": {"model": model, "messages": []}} for model in MODELS]
    assert labels({"requests": rows}, "/v1/messages/batches") == set()


@pytest.mark.parametrize(
    ("model", "entity"),
    [
        (f"x-{KEY}", "GITHUB_TOKEN"),
        (f"card-{CARD}", "CREDIT_CARD"),
        ("for-maria.keller@corp-mail.com", "EMAIL_ADDRESS"),
        ("212-555-0100", "PHONE_NUMBER"),
        ("call +1 212 555 0100", "PHONE_NUMBER"),
    ],
)
def test_what_is_sure_or_no_identifier_counts_in_a_model_too(model, entity):
    assert entity in labels({"model": model, "messages": []})


def test_only_the_place_of_the_model_is_looked_at_so():
    text = "tel-212-555-0100"
    said = {"role": "user", "content": text, "tool_calls": [{"function": {"arguments": json.dumps({"model": text})}}]}
    assert "PHONE_NUMBER" in labels({"model": text, "messages": [said]})
    assert "PHONE_NUMBER" in labels({"model": "m", "input": {"model": text}}, "/elsewhere")


def test_a_time_is_no_number_of_a_patient():
    assert labels({"model": "m", "metadata": {"at": 1732253692, "patient": 9434765919}}) == {"UK_NHS"}
    assert labels({"model": "m", "metadata": {"at": 1732253692}}) == set()


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_written_down_as_it_was_asked_for(model):
    heads = Heads(detectors())
    assert heads.model(model) == model
    for path in (f"/openai/deployments/{model}/chat", f"/v1/models/{model}:generateContent", f"/model/{model}/invoke"):
        assert heads.path(path, model) == path
    assert heads.model(f"x-{KEY}") == "x-<GITHUB_TOKEN>"


@pytest.mark.parametrize(
    ("text", "counts"),
    [("0123456789", True), ("345678901234", True), ("9876543210", True), ("012345678", False), ("0123456788", False)],
)
def test_ten_digits_that_count_up_or_down_are_a_count(text, counts):
    assert is_count(text) is counts
