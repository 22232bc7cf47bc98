"""Postal addresses: a street with a number, and what follows it up to the postal code.

Owns: how streets are written in English, French, Spanish, Italian, Portuguese, German, Dutch and a few beside them.
Rules: names are capital letters first, because `3 ways down the road` is no address; what may stand between is bounded
in words and every word in letters; a shape that prose has too (`10 Downing 5`) scores low and needs a word beside it.
"""

import re
from typing import NamedTuple

from appliance.inspect.detect.presidio import PatternRule, Recogniser, no_opinion

_LETTER = "A-Za-zÀ-ÖØ-öø-ſͰ-ϿЀ-ӿ"
_CAPITAL = "(?-i:[A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪĮİĶĻŁŃŅŇŌŐŒŘŚŞŠŤŪŮŰŲŹŻŽΑ-ΩЀ-Я])"
_WORD = f"{_CAPITAL}[{_LETTER}'\u2019.-]{{0,20}}"
_SMALL = "[a-zà-ÿ\u2019']{1,5}"  # de la, of the, van der
_ORDINAL = "[0-9]{1,3}(?:st|nd|rd|th|\\.)"
_NAME = rf"(?:{_WORD}|{_ORDINAL})(?:(?: (?:{_WORD}|{_SMALL})){{0,2}} {_WORD})?"
_NUMBER = "[0-9]{1,5}[A-Za-z]?(?:[-/][0-9]{1,4})?"
_LEAD = "(?:[0-9]{1,4} )?"
_BEFORE = r"(?<![\w.:/$€£#-])"
_BEHIND = r"(?<![.'-])(?![\w])"
_GAP = r"[ ,\n]{1,4}"
_PART = rf"{_GAP}(?:{_WORD}|[0-9]{{1,5}}[A-Za-z]?|nan|#[0-9]{{1,5}})"
_UK = r"[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}"
_CANADA = r"[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]"
# What ends an address: a postal code, one with its city behind, a state; else a city behind a comma.
_END = rf"(?-i:{_UK}|{_CANADA}|[0-9]{{5}}(?:-[0-9]{{4}})?|[0-9]{{4}}(?: [A-Z]{{2}})?|[A-Z]{{2}})"
_TAIL = rf"(?:(?:{_PART}){{0,9}}{_GAP}{_END}(?:[ \n]{_WORD}(?: {_WORD})?)?|,[ \n]{_WORD}(?: {_WORD})?)?{_BEHIND}"
_UNIT_NAMES = "(?:suite|ste|apt|apartment|unit|flat|floor)"
_UNIT = rf"{_GAP}{_UNIT_NAMES}\.? ?#?[0-9]{{1,5}}[A-Za-z]?"

_ENGLISH = (
    "(?:street|st|road|rd|avenue|ave|av|lane|ln|drive|dr|boulevard|blvd|parkway|pkwy|highway|hwy|crescent|cres|terrace|"
    "mews|gardens|gdns|turnpike|expressway|freeway|str|circle|cir|court|ct|square|sq|trail|trl|grove)"
)
_ENGLISH_FAINT = "(?:place|pl|way|close|row|walk|rise|hill|park|quay|alley|loop|plaza|view|green|wharf|pike|path)"
_ROMANCE = (
    "(?:rue|avenue|av|boulevard|boul|bd|blvd|impasse|chemin|all[ée]e|quai|faubourg|calle|avenida|avda|paseo|cami[nñ]o|"
    "carretera|ronda|traves[ií]a|viale|piazza|piazzale|vicolo|lungomare|rua|pra[çc]a|travessa|estrada|ulica|ul|aleja|"
    "trg|strada|bulevardul|bulevar)"
)
_ROMANCE_FAINT = r"(?:(?-i:Via|Place|Route|Cours|Corso|Largo|Plaza|Plaça|Contrada|R|Pl)(?:\. ?| )|c/ ?)"
_GERMANIC = (
    "(?:straße|strasse|str\\.|gasse|weg|platz|allee|damm|ufer|chaussee|promenade|laan|straat|steenweg|plein|gracht|"
    "singel|gaten|gata|vegur|plads|torget|[sr]gade|gatan|vägen|katu|veien|stræde|utca|tänav)"
)

_STRONG = 0.65
_FAINT = 0.25
_LAST = rf"(?:{_CAPITAL}[^\s]{{0,20}}|[0-9](?:st|nd|rd|th|\.))"  # the word before its kind
_BEGINS = r"(?:^|[^A-Za-z0-9_.:/$#-])"  # as much of `_BEFORE` as can be looked for
# What may stand in and around a name before its number: 105 characters at most.
_ON = r"[^\n\x00-\x1f!-&(-+/:-@\[-`{-\x7f]{0,110}"
_NAMED = rf"(?:{_CAPITAL}|{_ORDINAL})[^\n\x00-\x1f!-&(-,/:-@\[-`{{-\x7f0-9]{{0,100}}"


class _Street(NamedTuple):
    """One way to write a street. `signal`: ends inside every match, and is all that is looked for at first."""

    name: str
    shape: str
    signal: str
    score: float


_STREETS = (
    _Street(
        "english",
        rf"{_LEAD}{_NUMBER},? {_NAME} {_ENGLISH}\b\.?(?: {_NUMBER}\b)?{_TAIL}",
        rf"{_LAST} {_ENGLISH}\b",
        _STRONG,
    ),
    _Street(
        "english-faint",
        rf"{_LEAD}{_NUMBER},? {_NAME} {_ENGLISH_FAINT}\b\.?{_TAIL}",
        rf"{_LAST} {_ENGLISH_FAINT}\b",
        _FAINT,
    ),
    _Street(
        "number-first",
        rf"{_LEAD}{_NUMBER},?(?: bis| ter)? {_ROMANCE}\.? (?:{_SMALL} ){{0,2}}{_NAME}{_TAIL}",
        rf"[0-9][a-z]?,?(?: bis| ter)? {_ROMANCE}\.? ",
        _STRONG,
    ),
    _Street(
        "number-last",
        rf"{_ROMANCE}\.? (?:{_SMALL} ){{0,2}}{_NAME},? (?:n[º°o]\.? ?)?{_NUMBER}{_TAIL}",
        rf"{_BEGINS}{_ROMANCE}\.? {_ON}[0-9]",
        _STRONG,
    ),
    _Street(
        "faint-first",
        rf"{_LEAD}{_NUMBER},? {_ROMANCE_FAINT}{_NAME}{_TAIL}",
        rf"[0-9][a-z]?,? {_ROMANCE_FAINT}(?:{_CAPITAL}|[0-9])",
        0.4,
    ),
    _Street(
        "faint-last",
        rf"{_ROMANCE_FAINT}{_NAME},? (?:n[º°o]\.? ?)?{_NUMBER}{_TAIL}",
        rf"{_BEGINS}{_ROMANCE_FAINT}(?:{_CAPITAL}|[0-9]){_ON}[0-9]",
        _FAINT,
    ),
    _Street(
        "germanic",
        rf"{_LEAD}{_CAPITAL}[{_LETTER}]{{1,24}}[ -]?{_GERMANIC} ?{_NUMBER}{_TAIL}",
        rf"{_GERMANIC} ?[0-9]",
        _STRONG,
    ),
    _Street("unit", rf"{_LEAD}{_NUMBER} {_NAME}(?: {_NUMBER})?{_UNIT}{_TAIL}", rf"{_UNIT_NAMES}\.? ?#?[0-9]", _STRONG),
    _Street("between", rf"[0-9]{{1,4}} {_NAME} [0-9]{{1,4}}{_TAIL}", rf"[0-9] {_NAMED} [0-9]", 0.15),
    _Street(
        "lower",
        rf"{_LEAD}{_NUMBER} [a-z]{{3,20}} (?:street|road|avenue|lane|boulevard|parkway|terrace){_TAIL}",
        r"[0-9][a-z]? [a-z]{3,20} (?:street|road|avenue|lane|boulevard|parkway|terrace)",
        _FAINT,
    ),
    _Street(
        "corner",
        rf"corner of {_NAME}(?: {_NUMBER}\.?)? and {_NAME}(?: {_NUMBER})?{_BEHIND}",
        rf"corner of [^\n]{{0,100}} and (?:{_CAPITAL}|[0-9])",
        _STRONG,
    ),
    _Street("box", rf"(?:p\.? ?o\.? ?|psc [0-9]{{1,5}},? ?)box [0-9]{{1,6}}{_TAIL}", r"box [0-9]", _STRONG),
)
_WORDS = (
    *("address", "adresse", "indirizzo", "dirección", "direccion", "office", "located", "live", "living", "lives"),
    *("resid", "ship", "deliver", "mail", "letter", "visit", "moved", "house", "street", "home", "billing", "wohn"),
    *("adres", "corner", "arrived", "domicil"),
)

_MONTHS = (
    "jan|january|januar|feb|february|februar|mar|march|märz|apr|april|may|mai|jun|june|juni|jul|july|juli|aug|august|"
    "sep|sept|september|oct|october|okt|oktober|nov|november|dec|december|dez|dezember"
)
_DATE = re.compile(rf"(?:19|20)[0-9]{{2}}, |[0-9]{{1,4}}(?:st|nd|rd|th|\.)? (?:{_MONTHS})\.?,? [0-9]", re.IGNORECASE)


def _street(word: str) -> bool | None:
    """Refuses dates, which have the shape of a street between two numbers, and what follows the year of one."""
    return False if _DATE.match(word) else None


ADDRESS = Recogniser(
    "StreetAddressRecogniser",
    "STREET_ADDRESS",
    tuple(PatternRule(one.name, _BEFORE + one.shape, one.score, one.signal) for one in _STREETS),
    _WORDS,
    _street,
    no_opinion,
    least=0.2,
    sifts=True,
)
