"""Requests whose signature covers the body, and a new signature with the appliance's own credentials.

Sources: AWS "Signature Version 4 signing process" (docs.aws.amazon.com/IAM), with vectors of aws-sig-v4-test-suite; RFC
9421 (HTTP message signatures, `content-digest`); Alibaba Cloud ACS3, Tencent Cloud TC3, Volcengine and Oracle Cloud
signing pages.

Rules: pure, time as an argument; in doubt a signature breaks: a body that is sent with a signature that does not fit is
refused by the service, which looks like its fault; secrets are in no error and no repr.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, unquote

import msgspec

Headers = Iterable[tuple[str, str]]
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
ALGORITHM: Final = "AWS4-HMAC-SHA256"
_BODY_SCHEMES = ("aws4-", "tc3-hmac-", "acs3-", "hmac-sha256 ")
_PRESIGNED = re.compile(r"(?:^|&)X-(?:Amz|Goog)-Signature=", re.IGNORECASE)
_DIGESTS = ("content-digest", "digest", "x-content-sha256")
_BLANKS = re.compile(r" +")
_OWN = frozenset({"x-amz-date", "x-amz-security-token", "x-amz-content-sha256", "host", "authorization"})


class Signer(msgspec.Struct, frozen=True):
    """Credentials of AWS that the appliance holds. `service` is `bedrock` for Bedrock's runtime."""

    key_id: str
    secret: str
    region: str
    service: str
    session_token: str = ""

    def __repr__(self) -> str:
        return f"Signer({self.region}, {self.service})"


def signature_breaks(headers: Headers, query: str = "") -> bool:
    """Whether an edit of the body would break a signature of the request. `query`: of its path, without `?`."""
    told = [(name.lower(), value.strip()) for name, value in headers]
    content = {value for name, value in told if name == "x-amz-content-sha256"}
    if content == {UNSIGNED}:
        return False
    if content or _PRESIGNED.search(query):
        return True
    for name, value in told:
        lowered = value.lower()
        if name == "authorization" and (lowered.startswith(_BODY_SCHEMES) or _covers_digest(lowered, "signature ")):
            return True
        if name == "signature-input" and _covers_digest(lowered, ""):
            return True
    return False


def signature_covers_target(headers: Headers, query: str = "") -> bool:
    """Whether an edit of the path or the query would break a signature; each of these schemes signs both."""
    told = [(name.lower(), value.strip().lower()) for name, value in headers]
    schemes = (*_BODY_SCHEMES, "signature ")
    if any(
        name == "signature-input" or (name == "authorization" and value.startswith(schemes)) for name, value in told
    ):
        return True
    return _PRESIGNED.search(query) is not None


def _covers_digest(value: str, scheme: str) -> bool:
    return value.startswith(scheme) and any(digest in value for digest in _DIGESTS)


def resign(
    method: str, path: str, headers: Headers, body: bytes, signer: Signer, now: float
) -> tuple[tuple[str, str], ...]:
    """The request's headers with a signature of `signer` in the place of the client's, in their order.

    `path` with its query, as it goes out; `headers` must hold `host`; `now` in epoch seconds. Signed are host,
    content-type and what begins with x-amz-.
    """
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = tuple((name, value) for name, value in headers if name.lower() not in _OWN or name.lower() == "host")
    own = [("X-Amz-Date", stamp)]
    if signer.session_token:
        own.append(("X-Amz-Security-Token", signer.session_token))
    given = (*kept, *own)
    chosen = [(name, value) for name, value in given if _is_signed(name.lower())]
    signed, canonical = canonical_request(method, path, chosen, hashlib.sha256(body).hexdigest(), signer.service)
    scope = f"{stamp[:8]}/{signer.region}/{signer.service}/aws4_request"
    to_sign = "\n".join((ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    signature = hmac.new(_key(signer, stamp[:8]), to_sign.encode(), hashlib.sha256).hexdigest()
    credential = f"Credential={signer.key_id}/{scope}"
    told = f"{ALGORITHM} {credential}, SignedHeaders={signed}, Signature={signature}"
    return (*given, ("Authorization", told))


def _is_signed(name: str) -> bool:
    return name in {"host", "content-type"} or name.startswith("x-amz-")


def canonical_request(method: str, path: str, headers: Headers, digest: str, service: str) -> tuple[str, str]:
    """Names of `headers` as they are signed, and what is signed: the request in one form.

    `digest`: sha256 hex of the body.
    """
    bare, _, query = path.partition("?")
    values: dict[str, list[str]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(_BLANKS.sub(" ", value.strip()))
    lines = "".join(f"{name}:{','.join(values[name])}\n" for name in sorted(values))
    signed = ";".join(sorted(values))
    # Every service but S3 encodes the path once more, as it stands in the request.
    where = quote(bare or "/", safe="/-_.~") if service != "s3" else bare or "/"
    return signed, "\n".join((method, where, _canonical_query(query), lines, signed, digest))


def _canonical_query(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    coded = sorted((_coded(name), _coded(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in coded)


def _coded(text: str) -> str:
    return quote(unquote(text), safe="-_.~")


def _key(signer: Signer, day: str) -> bytes:
    key = f"AWS4{signer.secret}".encode()
    for part in (day, signer.region, signer.service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
