"""Requests that nobody has sent: what `gnomon policy explain` is asked about, and the table of cases in a policy file.

Rules: pure records; what a case does not say is as for an ordinary call of a model.
"""

from datetime import datetime
from typing import Annotated

import msgspec

from appliance.model.names import AccountKind, Assurance, Disposition, Stage
from appliance.policy.rules import Bytes, Part

Name = Annotated[str, msgspec.Meta(min_length=1)]


class Imagined(Part, frozen=True, kw_only=True):
    """A request to explain. Its times are those of the site."""

    host: Name  # where the request goes, e.g. api.openai.com
    user: str = "anonymous"  # who asks
    groups: tuple[str, ...] = ()  # groups of that user
    department: str | None = None  # department of that user
    virtual_key: str | None = None  # id of the virtual key that is shown
    key_services: tuple[str, ...] = ()  # services that this key is for; without them all
    key_models: tuple[str, ...] = ()  # models that this key is for, `*` for any run of characters; without them all
    assurance: Assurance = Assurance.NONE  # how far the identity can be trusted
    account: AccountKind | None = None  # whose account with the provider: corporate, personal, anonymous, unknown
    listener: str = "proxy"  # proxy, gateway
    api: str | None = None  # e.g. openai.chat; without it the service's own
    model: str | None = None  # the model that is asked for
    method: str = "POST"  # of the request
    path: str = "/"  # without query
    bytes: Bytes = 0  # size of the body
    tools: tuple[str, ...] = ()  # names of declared tools
    entities: tuple[str, ...] = ()  # what its body carries: ENTITY, KIND:ENTITY, either with =SCORE
    unscanned: tuple[str, ...] = ()  # reasons for which some of it could not be read
    hosted_mcp: tuple[str, ...] = ()  # tool servers that the provider is asked to call
    at: datetime | None = None  # when, e.g. 2027-03-31T12:00:00Z; without it now


class Expected(Part, frozen=True, kw_only=True):
    """What must become of a request. What is not named may be anything."""

    disposition: Disposition  # what would hold in stage enforce
    rule: str | None = None  # the deciding rule
    hidden: tuple[str, ...] | None = None  # entities and kinds that are hidden, all of them
    route: str | None = None  # where it goes


class Case(Part, frozen=True, kw_only=True):
    """One line of the table."""

    name: Name  # what it shows
    request: Imagined  # what is sent
    expect: Expected  # what must become of it
    approved: bool = False  # an analyst has approved the service for everyone
    stage: Stage = Stage.ENFORCE  # of the site
