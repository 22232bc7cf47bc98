"""Members of hostile documents: of another type they are nothing, numbers are bounded, lists too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.dialects import fields
from appliance.inspect.dialects.bedrock_families import growing, items, reasons, usage
from appliance.inspect.dialects.telling import Telling, called_tools
from appliance.inspect.view import Opaque, Part
from appliance.model.detection import Segment
from appliance.model.event import Usage

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0", "index"]), inner),
    max_leaves=6,
)
PATHS = st.lists(st.sampled_from(["a", "b", "0", "1", "-1", "~0", "²", "9" * 400]), max_size=4)


@given(value=ANY, path=PATHS)
def test_nothing_that_is_asked_for_raises(value, path):
    found = fields.at(value, path)
    assert found is None or not path or isinstance(value, dict | list)
    fields.within(value, *path, 0)
    fields.count(value)
    fields.hosts([value])
    assert isinstance(fields.table(value), dict)
    assert all(isinstance(item, dict) for item in fields.objects(value))
    assert growing({"choices": value}, ["", "choices", "0", "delta", "content"])
    assert items({"choices": value, "outputs": value})
    assert usage({"usage": value, "results": value}) is None or isinstance(value, dict)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (0, 0),
        (7, 7),
        (7.0, 7),
        (2**48, 2**48),
        *((wrong, None) for wrong in (7.5, -1, True, "7", 2**48 + 1, float("inf"), float("nan"), 1e300)),
    ],
)
def test_a_number_of_tokens_is_whole_and_bounded(value, count):
    assert fields.count(value) == count


def test_pointers_are_followed_with_their_escapes():
    assert fields.at({"a/b": [{"~": 7}]}, ["a~1b", "0", "~0"]) == 7
    assert fields.at([1], ["1"]) is None
    assert fields.at("text", ["a"]) is None


def test_hosts_are_told_once_and_bounded():
    assert fields.hosts(["https://A.test:8/x", "https://a.test", None, "no url"]) == ("a.test", "unknown")
    assert len(fields.hosts(f"https://h{number}.test" for number in range(9999))) == fields.MAX_HOSTS


def test_what_only_the_provider_reads_is_no_file():
    parts = [Part(1, 9, "application/octet-stream", base64=True), Part(10, 20, "image/png", base64=True)]
    assert fields.files(parts, (Opaque(1, 9, "signature"), Opaque(10, 20, "image"))) == (parts[1],)


def test_the_opening_of_a_conversation_is_its_first_system_and_user_text():
    def said(role, text, channel="content"):
        return Segment(role, channel, text, "", 0, 0)

    opening = fields.seed((said("developer", "be kind"), said("user", "hi")))
    assert opening == fields.seed(
        (said("system", "be kind"), said("user", "ann", "name"), said("user", "hi"), said("user", "more"))
    )
    assert opening != fields.seed((said("user", "hi"),))
    assert fields.seed((said("assistant", "hi"),)) is None


def test_a_telling_keeps_to_its_bounds_and_to_words():
    telling = Telling()
    for word in (None, 7, "", "stop", *(f"r{number}" for number in range(200))):
        telling.finished(word)
        telling.called(word)
        telling.served(word)
    told = telling.told()
    assert (told.model, told.finish[0], len(told.finish), len(told.tools_called)) == ("stop", "stop", 128, 128)
    assert called_tools([None, "f" * 300, "f" * 300, "g"]) == ("f" * 128, "g")


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({"amazon-bedrock-invocationMetrics": {"inputTokenCount": 2, "outputTokenCount": 3}, "usage": {}}, Usage(2, 3)),
        ({"usage": {"prompt_tokens": 2, "completion_tokens": 3}}, Usage(2, 3)),
        ({"prompt_token_count": 2, "generation_token_count": 3}, Usage(2, 3)),
        ({"inputTextTokenCount": 2, "results": [{"tokenCount": 1}, {"tokenCount": 2}]}, Usage(2, 3)),
        ({"usage": "much"}, None),
    ],
)
def test_tokens_are_found_under_the_names_of_many_models(payload, told):
    assert usage(payload) == told


def test_an_alternative_is_known_by_its_own_number():
    payload = {"choices": [{"index": 4, "delta": {"tool_calls": [{"index": 2, "function": {"arguments": "{"}}]}}]}
    path = ["", "choices", "0", "delta", "tool_calls", "0", "function", "arguments"]
    assert growing(payload, path) == ("4/arguments/2", "arguments")
    assert reasons(items({"stop_reason": "end", "outputs": [{"stop_reason": "stop"}, 7]})) == ("end", "stop")
