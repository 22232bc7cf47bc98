"""The exceptions of detection.

Rules: they name the rule that failed and never carry the text that was scanned; the caller fails closed on a failure.
"""

from appliance.model.detection import Detection


class DetectorFailure(Exception):  # noqa: N818 - named by what happened, not by the language's habit
    """A detector could not finish: nothing is known about the text, which must be treated as not scanned."""


class OutOfTime(DetectorFailure):
    """Time ended before all detectors had seen all of a text. `found`: what those that had finished found.

    `lacking`: the classes of which something may be missing. A caller that can say so in its coverage may go on with
    `found`; for every other it is a failure like any.
    """

    def __init__(self, message: str, found: tuple[Detection, ...], lacking: tuple[str, ...]) -> None:
        super().__init__(message)
        self.found = found
        self.lacking = lacking


class TooMany(OutOfTime):
    """More was found than there is room for; what was found until then is kept, as where time ends."""
