"""The recognisers of personal data beside presidio's.

Owns: the list, in the order in which they stand behind presidio's own. Rules: they are patterns like presidio's, so the
same prefilter and the same watch over growing texts serve them; `version` tells when they would find something else.
"""

import hashlib

from appliance.inspect.detect.presidio import Recogniser
from appliance.inspect.detect.recognisers_address import ADDRESS
from appliance.inspect.detect.recognisers_mail import MAIL
from appliance.inspect.detect.recognisers_named import NAMED
from appliance.inspect.detect.recognisers_national import NATIONAL

OWN: tuple[Recogniser, ...] = (ADDRESS, MAIL, *NATIONAL, *NAMED)
_REVISION = 3  # raised when a check changes; patterns, scores and words are seen


def version() -> str:
    """Of everything here that decides what is found, 16 hex digits."""
    told = [(one.name, one.entity, one.patterns, one.context, one.least) for one in OWN]
    return f"own={_REVISION}-{hashlib.blake2b(repr(told).encode(), digest_size=8).hexdigest()}"
