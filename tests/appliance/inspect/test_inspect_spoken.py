"""Which strings of an answer are words that a person reads."""

import pytest

from appliance.inspect.spoken import is_spoken

WORDS = [
    "/choices/0/message/content",
    "/choices/0/delta/reasoning_content",
    "/content/0/text",
    "/candidates/0/content/parts/1/text",
    "/item/content/0/text",
    "/message/content/parts/0",
    "/results/0/outputText",
]
OTHERS = [
    "",
    "/0",
    "/item/input",
    "/item/action/text",
    "/output/3/action/query",
    "/output/1/operation/diff",
    "/content/1/input/text",
    "/candidates/0/content/parts/2/functionCall/args/text",
    "/choices/0/message/tool_calls/0/custom/content",
    "/choices/0/message/annotations/0/url_citation/content",
    "/output/2/code",
    "/item/something_new",
]


@pytest.mark.parametrize("pointer", WORDS)
def test_words(pointer):
    assert is_spoken(pointer.split("/"))


@pytest.mark.parametrize("pointer", OTHERS)
def test_calls_and_links_are_no_words(pointer):
    assert not is_spoken(pointer.split("/"))


@pytest.mark.parametrize(
    ("channel", "spoken"),
    [
        ("0/0/content", True),
        ("0/0/custom_tool_call_input", False),
        ("1/0/code_interpreter_call_code", False),
        (None, False),
    ],
)
def test_a_piece_is_what_its_channel_is(channel, spoken):
    assert is_spoken(["", "delta"], channel) is spoken
