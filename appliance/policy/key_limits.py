"""What a virtual key may be used for: a rule that the key brings along, judged with all others.

Rules: pure; the limits stand in the facts, so that a verdict can be replayed; a key without limits costs nothing; the
hit is of layer user and blocks, under the name `key:ID`, so that it is told, explained and counted like any rule's.
"""

from functools import lru_cache

from appliance.model.facts import Facts, RuleHit
from appliance.model.names import Disposition, Layer
from appliance.policy.matching import glob, reads_only
from appliance.policy.merging import Hit

_PATTERNS = 512  # lists of models that are kept ready
_glob = lru_cache(_PATTERNS)(glob)


def beyond_key(facts: Facts) -> Hit | None:
    """The hit of a request that its key is not for; None: it is for it."""
    words = _service(facts) or _model(facts)
    if not words:
        return None
    hit = RuleHit(f"key:{facts.virtual_key or ''}", Layer.USER, Disposition.BLOCK, acts=True)
    return Hit(hit, words=words)


def _service(facts: Facts) -> str:
    if not facts.key_services or facts.service is None or facts.service in facts.key_services:
        return ""
    return f"this key is for {', '.join(facts.key_services)} only"


def _model(facts: Facts) -> str:
    if not facts.key_models or facts.service is None:
        return ""
    if facts.model is None:
        fits = reads_only(facts)
    else:
        named = (facts.model, *facts.models_beside)
        fits = all(_glob(facts.key_models).match(one.lower()) is not None for one in named)
    return "" if fits else f"this key is for the models {', '.join(facts.key_models)} only"
