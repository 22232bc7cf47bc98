"""Signs that an answer should not be relied on: it refuses, it is not sure, it cites what is not there.

Owns: `Signs`. Rules: phrases in a few languages, in whole answers, outside code; topics, never a reason to hide
anything; each entity is told once per text, where it is first seen.
"""

import re
from collections.abc import Iterable
from itertools import islice

from appliance.inspect.looking import Looked
from appliance.inspect.output.phrases import Phrase, Phrases, words_of
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Source

REFUSAL, UNCERTAIN_ANSWER = "REFUSAL", "UNCERTAIN_ANSWER"
CITATION_WITHOUT_SOURCE = "CITATION_WITHOUT_SOURCE"
_OPENING = 400  # a refusal comes first
_MOST = 32
_APOSTROPHE = "['\u2019]"
_CODE = re.compile(r"```.{0,65536}?(?:```|\Z)|`[^`\n]{1,400}`", re.DOTALL)


def _phrases(*phrases: tuple[str, str]) -> Phrases:
    """Pairs of anchors, parted by blanks, and an expression."""
    return Phrases(
        Phrase(rf"\b(?:{shape})".replace("'", _APOSTROPHE), tuple(anchors.split())) for anchors, shape in phrases
    )


_DOING = (
    "help|assist|comply|provide|fulfil|share|answer|continue|support|do that|create|generate|engage"  # what is refused
)
_REFUSES = _phrases(
    ("sorry", r"I(?:'m| am)(?: really| very| so)? sorry,? (?:but )?I (?:can't|cannot|am not able|won't|am unable)"),
    ("i", rf"I (?:can't|cannot|won't|will not|am not able to|am unable to|must decline to) (?:{_DOING})"),
    ("sorry", r"Sorry,? (?:but )?I (?:can't|cannot|won't|am unable|am not able)"),
    ("unfortunately", r"Unfortunately,? I (?:can't|cannot|won't|am unable|am not able)"),
    ("as an ai", r"as an AI(?: language model| assistant)?,? I (?:can't|cannot|don't|am not|won't)"),
    ("tut mir leid", r"Tut mir leid,? (?:aber )?(?:ich kann|das kann ich|dabei kann ich)"),
    (
        "kann nicht",
        r"(?:Ich kann|Dabei kann ich)(?: dir| Ihnen)? (?:dabei |damit )?(?:leider )?nicht (?:helfen|dienen)",
    ),
    ("ne peux pas", r"Je suis d[\u00e9e]sol[\u00e9e],? mais je ne peux pas"),
    ("siento no puedo", r"Lo siento,? (?:pero )?no puedo"),
    ("dispiace non posso", r"Mi dispiace,? (?:ma )?non posso"),
    ("posso", r"(?:Desculpe|Lamento),? (?:mas )?n[\u00e3a]o posso"),
)
_UNSURE = _phrases(
    ("not sure", r"I(?:'m| am) not (?:entirely |completely |quite |100% )?sure"),
    ("not certain", r"I(?:'m| am) not (?:entirely |completely |quite |100% )?certain"),
    ("i know", r"I (?:don't|do not) (?:actually |really )?know"),
    ("i have", r"I (?:don't|do not) (?:actually |really )?have (?:any )?(?:information|access|data|real-time)"),
    ("i verify", r"I (?:can't|cannot|could not|couldn't) verify"),
    ("i confirm", r"I (?:can't|cannot|could not|couldn't) confirm"),
    ("i be wrong", r"I (?:may|might|could) be wrong"),
    ("i be mistaken", r"I (?:may|might|could) be mistaken"),
    ("my knowledge", r"my (?:last |latest )?knowledge (?:cutoff|cut-off|update|only goes|ends|extends)"),
    ("my training", r"my (?:last |latest )?training (?:data|cutoff|cut-off|update|only goes|ends|extends)"),
    ("verify", r"(?:please|you should) verify (?:this|these|the|with)"),
    ("double check", r"(?:please|you should) double-check (?:this|these|the|with)"),
    ("nicht sicher", r"Ich bin (?:mir )?nicht (?:ganz )?sicher"),
    ("wei\u00df nicht", r"Das wei\u00df ich nicht"),
    ("ohne gew\u00e4hr", r"ohne Gew\u00e4hr"),
    ("je ne sais pas", r"Je ne sais pas"),
    ("je ne suis pas", r"Je ne suis pas (?:s[\u00fbu]r|certain)"),
    ("no estoy", r"No estoy segur[oa]"),
    ("non sono", r"Non sono sicur[oa]"),
    ("certeza", r"N[\u00e3a]o tenho certeza"),
)
_NUMBERED = re.compile(r"\[(\d{1,2})\](?![(:\]\[]\S)")
_BEFORE_A_MARK = frozenset('.,;)" \u201d')
_LISTED = re.compile(
    r"https?://|\bdoi\b|\barXiv\b|^\s{0,8}(?:\[\d{1,2}\][: ]|#{0,6}\s{0,2}\**(?:references|sources|bibliography|"
    r"quellen|literatur|r[ée]f[ée]rences|fuentes|fonti|refer[êe]ncias)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_SOME = "a|an|one|some|several|recent|many|various"
_VAGUE = _phrases(
    ("according study", rf"according to (?:{_SOME}) (?:\w{{1,20}} ){{0,3}}study"),
    ("according studies", rf"according to (?:{_SOME}) (?:\w{{1,20}} ){{0,3}}studies"),
    ("according survey", rf"according to (?:{_SOME}) (?:\w{{1,20}} ){{0,3}}survey"),
    ("according report", rf"according to (?:{_SOME}) (?:\w{{1,20}} ){{0,3}}report"),
    ("according experts", rf"according to (?:{_SOME}) (?:\w{{1,20}} ){{0,3}}experts"),
    (
        "studies",
        r"(?:recent |several |many )?studies (?:have )?(?:shown?|suggest|found|find|indicate) (?:that|a|an|the)",
    ),
    ("research", r"(?:recent )?research (?:has )?(?:shown|shows|suggests|found|finds|indicates) (?:that|a|an|the)"),
    ("experts agree", r"experts agree (?:that|on)"),
    ("laut studie", r"laut (?:einer|mehrerer|neuer) (?:\w{1,20} ){0,2}Studie"),
    ("selon \u00e9tude", r"selon une (?:\w{1,20} ){0,2}\u00e9tude"),
    ("seg\u00fan estudio", r"seg\u00fan un (?:\w{1,20} ){0,2}estudio"),
)


class Signs:
    """See the module."""

    name = "signs"
    detector_class = "topic"
    version = "1"
    sources = frozenset({Source.ANSWER})

    def find(self, looked: Looked, deadline: float) -> Iterable[Detection]:
        """See `Detector`."""
        del deadline
        text = _CODE.sub(lambda match: " " * len(match[0]), looked.text) if "`" in looked.text else looked.text
        words, opening = words_of(text), text[:_OPENING]
        found = [_sign(match, REFUSAL, 0.7) for match, _ in islice(_REFUSES.find(opening, words_of(opening)), 1)]
        unsure = sorted((match for match, _ in _UNSURE.find(text, words)), key=lambda match: match.start())
        if unsure:
            found.append(_sign(unsure[0], UNCERTAIN_ANSWER, min(0.7, 0.3 + 0.2 * (len(unsure) - 1))))
        return [*found, *_citations(text, words)]


def _citations(text: str, words: frozenset[str]) -> Iterable[Detection]:
    marks = islice(_NUMBERED.finditer(text), _MOST)
    numbered = [match for match in marks if text[match.start() - 1 : match.start()] in _BEFORE_A_MARK]
    vague = [] if numbered else [match for match, _ in islice(_VAGUE.find(text, words), 1)]
    if len({match[1] for match in numbered}) > 1:
        cited, score = numbered[0], 0.5
    elif vague:
        cited, score = vague[0], 0.2
    else:
        return
    if not _LISTED.search(text):
        yield _sign(cited, CITATION_WITHOUT_SOURCE, score)


def _sign(match: re.Match[str], entity: str, score: float) -> Detection:
    return Detection(match.start(), match.end(), entity, DetectionKind.TOPIC, score, "signs")
