"""Which detectors run beside the patterns, and in which order: what is cheap and certain first.

Owns: the list. Rules: one line for each detector; nothing else is decided here.
"""

from collections.abc import Sequence

from appliance.inspect.detect.dictionaries import Dictionaries
from appliance.inspect.detect.gates import open_gates
from appliance.inspect.detect.settings import Settings
from appliance.inspect.injection.hidden import HiddenText
from appliance.inspect.injection.model import ModelDetector, shipped
from appliance.inspect.injection.rules import RuleDetector, standard
from appliance.inspect.looking import Detector, View
from appliance.inspect.output.packages import UnknownPackages
from appliance.inspect.output.patterns import Patterns
from appliance.inspect.output.signs import Signs
from appliance.inspect.output.toxicity import Toxicity
from appliance.inspect.topics.classes import Topics
from appliance.inspect.topics.sensitivity import Sensitivity
from appliance.inspect.views import views as readings


def detectors(settings: Settings) -> tuple[Detector, ...]:
    """The detectors of whole texts, cheap and certain first."""
    made: tuple[Detector, ...] = (
        Dictionaries(settings.dictionaries),
        HiddenText(),
        Patterns(),
        RuleDetector(standard()),
        ModelDetector(shipped(), dict(settings.injection_thresholds)),
        Toxicity(),
        Signs(),
        UnknownPackages(settings.packages),
        Sensitivity(dict(settings.sensitivity)),
        Topics(),
    )
    return tuple(one for one in made if one.name not in settings.off)


def views(text: str) -> Sequence[View]:
    """Every reading of a text beside its letters: the canonical one first, where it differs."""
    return readings(text, open_gates)
