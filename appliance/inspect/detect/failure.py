"""The one exception of detection.

Rules: it names the rule that failed and never carries the text that was scanned; the caller fails closed on it.
"""


class DetectorFailure(Exception):  # noqa: N818 - named by what happened, not by the language's habit
    """A detector could not finish: nothing is known about the text, which must be treated as not scanned."""
