"""Which of the findings are acted on. Pure."""

from collections.abc import Callable, Iterable

from appliance.inspect.overlap import cover
from appliance.inspect.scanning import Findings
from appliance.model.detection import Detection, Selector

type Chooser = Callable[[Detection], bool]


def picked(detections: Findings, chosen: Chooser) -> list[tuple[Detection, ...]]:
    """What is to be replaced, along the segments.

    Chosen first, resolved second: a finding that stays must not shield a shorter one that has to go.
    """
    return [cover(tuple(filter(chosen, found))) if found else () for found in detections]


def chosen_by(selectors: Iterable[Selector]) -> Chooser:
    """Whether any of the selectors means a detection."""
    wanted = tuple(selectors)
    return lambda found: any(selector.takes(found) for selector in wanted)
