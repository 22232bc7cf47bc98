"""A request's path and query: what a person wrote there is found and replaced, and nothing that only looks like it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_detectors import detectors

from appliance.inspect.target import inspect_target, target_without
from appliance.model.names import DetectionKind
from appliance.route.credentials import is_credential_parameter

KEY = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
MAIL = "maria.keller@corp-mail.com"


def without(target, chosen=lambda found: found.entity != "URL"):
    spots = inspect_target(detectors(), target, is_credential_parameter)
    return target_without(target, spots, chosen)


@pytest.mark.parametrize(
    ("target", "left"),
    [
        (f"/search?q={KEY}&n=1", "/search?q=%3CGITHUB_TOKEN%3E&n=1"),
        (f"/search?q=mail+{MAIL.replace('@', '%40')}+now", "/search?q=mail+%3CEMAIL_ADDRESS%3E+now"),
        (f"/files/{KEY.replace('_', '%5F')}/x?{KEY}", "/files/%3CGITHUB_TOKEN%3E/x?%3CGITHUB_TOKEN%3E"),
        ("/a/maria+x@corp-mail.com", "/a/%3CEMAIL_ADDRESS%3E"),
        (f"/é/{MAIL}?q=\udce9+{KEY}", "/%C3%A9/%3CEMAIL_ADDRESS%3E?q=%E9+%3CGITHUB_TOKEN%3E"),
        ("/x?q=call+me+at+%2B1+212+555+0100", "/x?q=call+me+at+%3CPHONE_NUMBER%3E"),
        (f"/x?a={MAIL};b={KEY}", "/x?a=%3CEMAIL_ADDRESS%3E;b=%3CGITHUB_TOKEN%3E"),
    ],
)
def test_what_is_written_in_a_target_is_hidden_there(target, left):
    told, count = without(target)
    assert told == left
    assert count == left.count("%3C")


@pytest.mark.parametrize(
    "target",
    [
        "/v1/chat/completions",
        "*",
        "/openai/deployments/gpt-4o-2024-08-06/chat/completions?api-version=2024-10-21",
        f"/v1beta/models/gemini-2.5-flash-preview-09-2025:streamGenerateContent?alt=sse&key={KEY}",
        f"/v1/realtime?model=gpt-realtime-2025-08-28&api_key={KEY}&X-Amz-Security-Token={KEY}",
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-pro-v1%3A0/invoke",
        "/v1/threads/thread_abc123DEF456ghi789JKL012/messages?limit=20&after=msg_abc123DEF456",
        "/backend-api/conversation/67b9a1c2-1234-8001-9abc-def012345678",
        "/upload/v1beta/files?uploadType=resumable&upload_id=ABPtcPoV7xkQJ8z9YwT3nS5rL2mK6pD1cH4bG0fA",
        "/_next/static/chunks/main-app-4f2d7c9a8b1e6f3d.js?v=1732253692",
    ],
)
def test_ordinary_targets_are_left_alone(target):
    assert without(target) == (target, 0)


def test_only_what_is_chosen_goes():
    told, count = without(f"/x?q={MAIL}&r={KEY}", lambda found: found.kind is DetectionKind.SECRET)
    assert (told, count) == (f"/x?q={MAIL}&r=%3CGITHUB_TOKEN%3E", 1)


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("%/?&=+;\udc80\udcff"), max_size=60))
def test_any_target_is_read_and_stays_where_nothing_is_found(rest):
    target = f"/{rest}"
    assert without(target, lambda _: False) == (target, 0)
    if "=" not in rest:  # else it may stand where a caller's own key does
        assert KEY not in without(f"{target}/{KEY}")[0]
