"""OpenAI's smaller APIs beside their fixtures: paths, forms, answers that are no JSON, hostile rows of numbers."""

import json

import pytest

from appliance.inspect.dialects import Call
from appliance.inspect.dialects.openai_asset_events import AssetEvents
from appliance.inspect.dialects.openai_asset_words import VALUES, place
from appliance.inspect.dialects.openai_assets import DIALECTS
from appliance.inspect.jsonspans import MalformedBody, StringSpan
from appliance.inspect.stream.events import Event, Framing

BY_API = {dialect.api: dialect for dialect in DIALECTS}


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/v1/embeddings", "openai.embeddings"),
        ("/openai/deployments/d/embeddings", "openai.embeddings"),
        ("/api/v1/embeddings", "openai.embeddings"),
        ("/api/embeddings", None),
        ("/v1/moderations", "openai.moderations"),
        ("/v1/images/edits", "openai.images"),
        ("/v1/audio/translations", "openai.audio"),
        ("/v1/files", "openai.files"),
        ("/v1/uploads/upload_1/parts", "openai.files"),
        ("/v1/files/file-1/content", None),
        ("/v1/batches", "openai.batches"),
        ("/v1/messages/batches", None),
        ("/v1/fine_tuning/jobs", "openai.fine_tuning"),
        ("/v1/vector_stores", "openai.vector_stores"),
        ("/v1/vector_stores/vs_1/file_batches", "openai.vector_stores"),
        ("/v1/threads", None),
    ],
)
def test_paths(path, api):
    assert [dialect.api for dialect in DIALECTS if dialect.matches("POST", path)] == ([api] if api else [])


@pytest.mark.parametrize(("body", "opaque"), [("[1,2,3]", 1), ("[[1],[2,3]]", 2), ('"text"', 0), ('["a","b"]', 0)])
def test_token_ids_are_told_as_what_cannot_be_read(body, opaque):
    view = BY_API["openai.embeddings"].request(b'{"input":' + body.encode() + b"}", Call("POST", "/v1/embeddings"))
    assert [span.reason for span in view.opaque] == ["token_ids"] * opaque


def test_a_card_among_numbers_is_no_token():
    body = b'{"input":[4111111111111111,5]}'
    view = BY_API["openai.embeddings"].request(body, Call("POST", "/v1/embeddings"))
    assert view.opaque == ()
    assert [one.text for one in view.segments] == ["4111111111111111"]


def test_an_answer_that_is_no_json_is_walked():
    call = Call("POST", "/v1/audio/transcriptions")
    view = BY_API["openai.audio"].response(b"1\n00:00:00,000 --> 00:00:01,000\nAnn Lee\n", call, "text/plain")
    assert "Ann Lee" in view.segments[0].text
    sound = BY_API["openai.audio"].response(b"ID3\x04\x00\x00\x00", call, "audio/mpeg")
    assert [span.reason for span in sound.opaque] == ["audio"]


def test_a_request_that_is_no_object():
    for body in (b"[]", b"{"):
        with pytest.raises(MalformedBody):
            BY_API["openai.batches"].request(body, Call("POST", "/v1/batches", "application/json"))


def test_a_body_that_is_not_there():
    assert BY_API["openai.batches"].request(b"", Call("POST", "/v1/batches/b/cancel")).segments == ()


def test_only_images_and_audio_stream():
    streaming = {api for api, dialect in BY_API.items() if dialect.events(Call("POST", "/"), "text/event-stream")}
    assert streaming == {"openai.images", "openai.audio"}


def test_events_that_are_odd():
    reader = AssetEvents(Framing.SSE)
    assert reader.read(Event("", b"{")).malformed
    assert [text.text for text in reader.read(Event("", b'{"type":7,"delta":"x"}')).texts] == ["x"]
    assert reader.read(Event("", b"[DONE]")).texts == ()
    assert reader.told().done
    assert b'"error"' in reader.ending("policy")


def test_words_of_the_format_are_no_text():
    def spot(pointer, text):
        return place(StringSpan(pointer, 0, len(text), text, escaped=False, is_key=False), of_request=True)

    assert spot("/encoding_format", "float") is None
    assert spot("/encoding_format", "Ann") is not None
    assert all(words for words in VALUES.values())
    refusal = BY_API["openai.files"].refusal(403, "blocked", "Not here", stream=False)
    assert json.loads(refusal[1])["error"]["message"] == "Not here"
