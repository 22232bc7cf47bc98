"""ChatGPT's web application: operations find their text, whatever they leave out, and nothing unknown is dropped."""

import json

import pytest

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.chatgpt_web import VERSION, ChatGPTWeb
from appliance.inspect.jsonspans import MalformedBody
from appliance.inspect.stream.events import Event, Told

WEB = ChatGPTWeb()
CALL = Call("POST", "/backend-api/f/conversation", "application/json")
PART = "/message/content/parts/0"


def reading(*said):
    reader = WEB.events(CALL, "text/event-stream")
    return reader, [reader.read(Event("delta", json.dumps(one).encode())) for one in said]


def pieces(views):
    return [(text.channel, text.text) for view in views for text in view.texts if text.channel]


def begun(text="", role="assistant", number=0, status="in_progress"):
    message = {"author": {"role": role}, "content": {"content_type": "text", "parts": [text]}, "status": status}
    return {"p": "", "o": "add", "v": {"message": message}, "c": number}


def test_the_version_says_as_of_when():
    assert VERSION == "2026-11"


def test_what_is_missing_is_as_before():
    _, views = reading(begun("He"), {"p": PART, "o": "append", "v": "l"}, {"v": "lo"}, {"v": "!"})
    name = f"web/0.1{PART}"
    assert pieces(views) == [(name, "He"), (name, "l"), (name, "lo"), (name, "!")]


def test_messages_grow_beside_each_other():
    _, views = reading(
        begun(number=0),
        begun(number=1, role="tool"),
        {"p": PART, "o": "append", "v": "b"},
        {"c": 0, "v": "a"},
        {"v": "a"},
    )
    assert pieces(views) == [(f"web/1.1{PART}", "b"), (f"web/0.1{PART}", "a"), (f"web/0.1{PART}", "a")]
    assert [text.role for view in views for text in view.texts if text.channel] == ["tool", "assistant", "assistant"]


def test_a_patch_is_a_list_of_operations():
    patch = [
        {"p": PART, "o": "append", "v": "x"},
        {"v": "y"},
        {"p": "/message/status", "o": "replace", "v": "finished"},
    ]
    _, views = reading(begun(), {"p": "", "o": "patch", "v": patch}, {"v": [{"p": PART, "o": "append", "v": "z"}]})
    assert pieces(views) == [(f"web/0.1{PART}", text) for text in "xyz"]
    assert views[1].closes == ("web/0.1/",)


def test_a_text_that_is_put_begins_anew():
    _, views = reading(begun("a"), {"p": PART, "o": "replace", "v": "b"}, {"p": PART, "o": "append", "v": "c"})
    assert pieces(views) == [(f"web/0.1{PART}", "a"), (f"web/0.2{PART}", "b"), (f"web/0.2{PART}", "c")]
    assert views[1].closes == ("web/0.1/",)


@pytest.mark.parametrize(
    "said",
    [
        {"p": PART, "o": "rotate", "v": "words"},
        {"p": "/elsewhere", "o": "rotate", "v": "words"},
        {"p": "/elsewhere", "o": "append", "v": ["words"]},
        {"p": 7, "o": {}, "v": {"deep": [{"er": "words"}]}},
        {"p": "/message/the words", "o": "append", "v": ""},
        {"p": "", "o": "words", "v": 1},
        {"type": "next_year", "text": "words"},
        {"v": [{"v": "words"}, "words"]},
        {"p": "", "o": "patch", "v": "words"},
        ["words"],
    ],
)
def test_nothing_unknown_is_dropped(said):
    _, (view,) = reading(said)
    assert any("words" in text.text for text in view.texts)


def test_the_old_form_shows_only_what_is_finished():
    def message(text, status):
        return {"message": {"author": {"role": "assistant"}, "content": {"parts": [text]}, "status": status}}

    growing = message("Hello sec", "in_progress")
    payload = json.dumps(growing).encode()
    _, views = reading(growing, message("Hello secret", "finished_successfully"))
    assert [payload[start:end] for start, end in views[0].repeats] == [b'"Hello sec"']
    assert [text.text for text in views[0].texts] == []
    assert [text.text for text in views[1].texts] == ["Hello secret"]


def test_the_page_s_own_token_is_left_to_it():
    _, (view, other) = reading(
        {"type": "resume_conversation_token", "token": "eyJ.e.c"}, {"type": "other", "token": "eyJ.e.c"}
    )
    assert [span.reason for span in view.opaque] == ["session_token"]
    assert "eyJ.e.c" in [text.text for text in other.texts]


def test_what_it_tells():
    metadata = {"resolved_model_slug": "m-2", "model_slug": "m", "finish_details": {"type": "stop"}}
    reader, _ = reading(
        begun(), {"p": "/message/metadata", "o": "append", "v": metadata}, {"type": "message_stream_complete"}
    )
    assert reader.told() == Told(model="m-2", finish=("stop",), finished=1, done=True)
    failed, _ = reading({"error": "broken"})
    assert failed.told().error


def test_an_ending_is_an_error_in_the_site_s_form():
    reader, _ = reading()
    events = [Event("", block.removeprefix(b"data: ")) for block in reader.ending("drain").split(b"\n\n") if block]
    views = [reader.read(event) for event in events]
    assert views[-1].closes == ("",)
    assert (reader.told().error, reader.told().done) == (True, True)


@pytest.mark.parametrize("payload", [b"{", b"\xff", b'{"v":"\xff"}', b"[" * 9999])
def test_what_cannot_be_read_is_said(payload):
    reader, _ = reading(begun(), {"p": PART, "o": "append", "v": "a"}, {"v": "a"})
    assert reader.read(Event("", payload)).malformed


@pytest.mark.parametrize("body", [b"[]", b"", b"{"])
def test_what_is_no_message_is_refused(body):
    with pytest.raises(MalformedBody):
        WEB.request(body, CALL)


def test_a_refusal_is_shown_by_the_page():
    kind, body = WEB.refusal(403, "policy_block", "no", stream=True)
    assert (kind, json.loads(body)["detail"]["message"]) == ("application/json", "no")


@pytest.mark.parametrize(
    ("method", "path", "ours"),
    [
        ("POST", "/backend-api/conversation", True),
        ("POST", "/backend-anon/f/conversation", True),
        ("POST", "/backend-api/f/conversation/prepare", True),
        ("GET", "/backend-api/conversation/68f1", False),
        ("POST", "/backend-api/conversations", False),
        ("POST", "/v1/conversation", False),
    ],
)
def test_where_it_is_spoken(method, path, ours):
    assert WEB.matches(method, path) is ours
