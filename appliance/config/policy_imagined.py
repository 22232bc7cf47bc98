"""An imagined request as policy sees it.

Rules: pure; a person's name becomes the digest that traffic of theirs would have; what cannot be read is named.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from appliance.model.detection import Coverage, Label
from appliance.model.errors import OperatorError
from appliance.model.facts import Facts
from appliance.model.names import DetectionKind
from appliance.model.pseudonym import Pseudonyms
from appliance.net.hostname import canonical_host
from appliance.policy.cases import Imagined
from appliance.policy.engine import Policy


def imagine(request: Imagined, policy: Policy, pseudonyms: Pseudonyms) -> Facts:
    """The facts of a request. OperatorError: the host is none, or what the body carries cannot be read."""
    host = canonical_host(request.host)
    if host is None:
        raise OperatorError(f"{request.host!r}: not a host; write the bare name, e.g. api.openai.com")
    service = policy.catalogue.match(host)
    opaque = dict.fromkeys(request.unscanned, 1)
    facts = Facts(
        principal=pseudonyms.person(request.user),
        client=pseudonyms.address("127.0.0.1"),
        groups=request.groups,
        department=request.department,
        assurance=request.assurance,
        account=request.account,
        virtual_key=request.virtual_key,
        key_services=request.key_services,
        key_models=tuple(model.lower() for model in request.key_models),
        service=service.id if service else None,
        category=service.category if service else None,
        listener=request.listener,
        api=request.api or (service.dialect if service else None),
        host=host,
        port=443,
        method=request.method,
        path=request.path,
        model=request.model,
        request_bytes=request.bytes,
        labels=tuple(map(_label, request.entities)),
        coverage=Coverage(length=len(opaque), opaque=opaque),
        tools_declared=request.tools,
        hosted_mcp=request.hosted_mcp,
    )
    return msgspec.structs.replace(facts, surface=service.surface) if service else facts


def moment_of(at: datetime, timezone: str) -> float:
    """Epoch seconds; a time without zone is the site's."""
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(timezone))).timestamp()


def _label(text: str) -> Label:
    name, _, score = text.partition("=")
    kind, colon, entity = name.rpartition(":")
    try:
        return Label(
            entity=entity, kind=DetectionKind(kind) if colon else DetectionKind.PII, count=1, score=_score(score or "1")
        )
    except ValueError as error:
        raise OperatorError(
            f"{text!r}: write ENTITY, KIND:ENTITY or ENTITY=SCORE, e.g. secret:OPENAI_KEY=0.9"
        ) from error


def _score(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text} is no score")
    return value
