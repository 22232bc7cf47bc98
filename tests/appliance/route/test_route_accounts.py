"""Whose account it is: by the signs that a provider checks, and by none that it does not."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.catalogue import load_catalogue
from appliance.model.names import AccountKind
from appliance.route.accounts import SHAPES, Corporate, account_id, of_answer, of_request, shape_of
from appliance.route.credentials import shown_key

SERVICES = load_catalogue(None).services
OURS = Corporate(
    {
        "openai_organization": ("org-Ours",),
        "chatgpt_workspace": ("0f0f0f0f-0000-4000-8000-00000000aaaa",),
        "anthropic_organization": ("550e8400-e29b-41d4-a716-446655440000",),
        "mail_domain": ("corp.example",),
        "key": ("k_ours",),
    }
)
CLAUDE = "/api/organizations/{}/chat_conversations/x/completion"


def token(**claims):
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
    return b"Bearer eyJhbGciOiJSUzI1NiJ9." + body + b".c2ln"


def chatgpt(workspace=None, plan=None, email=None):
    auth = {"chatgpt_account_id": workspace, "chatgpt_plan_type": plan}
    return token(**{"https://api.openai.com/auth": auth, "https://api.openai.com/profile": {"email": email}})


def kind(service, *headers, path="/", host="x", printed=None):
    return OURS.kind(of_request(SERVICES[service], host, path, headers, printed)).value


KEY = (b"authorization", b"Bearer sk-proj-abc")


@pytest.mark.parametrize(
    ("told", "service", "headers", "path"),
    [
        ("unknown", "openai", [KEY], "/"),
        ("corporate", "openai", [KEY, (b"OpenAI-Organization", b"org-ours")], "/"),
        ("personal", "openai", [KEY, (b"openai-organization", b"org-mine")], "/"),
        ("personal", "openai", [KEY, (b"openai-organization", b"org-ours"), (b"openai-organization", b"org-b")], "/"),
        ("anonymous", "openai", [], "/v1/models"),
        ("unknown", "anthropic", [(b"x-api-key", b"sk-ant-api03-x"), (b"openai-organization", b"org-ours")], "/"),
        ("unknown", "gemini", [], "/v1beta/models/g:generateContent?key=AIzaX"),
        ("anonymous", "chatgpt", [], "/backend-anon/conversation"),
        ("anonymous", "chatgpt", [(b"cookie", b"__Secure-next-auth.session-token=x")], "/backend-anon/conversation"),
        ("anonymous", "chatgpt", [(b"cookie", b"oai-did=1")], "/backend-api/conversation"),
        ("unknown", "chatgpt", [(b"cookie", b"a=b; __Secure-next-auth.session-token.0=secret")], "/backend-api/me"),
        ("personal", "chatgpt", [(b"authorization", chatgpt(plan="plus"))], "/backend-api/conversation"),
        ("unknown", "chatgpt", [(b"authorization", chatgpt(plan="team"))], "/backend-api/conversation"),
        ("personal", "chatgpt", [(b"authorization", chatgpt("w-other", "team", "ann@corp.example"))], "/"),
        ("corporate", "chatgpt", [(b"authorization", chatgpt(email="ann@CORP.example"))], "/"),
        ("corporate", "chatgpt", [KEY, (b"chatgpt-account-id", b"0F0F0F0F-0000-4000-8000-00000000AAAA")], "/"),
        ("unknown", "chatgpt", [KEY, (b"openai-organization", b"org-ours")], "/backend-api/conversation"),
        ("corporate", "claude", [(b"cookie", b"sessionKey=x")], CLAUDE.format("550e8400-e29b-41d4-a716-446655440000")),
        ("personal", "claude", [(b"cookie", b"sessionKey=x")], CLAUDE.format("00000000-e29b-41d4-a716-446655440000")),
        ("anonymous", "claude", [], "/"),
        ("unknown", "deepseek", [(b"authorization", chatgpt(email="ann@corp.example"))], "/"),
    ],
)
def test_whose_account(told, service, headers, path):
    assert kind(service, *headers, path=path) == told


def test_a_key_that_the_operator_named_is_ours_and_another_nobodys():
    assert kind("openai", KEY, printed="k_ours") == "corporate"
    assert kind("openai", KEY, printed="k_other") == "unknown"
    assert kind("openai", KEY, (b"openai-organization", b"org-mine"), printed="k_other") == "personal"


def test_copilot_tells_by_its_host():
    assert kind("github_copilot", KEY, host="api.individual.githubcopilot.com") == "personal"
    assert kind("github_copilot", KEY, host="api.business.githubcopilot.com") == "unknown"


def test_without_a_word_of_the_operator_nothing_is_called_personal_but_what_says_so():
    nobody = Corporate({})
    seen = of_request(SERVICES["openai"], "x", "/", [KEY, (b"openai-organization", b"org-mine")], None)
    assert nobody.kind(seen) is AccountKind.UNKNOWN


def test_what_an_answer_tells():
    seen = of_answer(SERVICES["openai"], [(b"OpenAI-Organization", b"org-ours"), (b"openai-project", b"p_1")])
    assert OURS.kind(seen) is AccountKind.CORPORATE
    assert of_answer(SERVICES["deepseek"], [(b"openai-organization", b"org-ours")]).ids == ()
    other = of_answer(SERVICES["openai"], [(b"openai-organization", b"org-other")])
    ids = {account_id(each, b"k" * 32) for each in (seen, other)}
    assert len(ids) == 2
    assert all(each.startswith("o_") and "org" not in each for each in ids)
    assert account_id(of_answer(SERVICES["openai"], []), b"k" * 32) is None


@pytest.mark.parametrize(
    "value", [b"Bearer eyJ.x.y", b"Bearer eyJ" + b"A" * 9000, b"Bearer eyJhIjox.W10.x", b"Bearer eyJ.bnVsbA.x", b"eyJ"]
)
def test_a_token_that_cannot_be_read_tells_nothing(value):
    seen = of_request(SERVICES["chatgpt"], "x", "/", [(b"authorization", value)], None)
    assert (seen.ids, seen.plan, seen.shape) == ((), None, "token")


def test_forms_of_keys():
    assert [shape_of(start + b"rest") for start, _ in SHAPES] == [word for _, word in SHAPES]
    assert shape_of(b"anything") == "other"


def test_what_stays_the_same_of_a_key():
    signed = b"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/us-east-1/bedrock/aws4_request, Signature=%d"
    shown = {shown_key([(b"authorization", signed % number)], "/") for number in range(3)}
    assert shown == {b"AKIAIOSFODNN7EXAMPLE"}
    assert shown_key([], "/x?alt=sse&key=AIza%2DX") == b"AIza-X"
    assert shown_key([], "/x?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F2026%2Fx") == b"AKIAIOSFODNN7EXAMPLE"
    assert shown_key([(b"x-api-key", b"head")], "/x?key=query") == b"head"
    assert shown_key([], "/x?keys=1") is None


@given(st.lists(st.tuples(st.binary(max_size=30), st.binary(max_size=200)), max_size=6), st.text(max_size=60))
def test_anything_is_read_without_a_fault_and_no_secret_comes_out(headers, path):
    for service in ("openai", "chatgpt", "claude", "gemini_web", "copilot", "bedrock"):
        seen = of_request(SERVICES[service], "x", path, [*headers, (b"authorization", b"Bearer top-secret")], None)
        assert "top-secret" not in repr(seen)
        OURS.kind(seen)
