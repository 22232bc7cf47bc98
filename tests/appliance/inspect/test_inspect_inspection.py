"""The whole inspection: labels, coverage, redaction in the body's own coding, and no silence when something fails."""

import base64
import gzip
import hashlib
import json
import re

import pytest

from appliance.inspect.content import encode_body
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspector, Limits
from appliance.model.detection import Detection, Selector
from appliance.model.names import DetectionKind

CHAT = "/v1/chat/completions"
ASKED = Call("POST", CHAT, "application/json")
MAILS = Selector(entities=("EMAIL_ADDRESS",), rule="mails")
KEYS = Selector(kinds=("secret",), rule="keys")


class Finder:
    """Finds addresses and keys the plain way."""

    version = "7"
    classes = ("pii", "secret")
    max_chars = 1000
    RULES = (
        ("EMAIL_ADDRESS", DetectionKind.PII, r"[\w.]+@[\w.]+\w"),
        ("DOMAIN", DetectionKind.TOPIC, r"(?<=@)[\w.]+\w"),
        ("OPENAI_API_KEY", DetectionKind.SECRET, r"sk-\w+"),
    )

    def scan(self, text, _source=None):
        return tuple(
            Detection(*match.span(), entity, kind, 0.5 + len(entity) / 100, "test")
            for entity, kind, rule in self.RULES
            for match in re.finditer(rule, text)
        )


def chat(text, **more):
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}], **more}).encode()


def inspect(raw, coding=None, path=CHAT, content_type="application/json", **limits):
    return Inspector(Finder(), Limits(**limits)).request(Call("POST", path, content_type), coding, raw, "openai")


def test_a_chat_is_read_scanned_and_counted():
    inspection = inspect(chat("a@x.test and b@x.test, key sk-123", stream=True))
    assert (inspection.api, inspection.model, inspection.stream) == ("openai.chat", "m", True)
    assert [(label.entity, label.count) for label in inspection.labels] == [
        ("DOMAIN", 2),
        ("EMAIL_ADDRESS", 2),
        ("OPENAI_API_KEY", 1),
    ]
    assert inspection.coverage.complete
    assert inspection.coverage.scanned_by == ("pii", "secret")
    assert inspection.detector_version == "7"


@pytest.mark.parametrize("coding", [None, "gzip", "br, zstd"])
def test_redaction_keeps_the_coding_and_every_other_byte(coding):
    body = chat("Grüße an a@x.test \n Schluss")
    raw = encode_body(body, tuple(coding.split(", ")) if coding else ())
    edited, count = inspect(raw, coding).redacted(lambda one: one.kind is DetectionKind.PII)
    again = inspect(edited, coding)
    assert (count, again.problem) == (1, None)
    assert again.body == body.replace(b"a@x.test", b"<EMAIL_ADDRESS>")
    assert not any(label.kind is DetectionKind.PII for label in again.labels)


def test_what_is_not_chosen_does_not_shield_what_is():
    edited, _ = inspect(chat("a@x.test")).redacted(lambda one: one.entity == "DOMAIN")
    assert b"a@<DOMAIN>" in edited
    longest, count = inspect(chat("a@x.test")).redacted(lambda _: True)
    assert (b"<EMAIL_ADDRESS>" in longest, count) == (True, 1)


def test_a_body_without_findings_comes_back_bit_by_bit():
    raw = gzip.compress(chat("nothing"), 9)
    assert inspect(raw, "gzip").redacted(lambda _: True) == (raw, 0)
    assert inspect(raw, "gzip").edited(None, include_usage=True).body == raw


def test_usage_is_asked_for_beside_redaction():
    edited = inspect(chat("a@x.test", stream=True)).edited(lambda _: True, include_usage=True)
    told = json.loads(edited.body)
    assert told["stream_options"] == {"include_usage": True}
    assert told["messages"][0]["content"] == "<EMAIL_ADDRESS>"
    assert (edited.redactions, edited.edits) == (1, ("include_usage",))


def test_usage_is_not_asked_for_twice():
    raw = chat("x", stream=True, stream_options={"include_usage": True})
    inspection = inspect(raw)
    assert inspection.include_usage
    assert inspection.edited(None, include_usage=True).edits == ()


@pytest.mark.parametrize("path", [CHAT, "/v2/else"])
@pytest.mark.parametrize(
    ("raw", "coding", "problem"),
    [
        (b"{nope", None, "malformed_json"),
        (chat("x"), "gzip", "corrupt_encoding"),
        (chat("x"), "rot13", "unknown_encoding"),
        (b"[" * 2000 + b"]" * 2000, None, "too_deep"),
    ],
)
def test_what_cannot_be_read_is_a_problem_and_opaque(path, raw, coding, problem):
    inspection = inspect(raw, coding, path)
    assert inspection.problem == problem
    assert inspection.coverage.opaque == {problem: len(raw)}
    assert inspection.redacted(lambda _: True) == (raw, 0)
    assert inspection.api == ("openai.chat" if path == CHAT else None)


def test_duplicate_keys_are_a_problem_although_all_is_scanned():
    inspection = inspect(b'{"messages":[{"role":"user","content":"a@x.test","content":"ok"}]}')
    assert inspection.problem == "duplicate_key"
    assert inspection.coverage.complete
    assert b"<EMAIL_ADDRESS>" in inspection.redacted(lambda _: True)[0]


def test_text_over_the_bounds_is_told_not_skipped():
    inspection = inspect(chat("a@x.test" * 10), max_text=40)
    assert inspection.coverage.text_unscanned == {"too_large": 40}
    many = inspect(json.dumps([["x" * 30] * 4]).encode(), path="/v2/else", max_scanned=100)
    assert many.coverage.text_unscanned == {"too_large": 20}


def test_text_beyond_the_detectors_reach_is_scanned_too():
    inspection = inspect(chat("x " * 2000 + "a@x.test"))
    assert inspection.coverage.complete
    assert b"<EMAIL_ADDRESS>" in inspection.redacted(lambda _: True)[0]


def test_a_detector_that_fails_is_heard():
    class Broken(Finder):
        def scan(self, _text, _source=None):
            raise RuntimeError("recogniser lost")

    with pytest.raises(RuntimeError, match="recogniser lost"):
        Inspector(Broken()).request(Call("POST", CHAT), None, chat("x"), None)


def test_chat_is_read_as_json_whatever_the_content_type_says():
    assert inspect(chat("a@x.test"), content_type="application/x-www-form-urlencoded").labels


def test_an_answer_tells_usage_model_and_coverage():
    answer = {
        "model": "m-2",
        "choices": [{"message": {"role": "assistant", "content": "a@x.test"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3},
    }
    raw = gzip.compress(json.dumps(answer).encode())
    inspector = Inspector(Finder())
    plain = inspector.response("openai.chat", ASKED, "application/json", "gzip", raw, skip="too_large")
    assert (plain.view.model, plain.view.usage.input_tokens, plain.view.usage.output_tokens) == ("m-2", 9, 3)
    assert plain.coverage.text_unscanned == {"too_large": len("a@x.test") + len("m-2")}
    assert plain.labels == ()
    scanned = inspector.response("openai.chat", ASKED, "application/json", "gzip", raw)
    assert scanned.coverage.complete
    assert [label.entity for label in scanned.labels] == ["DOMAIN", "EMAIL_ADDRESS"]
    edited = scanned.edited((MAILS,))
    assert gzip.decompress(edited.body) == json.dumps(answer).encode().replace(b"a@x.test", b"<EMAIL_ADDRESS>")
    assert scanned.ended_by((KEYS, MAILS)) is MAILS
    assert scanned.edited((KEYS,)).body is raw


def test_pieces_of_a_hidden_text_do_not_stay_behind_in_its_logprobs():
    choice = {
        "message": {"role": "assistant", "content": "a@x.test"},
        "logprobs": {"content": [{"token": "a@"}, {"token": "x.test"}]},
    }
    raw = json.dumps({"choices": [choice]}).encode()
    inspection = Inspector(Finder()).response("openai.chat", ASKED, "application/json", None, raw)
    edited = inspection.edited((MAILS,))
    told = json.loads(edited.body)["choices"][0]
    assert (told["message"]["content"], told["logprobs"]) == ("<EMAIL_ADDRESS>", None)
    assert set(inspection.coverage.text_unscanned) == {"repeats"}
    assert (edited.redactions, edited.edits) == (1, ("logprobs_removed",))


@pytest.mark.parametrize("api", ["openai.chat", None])
def test_an_answer_that_is_not_what_it_says_is_read_as_text(api):
    """What a gateway in between says comes under any type; its reader sees the text as it stands."""
    told = Inspector(Finder()).response(api, ASKED, "application/json", None, b"<html> ask a@x.test")
    assert (told.problem, told.coverage.complete) == (None, True)
    assert told.edited((MAILS,)).body == b"<html> ask <EMAIL_ADDRESS>"
    assert Inspector(Finder()).response(api, ASKED, "", None, b"").coverage.length == 0


@pytest.mark.parametrize("coding", ["gzip", "odd"])
def test_an_answer_that_cannot_be_read_is_opaque(coding):
    told = Inspector(Finder()).response("openai.chat", ASKED, "application/json", coding, b"{}")
    assert told.problem
    assert told.coverage.opaque == {told.problem: 2}


def test_when_the_time_is_over_what_is_left_counts_as_unscanned():
    times = iter(range(100))
    inspector = Inspector(Finder(), Limits(max_time_s=2), clock=lambda: next(times))
    inspection = inspector.request(Call("POST", "/v2/else"), None, b'["a@x.test","b@x.test","c@x.test"]', None)
    assert [bool(found) for found in inspection.detections] == [True, True, False]
    assert inspection.coverage.text_unscanned == {"out_of_time": 8}
    assert inspection.coverage.balanced


def test_a_file_in_a_body_is_told_by_its_digest_and_what_it_carries():
    raw = (
        b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nb@x.test\r\n'
        b'--b\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\ncontent-type: text/plain\r\n\r\n'
        b"mail a@x.test\r\n--b--\r\n"
    )
    inspection = inspect(raw, path="/v2/else", content_type="multipart/form-data; boundary=b")
    (upload,) = inspection.uploads
    assert (upload.media_type, upload.size) == ("text/plain", 13)
    assert upload.digest == hashlib.sha256(b"mail a@x.test").hexdigest()
    assert [(label.entity, label.count) for label in upload.labels] == [("DOMAIN", 1), ("EMAIL_ADDRESS", 1)]


@pytest.mark.parametrize("path", [CHAT, "/v2/else"])
@pytest.mark.parametrize(("text", "written"), [("é", "é"), ("é", "\\u00e9"), ("😀", "\\ud83d\\ude00"), ("x", "x")])
def test_of_a_text_that_does_not_fit_the_beginning_is_scanned(path, text, written):
    tail = " then b@x.test"
    raw = chat("PLACE").decode().replace("PLACE", f"a@x.test {written * 100}{tail}").encode()
    inspection = inspect(raw, path=path, max_text=60)
    unscanned = len(written.encode()) * (100 - 51) + len(tail)
    assert inspection.coverage.text_unscanned == {"too_large": unscanned}
    assert inspection.coverage.balanced
    edited, _ = inspection.redacted(lambda one: one.kind is DetectionKind.PII)
    assert edited == raw.replace(b"a@x.test", b"<EMAIL_ADDRESS>")
    assert json.loads(edited)["messages"][0]["content"].count(text) >= 100


def test_a_huge_text_leaves_room_for_the_small_ones_behind_it():
    raw = json.dumps(["a@x.test " * 20, "b@x.test"]).encode()
    inspection = inspect(raw, path="/v2/else", max_scanned=50)
    assert inspection.coverage.text_unscanned == {"too_large": 180 - 42}
    assert b'"b@x.test"' not in inspection.redacted(lambda _: True)[0]
    assert inspection.redacted(lambda _: True)[0].startswith(b'["<EMAIL_ADDRESS> ')


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"text=a%40x.test", "application/x-www-form-urlencoded"),
        (b"a@x.test", "text/plain"),
        (b'["a@x.test"]', "application/json"),
        (
            b'--b\r\ncontent-disposition: form-data; name="t"\r\n\r\na@x.test\r\n--b--',
            "multipart/form-data; boundary=b",
        ),
        (b"\0\0\0\0\x0a\x0a\x08a@x.test", "application/grpc"),
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/api/chat", "/v1/messages", "/v1/responses", "/model/m/converse"])
def test_what_no_server_of_a_dialect_would_read_is_read_as_what_it_is(path, body, kind):
    """A path is not enough to be a dialect's: other applications use such paths too."""
    inspection = inspect(body, path=path, content_type=kind)
    assert (inspection.problem, inspection.api) == (None, None)
    assert [label.entity for label in inspection.labels] == ["DOMAIN", "EMAIL_ADDRESS"]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
@pytest.mark.parametrize("path", [CHAT, "/api/chat", "/v1/messages", "/v1/responses", "/model/m/converse"])
def test_json_that_a_lenient_server_might_read_is_refused(path, kind):
    for body in (b'{"model": "m", "messages": [],}', b' {"model": "m"} trailing', b'\xef\xbb\xbf{"model": }'):
        assert inspect(body, path=path, content_type=kind).problem == "malformed_json"


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/realtime", "/elsewhere"])
def test_a_request_without_a_body_is_no_broken_one(path):
    inspection = Inspector(Finder()).request(Call("GET", path), None, b"", None)
    assert (inspection.problem, inspection.coverage.length) == (None, 0)


IMAGE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(80))).decode()
SOURCE = {"type": "base64", "media_type": "image/png", "data": IMAGE}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (CHAT, [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}]),
        ("/v1/messages", [{"type": "image", "source": SOURCE}]),
        ("/model/m/converse", [{"image": {"format": "png", "source": {"bytes": IMAGE}}}]),
        ("/model/m/invoke", [{"type": "image", "source": SOURCE}]),
        ("/v2/chat", [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{IMAGE}"}}]),
        ("/elsewhere", [{"data": IMAGE}]),
    ],
)
def test_a_picture_is_recorded_as_an_upload_whatever_the_dialect(path, content):
    inspection = inspect(
        json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode(), path=path
    )
    (upload,) = inspection.uploads
    assert (upload.size, upload.digest) == (88, hashlib.sha256(base64.b64decode(IMAGE)).hexdigest())
    assert inspection.coverage.opaque == {"image": inspection.coverage.opaque.get("image")}


def test_ollamas_pictures_too():
    body = {"model": "m", "messages": [{"role": "user", "content": "look", "images": [IMAGE]}]}
    (upload,) = inspect(json.dumps(body).encode(), path="/api/chat").uploads
    assert upload.size == 88
