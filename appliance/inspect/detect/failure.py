"""The exceptions of detection, where detectors look for them."""

from appliance.inspect.failure import DetectorFailure, OutOfTime, TooMany

__all__ = ["DetectorFailure", "OutOfTime", "TooMany"]
