"""What a rule cannot mean although every field of it is well-formed.

Rules: pure; each problem is told as `KEY: what, and what to do`, the key as it stands in the file; a rule with a
problem is never compiled.
"""

import re
from collections.abc import Iterator
from itertools import chain, pairwise
from typing import Final

from appliance.model.names import Direction, Disposition, Layer, Stage
from appliance.policy.rules import ANSWERABLE, EVERYONE, FILE_LAYERS, Match, Rule, Then

MAX_HEADERS: Final = 16
MAX_VALUE: Final = 256
_ONLY_TOLD: Final = frozenset({Disposition.ALLOW, Disposition.OBSERVE})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")  # RFC 9110, 5.6.2
_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?\Z")
# Fields that say how a message is framed or where it goes, and fields of our own: whoever sets them breaks it.
_FRAMING: Final = frozenset(
    {
        *(
            "host",
            "content-length",
            "content-type",
            "content-encoding",
            "transfer-encoding",
            "connection",
            "keep-alive",
        ),
        *("upgrade", "te", "trailer", "expect", "proxy-connection", "accept-encoding"),
    }
)
# A policy file is read by many and kept in snapshots and records: no place for what proves who somebody is.
_SECRET: Final = re.compile(r"auth|key|token|secret|cookie|password|credential|signature|session")
_SCHEME: Final = re.compile(r"(bearer|basic|digest|negotiate) ", re.IGNORECASE)


def problems(rule: Rule) -> tuple[str, ...]:
    """What is wrong with a rule although every field is well-formed; empty when it is sound."""
    parts = (_about_layer(rule), _about_then(rule), _about_answers(rule), _about_match(rule.match), _about_who(rule))
    return tuple(chain.from_iterable(parts))


def _about_layer(rule: Rule) -> Iterator[str]:
    match = rule.match
    if rule.layer not in FILE_LAYERS:
        yield f"layer: {rule.layer} is made of analysts' decisions; use one of {', '.join(FILE_LAYERS)}"
    if rule.layer is Layer.DEPARTMENT and not match.departments:
        yield "match.departments: a rule of layer department must name one"
    if rule.layer is Layer.USER and not (match.users or match.principals or match.groups or match.virtual_keys):
        yield "match.users: a rule of layer user must name users, principals, groups or virtual_keys"
    partly = rule.exceptions or rule.percent < EVERYONE or rule.stage is Stage.OBSERVE or rule.rollout
    if rule.layer is Layer.SAFETY and partly:
        yield "layer: a safety rule has no exceptions, no percent, no rollout and no stage observe; use organisation"


def _about_then(rule: Rule) -> Iterator[str]:
    then = rule.then
    if then.disposition is Disposition.REDIRECT and not then.route:
        yield "then.route: redirect needs a route"
    if then.names and Direction.REQUEST not in rule.match.directions:
        yield "then.names: names are read in requests only; give the rule direction request"
    if (then.obliges or then.limit) and Direction.REQUEST not in rule.match.directions:
        yield "then.disposition: strip, inject and limit are about requests; give the rule direction request"
    if len(then.inject) > MAX_HEADERS:
        yield f"then.inject: more than {MAX_HEADERS} headers"
    for name, value in then.inject.items():
        if what := _header_fault(name) or _value_fault(name, value):
            yield f"then.inject: {what}"
    for number, name in enumerate(then.strip.headers if then.strip else ()):
        if what := _header_fault(name):
            yield f"then.strip.headers.{number}: {what}"
    yield from _about_rollout(rule, then)


def _header_fault(name: str) -> str:
    if not _TOKEN.match(name):
        return "not the name of a header; write letters, digits and -, e.g. X-Department"
    if name.lower() in _FRAMING or name.lower().startswith("x-gnomon-"):
        return f"{name} says how the message travels and is the appliance's own; leave it out"
    return ""


def _value_fault(name: str, value: str) -> str:
    if _SECRET.search(name.lower()) or _SCHEME.match(value):
        return f"{name} holds credentials; give the route a held key instead (credential: held:NAME)"
    if len(value) > MAX_VALUE or not _VALUE.match(value):
        return f"the value of {name} must be 1 to {MAX_VALUE} printable ASCII characters"
    return ""


def _about_rollout(rule: Rule, then: Then) -> Iterator[str]:
    steps = rule.rollout
    if not steps:
        return
    if rule.percent < EVERYONE:
        yield "percent: a rule with a rollout has its percentages in the steps"
    if steps[-1].disposition is not then.disposition:
        yield f"rollout.{len(steps) - 1}.disposition: the last step must be then.disposition ({then.disposition})"
    for number, (before, after) in enumerate(pairwise(steps), 1):
        if after.begins <= before.begins:
            yield f"rollout.{number}.from: steps stand in the order of their days; put it after {before.begins}"
        if after.disposition.strictness < before.disposition.strictness:
            yield f"rollout.{number}.disposition: laxer than the step before ({before.disposition}); a rollout tightens"
        elif after.disposition is before.disposition and after.percent <= before.percent:
            yield f"rollout.{number}.percent: the step before says the same of as many"


def _about_answers(rule: Rule) -> Iterator[str]:
    """What is wrong with `match.directions`: an answer leaves while it is read, so less can be done about it."""
    match = rule.match
    if not match.directions:
        yield "match.directions: name request, response or both"
    if Direction.RESPONSE not in match.directions:
        if match.tools_called:
            yield "match.tools_called: what an answer calls; give the rule direction response"
        return
    whats = {rule.then.disposition, *(step.disposition for step in rule.rollout)}
    for what in sorted(whats - ANSWERABLE):
        allowed = ", ".join(one for one in Disposition if one in ANSWERABLE)
        yield f"match.directions: nothing can {what} an answer; use one of {allowed}, or leave out response"
    if Disposition.BLOCK in whats and not match.labels:
        yield "match.labels: a rule that ends answers must say on what; or leave out direction response"
    if match.tools_called and (whats - _ONLY_TOLD or Direction.REQUEST in match.directions):
        yield "match.tools_called: told when it has gone: directions: [response], and disposition allow or observe"


def _about_match(match: Match) -> Iterator[str]:
    size = match.request_bytes
    if size is not None and size.max is not None and size.max < size.min:
        yield "match.request_bytes.max: smaller than min, so nothing fits"
    if match.time is not None and not (match.time.days or match.time.hours):
        yield "match.time.days: name days or hours"
    for number, hours in enumerate(match.time.hours if match.time else ()):
        begin, _, end = hours.partition("-")
        if begin == end:
            yield f"match.time.hours.{number}: begins when it ends; leave hours out for the whole day"


def _about_who(rule: Rule) -> Iterator[str]:
    for number, one in enumerate(rule.exceptions):
        if not (one.principals or one.users or one.groups or one.virtual_keys or one.services or one.apis):
            yield f"exceptions.{number}: name principals, users, groups, virtual_keys, services or apis"
