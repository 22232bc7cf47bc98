"""Labels that people or their office programs have put on a text: Microsoft's, the traffic light's, and plain marks.

Theory. Office files and PDF carry `MSIP_Label_<guid>_Name` and its kin among their properties
(learn.microsoft.com/purview/sensitivity-labels-office-apps); the site says which guid means which level, and where it
does not, the label's own name may. TLP: first.org/tlp. Rules: pure; a mark counts where it stands by itself on a line,
since prose speaks of confidential things too; one finding for each level.
"""

import re
from collections.abc import Iterable, Mapping

from appliance.inspect.looking import Looked
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Source

LEVELS = ("public", "internal", "confidential", "restricted")
UNKNOWN = "LABEL_UNKNOWN"
_MAX_CHARS = 200_000
_MSIP = re.compile(r"MSIP_Label_([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})_")
_TLP = re.compile(r"\bTLP:\s?(RED|AMBER(?:\+STRICT)?|GREEN|CLEAR|WHITE)\b")
_TLP_LEVELS = {"RED": "restricted", "AMBER": "confidential", "GREEN": "internal", "CLEAR": "public", "WHITE": "public"}
_NAMES = {
    "restricted": r"(?:highly|strictly)[ -]confidential|top secret|restricted|streng (?:vertraulich|geheim)"
    r"|strictement confidentiel|estrictamente confidencial",
    "confidential": r"confidential|vertraulich|confidentiel(?:le)?|confidencial",
    "internal": r"internal(?: use)?(?: only)?|for internal use(?: only)?|company internal|intern|usage interne"
    r"|uso interno|nur (?:für den )?internen? gebrauch",
    "public": r"public|öffentlich",
}
_MARK = re.compile(
    r"^[ \t*#\-\u2013\u2014_|\[(]{0,12}(?:classification|sensitivity|einstufung|klassifizierung)?[:\s]{0,3}(?:"
    + "|".join(f"(?P<{level}>{words})" for level, words in _NAMES.items())
    + r")(?:[ \t]*[-\u2013\u2014/\\][^\n]{0,40})?[ \t*\-\u2013\u2014_|\])]{0,12}$",
    re.IGNORECASE | re.MULTILINE,
)
_MARKS = (
    "onfiden",
    "ONFIDEN",
    "ertraulich",
    "ERTRAULICH",
    "estricted",
    "ESTRICTED",
    "ecret",
    "ECRET",
    "ntern",
    "NTERN",
)
_SAID = ("public",)  # words that stand alone for other reasons, too: they count in a file with labels only


class Sensitivity:
    """Findings `LABEL_<LEVEL>`; `levels`: guid in lower case -> level."""

    name = "sensitivity"
    detector_class = "topic"
    sources = frozenset({Source.USER, Source.TOOL, Source.DOCUMENT, Source.UNKNOWN})

    def __init__(self, levels: Mapping[str, str] | None = None) -> None:
        self._levels = {guid.lower(): level for guid, level in (levels or {}).items()}
        self.version = "1"

    def find(self, looked: Looked, deadline: float) -> Iterable[Detection]:
        """See Detector."""
        del deadline  # bounded by the characters looked at
        text = looked.text[:_MAX_CHARS]
        if len(text) < len(looked.text):
            looked.left(self.detector_class)
        found: dict[str, Detection] = {}
        labelled = [*_MSIP.finditer(text)] if "MSIP_Label_" in text else []
        for match in labelled:
            level = self._levels.get(match[1].lower())
            _add(found, f"LABEL_{level.upper()}" if level else UNKNOWN, match.span(), 1.0)
        for match in _TLP.finditer(text) if "TLP:" in text else ():
            _add(found, f"LABEL_{_TLP_LEVELS[match[1].partition('+')[0]].upper()}", match.span(), 1.0)
        for match in _MARK.finditer(text) if labelled or any(mark in text for mark in _MARKS) else ():
            level = match.lastgroup or ""
            if labelled or level not in _SAID:
                _add(found, f"LABEL_{level.upper()}", match.span(), 0.9 if labelled else 0.6)
        if any(name != UNKNOWN for name in found):
            found.pop(UNKNOWN, None)
        return found.values()


def _add(found: dict[str, Detection], entity: str, span: tuple[int, int], score: float) -> None:
    known = found.get(entity)
    if known is None or known.score < score:
        found[entity] = Detection(*span, entity, DetectionKind.TOPIC, score, Sensitivity.name)
