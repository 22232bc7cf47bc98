"""Which detectors run beside the patterns, and in which order: what is cheap and certain first.

Owns: the list. Rules: one line for each detector; nothing else is decided here.
"""

from collections.abc import Sequence

from appliance.inspect.detect.settings import Settings
from appliance.inspect.looking import Detector, View


def detectors(settings: Settings) -> tuple[Detector, ...]:
    """The detectors of whole texts, cheap and certain first."""
    made: tuple[Detector, ...] = ()
    return tuple(one for one in made if one.name not in settings.off)


def views(text: str) -> Sequence[View]:
    """Every reading of a text beside its letters: the canonical one first, where it differs."""
    del text
    return ()
