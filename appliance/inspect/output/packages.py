"""Packages that answers tell somebody to install and that no known package carries: invented, or somebody's trap.

Owns: `UnknownPackages`. Rules: only where the operator gave lists of names (`inspect.packages`), and only registries of
which there is one; a topic: it flags, and hides nothing; each name is told once per text; a name that is told was not
in the list, and one that was not in the list is told in all but 0.05 % of cases (`packages_known`).
"""

from collections.abc import Iterable, Sequence

from appliance.inspect.looking import Looked
from appliance.inspect.output.packages_known import Known, normal
from appliance.inspect.output.packages_named import named_in
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Source

UNKNOWN_PACKAGE = "UNKNOWN_PACKAGE"


class UnknownPackages:
    """See the module."""

    name = "packages"
    detector_class = "topic"
    version = "1"
    sources = frozenset({Source.ANSWER})

    def __init__(self, known: Sequence[Known]) -> None:
        self._known = {one.ecosystem: one for one in known}

    def find(self, looked: Looked, deadline: float) -> Iterable[Detection]:
        """See `Detector`."""
        del deadline  # linear, and at most `MOST` names
        if not self._known:
            return ()
        told: dict[tuple[str, str], Detection] = {}
        for one in named_in(looked.text):
            known, key = self._known.get(one.ecosystem), (one.ecosystem, normal(one.ecosystem, one.name))
            if known is None or (key in told and told[key].score >= one.score) or known.holds(one.name):
                continue
            rule = f"packages:{one.ecosystem}"
            told[key] = Detection(one.start, one.end, UNKNOWN_PACKAGE, DetectionKind.TOPIC, one.score, rule)
        return told.values()
