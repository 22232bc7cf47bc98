"""What a well-formed rule cannot mean."""

from datetime import date

import pytest
from policy_facts import policy, rule

from appliance.model.errors import OperatorError
from appliance.model.names import Direction, Disposition, Layer, Stage
from appliance.policy.rules import Exemption, Limit, Match, Moments, Size, Step, Strip
from appliance.policy.soundness import problems

D = Disposition
ANSWER = (Direction.RESPONSE,)
DAY = date(2027, 1, 1)


def step(day, what, percent=100):
    return Step(begins=date(2027, 1, day), disposition=what, percent=percent)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (rule("a", D.BLOCK, rollout=(step(1, D.OBSERVE), step(2, D.COACH))), "rollout.1.disposition: the last step"),
        (rule("a", D.BLOCK, rollout=(step(2, D.COACH), step(1, D.BLOCK))), "rollout.1.from: steps stand in the order"),
        (
            rule("a", D.COACH, rollout=(step(1, D.BLOCK), step(2, D.COACH))),
            "rollout.1.disposition: laxer than the step before (block)",
        ),
        (
            rule("a", D.BLOCK, rollout=(step(1, D.BLOCK, 50), step(2, D.BLOCK, 50))),
            "rollout.1.percent: the step before",
        ),
        (rule("a", D.BLOCK, percent=50, rollout=(step(1, D.BLOCK),)), "percent: a rule with a rollout"),
        (rule("a", D.BLOCK, layer=Layer.SAFETY, rollout=(step(1, D.BLOCK),)), "layer: a safety rule has no"),
        (rule("a", D.BLOCK, layer=Layer.SAFETY, stage=Stage.OBSERVE), "layer: a safety rule has no"),
        (rule("a", D.ALLOW, then={"inject": {"Authorization": "x"}}), "then.inject: Authorization holds credentials"),
        (rule("a", D.ALLOW, then={"inject": {"X-Api-Key": "x"}}), "then.inject: X-Api-Key holds credentials"),
        (rule("a", D.ALLOW, then={"inject": {"X-A": "Bearer abc"}}), "then.inject: X-A holds credentials"),
        (rule("a", D.ALLOW, then={"inject": {"X-A": "b\r\nX-B: c"}}), "then.inject: the value of X-A must be 1 to"),
        (rule("a", D.ALLOW, then={"inject": {"X-A\r\nX-B": "c"}}), "then.inject: not the name of a header"),
        (rule("a", D.ALLOW, then={"inject": {"Content-Length": "0"}}), "then.inject: Content-Length says how"),
        (rule("a", D.ALLOW, then={"inject": {"X-Gnomon-Route": "0"}}), "then.inject: X-Gnomon-Route says how"),
        (rule("a", D.ALLOW, then={"inject": {f"X-{n}": "a" for n in range(17)}}), "then.inject: more than 16 headers"),
        (rule("a", D.ALLOW, then={"strip": Strip(headers=("Host",))}), "then.strip.headers.0: Host says how"),
        (
            rule("a", D.ALLOW, Match(directions=ANSWER), then={"limit": Limit(max_tokens=1)}),
            "then.disposition: strip, inject and limit are about requests",
        ),
        (rule("a", D.ALLOW, Match(tools_called=("x",))), "match.tools_called: what an answer calls"),
        (
            rule("a", D.BLOCK, Match(tools_called=("x",), directions=ANSWER)),
            "match.tools_called: told when it has gone",
        ),
        (rule("a", D.ALLOW, Match(request_bytes=Size(min=2, max=1))), "match.request_bytes.max: smaller than min"),
        (rule("a", D.ALLOW, Match(time=Moments())), "match.time.days: name days or hours"),
        (rule("a", D.ALLOW, Match(time=Moments(hours=("08:00-08:00",)))), "match.time.hours.0: begins when it ends"),
        (rule("a", D.ALLOW, exceptions=(Exemption(reason="x", expires=DAY),)), "exceptions.0: name principals"),
    ],
)
def test_a_problem_is_told_at_its_key_and_nothing_is_compiled(made, told):
    assert any(problem.startswith(told) for problem in problems(made)), problems(made)
    with pytest.raises(OperatorError, match="policy rule a: "):
        policy(made)


def test_a_sound_rule_has_no_problems():
    then = {
        "strip": Strip(headers=("Authorization", "X-Debug"), tools=("shell*",), logprobs=True),
        "inject": {"X-Department": "research, group 7"},
        "limit": Limit(max_tokens=100, request_bytes=1),
    }
    steps = (step(1, D.OBSERVE), step(2, D.COACH, 10), step(3, D.COACH), step(4, D.BLOCK))
    assert problems(rule("a", D.BLOCK, Match(time=Moments(hours=("22:00-06:00",))), then=then, rollout=steps)) == ()
    assert problems(rule("a", D.OBSERVE, Match(tools_called=("x",), directions=ANSWER))) == ()
