"""A verdict in words: what holds, which rule decided, and what else matched.

Rules: pure; rule texts come from the operator and decisions from analysts, both are shown as they are (the terminal's
safety belongs to appliance/sanitise).
"""

from appliance.model.detection import Selector
from appliance.model.facts import Obligations, RuleHit, Verdict
from appliance.model.names import Disposition, Layer, Stage
from appliance.policy.engine import Policy

_LAYER_WORDS = {
    Layer.SAFETY: "safety rule",
    Layer.BLOCK_DECISION: "analyst's decision",
    Layer.ORGANISATION: "organisation rule",
    Layer.DEPARTMENT: "department rule",
    Layer.USER: "user rule",
    Layer.APPROVE_DECISION: "approval",
}


def explain(verdict: Verdict, policy: Policy) -> str:
    """Some lines for a person, the verdict first."""
    lines = [_headline(verdict), _because(verdict, policy)]
    if verdict.effective is not verdict.disposition:
        lines.append(f"The site is in stage {verdict.stage}: {verdict.disposition} is recorded, nothing is changed.")
    if verdict.entities or verdict.kinds:
        lines.append(f"Hidden: {', '.join((*verdict.kinds, *verdict.entities))}.")
    lines += _of_the_answer(verdict)
    lines += _of_the_request(verdict.obliges)
    if verdict.route:
        lines.append(f"Route: {verdict.route}.")
    others = [hit for hit in verdict.hits if hit.rule != verdict.rule]
    lines += [f"Also matched: {_hit(hit)}." for hit in others]
    return "\n".join(lines)


def _headline(verdict: Verdict) -> str:
    would = "" if verdict.effective is verdict.disposition or verdict.stage is Stage.ENFORCE else " (would be)"
    return f"Verdict{would}: {verdict.disposition}."


def _because(verdict: Verdict, policy: Policy) -> str:
    deciding = next((hit for hit in verdict.hits if hit.rule == verdict.rule), None)
    if deciding is None:
        return f"No rule of policy {policy.version} matches, so the disposition is {Disposition.ALLOW}."
    reason = verdict.reason or policy.rule_reason(deciding.rule)
    because = f"Decided by the {_LAYER_WORDS[deciding.layer]} {deciding.rule} of policy {policy.version}"
    return f"{because}: {reason}" if reason else f"{because}."


def _of_the_request(obliges: Obligations | None) -> list[str]:
    if obliges is None:
        return []
    told = {
        "headers taken out": ", ".join(obliges.strip_headers),
        "tools taken out": ", ".join(obliges.strip_tools),
        "headers set": ", ".join(f"{name}: {value}" for name, value in obliges.inject),
        "log probabilities": "not asked for" if obliges.strip_logprobs else "",
        "at most": f"{obliges.max_tokens} tokens of answer" if obliges.max_tokens else "",
    }
    by = f"(rule {', '.join(obliges.rules)})"
    return [f"Of the request {what}: {value} {by}." for what, value in told.items() if value]


def _of_the_answer(verdict: Verdict) -> list[str]:
    lines = [f"In the answer hidden: {_meant(one)} (rule {one.rule})." for one in verdict.answer_hides]
    lines += [f"The answer is ended by: {_meant(one)} (rule {one.rule})." for one in verdict.answer_ends]
    if lines and verdict.stage is Stage.OBSERVE:
        lines.append("The site is in stage observe: answers are not changed.")
    return lines


def _meant(selector: Selector) -> str:
    names = ", ".join((*selector.kinds, *selector.entities))
    return f"{names} from score {selector.min_score:g} on" if selector.min_score else names


def _hit(hit: RuleHit) -> str:
    acts = "" if hit.acts else ", recorded only"
    note = f" ({hit.note})" if hit.note else ""
    return f"{_LAYER_WORDS[hit.layer]} {hit.rule}, {hit.disposition}{acts}{note}"
