"""Detectors: personal data and secrets in text.

Owns: the recognisers, the prefilter in front of them, and the cache of what they found. Rules: nothing is sent anywhere
and nothing is fetched; matched text is never logged, stored or put into an exception; a detector that cannot finish
raises `DetectorFailure`, it never returns less in silence.
"""

from appliance.inspect.detect.detectors import Detectors, Scan
from appliance.inspect.detect.failure import DetectorFailure

__all__ = ["DetectorFailure", "Detectors", "Scan"]
