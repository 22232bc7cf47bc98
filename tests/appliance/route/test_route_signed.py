"""Signatures over bodies: which break, and a new one as AWS's own test vectors have it."""

import pytest

from appliance.route.signed import ALGORITHM, Signer, resign, signature_breaks

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AWS = f"{ALGORITHM} Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00"
THEN = 1440938160.0  # 2015-08-30 12:36:00 UTC


@pytest.mark.parametrize(
    ("headers", "query", "breaks"),
    [
        ([("Authorization", AWS)], "", True),
        ([("authorization", AWS.lower())], "", True),
        ([("Authorization", AWS.replace(ALGORITHM, "AWS4-ECDSA-P256-SHA256"))], "", True),
        ([("Authorization", AWS), ("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")], "", False),
        ([("Authorization", AWS), ("X-Amz-Content-Sha256", "a" * 64)], "", True),
        ([("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("x-amz-content-sha256", "a" * 64)], "", True),
        ([("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")], "", True),
        ([], "X-Amz-Algorithm=A&X-Amz-Signature=00", True),
        ([], "x-amz-signature=00", True),
        ([], "q=X-Amz-Signature", False),
        ([("Authorization", "Bearer bedrock-api-key-x")], "", False),
        ([("Authorization", "Basic eDp5")], "model=a", False),
        ([("Authorization", "TC3-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=0")], "", True),
        ([("Authorization", "ACS3-HMAC-SHA256 Credential=x")], "", True),
        ([("Authorization", "HMAC-SHA256 Credential=x")], "", True),
        ([("Authorization", 'Signature version="1",headers="date x-content-sha256"')], "", True),
        ([("Authorization", 'Signature version="1",headers="date host"')], "", False),
        ([("Signature-Input", 'sig=("@method" "content-digest");keyid="k"')], "", True),
        ([("Signature-Input", 'sig=("@method" "@path");keyid="k"')], "", False),
        ([], "", False),
    ],
)
def test_which_signatures_an_edit_breaks(headers, query, breaks):
    assert signature_breaks(headers, query) is breaks


@pytest.mark.parametrize(
    ("method", "path", "signature"),
    [  # aws-sig-v4-test-suite: get-vanilla, post-vanilla, get-vanilla-query-order-key-case, post-vanilla-query
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("GET", "/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ("POST", "/?Param1=value1", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
    ],
)
def test_a_new_signature_is_that_of_the_published_vectors(method, path, signature):
    signer = Signer(*KEYS, "us-east-1", "service")
    told = dict(resign(method, path, [("Host", "example.amazonaws.com")], b"", signer, THEN))
    assert told["X-Amz-Date"] == "20150830T123600Z"
    assert told["Authorization"].endswith(f"Signature={signature}")


def test_a_model_in_the_path_a_body_and_a_session_are_signed_as_botocore_does():
    """The figure is botocore 1.43's, SigV4Auth, for the same request."""
    path = "/model/us.anthropic.claude-3%3A0/converse"
    host = ("Host", "bedrock-runtime.us-east-1.amazonaws.com")
    signer = Signer(*KEYS, "us-east-1", "bedrock", "TOKEN/==")
    old = [("Authorization", AWS), ("X-Amz-Date", "20000101T000000Z"), ("x-amz-security-token", "theirs")]
    sent = resign(
        "POST", path, [host, *old, ("Content-Type", "application/json"), ("Accept", "*/*")], b'{"a":1}', signer, THEN
    )
    told = dict(sent)
    assert [name for name, _ in sent] == [
        "Host",
        "Content-Type",
        "Accept",
        "X-Amz-Date",
        "X-Amz-Security-Token",
        "Authorization",
    ]
    assert told["X-Amz-Security-Token"] == "TOKEN/=="
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, " in told["Authorization"]
    assert told["Authorization"].endswith("18dba0351d927d613cf9e6063d463c4e5b1a95affd36895d0420b70d3e4ecc2c")


def test_no_secret_is_told():
    assert "EXAMPLE" not in repr(Signer(*KEYS, "us-east-1", "bedrock", "token"))
