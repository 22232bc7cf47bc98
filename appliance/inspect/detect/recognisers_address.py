"""Postal addresses: a street with a number, and what follows it up to the postal code.

Owns: how streets are written in English, French, Spanish, Italian, Portuguese, German, Dutch and a few beside them.
Rules: names are capital letters first, because `3 ways down the road` is no address; what may stand between is bounded
in words and every word in letters; a shape that prose has too (`10 Downing 5`) scores low and needs a word beside it.
"""

import re
from typing import NamedTuple

from appliance.inspect.detect.presidio import PatternRule, Recogniser, no_opinion

_LETTER = "A-Za-zÀ-ÖØ-öø-ſͰ-ϿЀ-ӿ"
_CAPITAL = "(?-i:[A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĒĘĚĞĢĪĮİĶĻŁŃŅŇŌŐŒŘŚŞŠŤŪŮŰŲŹŻŽΆΈ-ΏΑ-ΩЀ-Я])"
_WORD = f"{_CAPITAL}[{_LETTER}'\u2019.-]{{0,20}}"
_SMALL = "[a-zà-ÿ\u2019']{1,5}"  # de la, of the, van der
_ORDINAL = "[0-9]{1,3}(?:st|nd|rd|th|\\.)"
_NAME = rf"(?:{_WORD}|{_ORDINAL})(?:(?: (?:{_WORD}|{_SMALL})){{0,2}} {_WORD})?"
_NUMBER = "[0-9]{1,5}[A-Za-z]?(?:[-/][0-9]{1,4})?"
_LEAD = "(?:[0-9]{1,5} )?"
_BEFORE = r"(?<![\w.:/$€£#-])"
_BEHIND = r"(?<![.'-])(?![\w])"
_GAP = r"(?:[ ,\n]{1,4}|[ ,]?\n[>?|*]{1,3} ?)"  # also into the next line of a quotation
_PART = rf"{_GAP}(?:(?-i:[a-zà-ÿ]{{1,3}} ){{0,2}}\(?{_WORD}\)?|[0-9]{{1,5}}[A-Za-z]?|(?-i:nan)|#[0-9]{{1,5}})"
_UK = r"[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}"
_CANADA = r"[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]"
# What ends an address: a postal code, one with its city behind, a state; else a city behind a comma.
_END = rf"(?-i:{_UK}|{_CANADA}|[0-9]{{5}}(?:-[0-9]{{4}})?|[0-9]{{4}}(?: [A-Z]{{2}})?|[A-Z]{{2}})"
_TAIL = rf"(?:\.?(?:{_PART}){{0,9}}{_GAP}{_END}(?:[ \n]{_WORD}(?: {_WORD})?)?|\.?,[ \n]{_WORD}(?: {_WORD})?)?{_BEHIND}"
_UNIT_NAMES = "(?:suite|ste|apt|apartment|unit|flat|floor)"
_UNIT = rf"{_GAP}{_UNIT_NAMES}\.? ?#?[0-9]{{1,5}}[A-Za-z]?"
# The same without capitals: only where a kind of street, or a number, and a unit stand around it.
_LOW = "[a-zà-ÿα-ωά-ώа-я][a-zà-ÿα-ωά-ώа-я'.-]{0,20}"
_LOW_TAIL = rf"(?:(?:{_GAP}{_LOW}){{1,6}}{_GAP}[0-9]{{5}})?{_BEHIND}"

_ENGLISH = (
    "(?:street|st|road|rd|avenue|ave|av|lane|ln|drive|dr|boulevard|blvd|parkway|pkwy|highway|hwy|crescent|cres|terrace|"
    "mews|gardens|gdns|turnpike|expressway|freeway|str|circle|cir|court|ct|square|sq|trail|trl|grove)"
)
_ENGLISH_FAINT = (
    "(?:place|pl|way|close|row|walk|rise|hill|park|quay|alley|loop|plaza|view|green|wharf|pike|path|bypass|causeway|"
    "embankment|esplanade)"
)
_ROMANCE = (
    "(?:rue|avenue|av|boulevard|boul|bd|blvd|impasse|chemin|all[ée]e|quai|faubourg|calle|avenida|avda|paseo|cami[nñ]o|"
    "carretera|ronda|traves[ií]a|viale|piazza|piazzale|vicolo|lungomare|rua|pra[çc]a|travessa|estrada|ulica|ul|aleja|"
    "trg|strada|bulevardul|bulevar|ctra|carrer|λεωφόρος|λεωφ|οδός|πλατεία|rúa)"
)
_ROMANCE_FAINT = r"(?:(?-i:Via|Place|Route|Cours|Corso|Largo|Plaza|Plaça|Contrada|R|Pl)(?:\. ?| )|c/ ?)"
_GERMANIC = (
    "(?:straße|strasse|str\\.|gasse|weg|platz|allee|damm|ufer|chaussee|promenade|laan|straat|steenweg|plein|gracht|"
    "singel|gaten|gata|vegur|plads|torget|[sr]gade|gatan|vägen|katu|veien|stræde|utca|tänav|vej|dijk|vegen|gränd|"
    "(?:[ehilostuyöä]n|[^r]an)tie)"
)
_HUNGARIAN = r"(?:u\.|út|útja|utca|utcája|tér|tere|krt\.|körút|köz|sétány|enparantza|kalea)"
_LOW_GERMANIC = (
    "(?:straße|strasse|gasse|steenweg|straat|laan|gracht|singel|gatan|vägen|vegur|veien|stræde|[sr]gade|utca)"
)
_LOW_ROMANCE = "(?:rue|boulevard|impasse|chemin|calle|avenida|paseo|viale|piazza|rua)"
_LOW_ENGLISH = f"(?:{_ENGLISH}|{_LOW_GERMANIC})"
_FIELD_POST = r"(?:FPO|APO|DPO),? A[AEP]"

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
        rf"{_LEAD}(?:{_WORD} )?{_CAPITAL}[{_LETTER}]{{1,24}}[ -]?{_GERMANIC} ?{_NUMBER}{_TAIL}",
        rf"{_GERMANIC} ?[0-9]",
        _STRONG,
    ),
    _Street(
        "hungarian",
        rf"{_LEAD}{_CAPITAL}[{_LETTER}.-]{{1,24}}(?: {_WORD}){{0,2}} (?-i:{_HUNGARIAN}) {_NUMBER}{_TAIL}",
        rf"{_HUNGARIAN} [0-9]",
        _STRONG,
    ),
    _Street(
        "unit",
        rf"{_LEAD}{_NUMBER} {_NAME}(?: {_NUMBER}\.?)?{_UNIT}(?:{_TAIL}|(?: {_WORD}){{1,3}}{_BEHIND})",
        rf"{_UNIT_NAMES}\.? ?#?[0-9]",
        _STRONG,
    ),
    _Street("between", rf"[0-9]{{1,5}} {_NAME} [0-9]{{1,4}}{_TAIL}", rf"[0-9] {_NAMED} [0-9]", 0.15),
    _Street(
        "field-post",
        rf"(?:(?:unit|psc|cmr) [0-9]{{2,5}},? box [0-9]{{1,5}}|(?-i:U\.?S\.?[A-Z]{{1,4}}|us(?:ns|cgc|s|nv)) "
        rf"[{_LETTER}'-]{{2,25}}(?: [{_LETTER}'-]{{2,25}})?)"
        rf"[ ,\n]{{1,3}}{_FIELD_POST} [0-9]{{5}}(?:-[0-9]{{4}})?{_BEHIND}",
        rf"{_FIELD_POST} [0-9]{{5}}",
        _STRONG,
    ),
    _Street(
        "lower-germanic",
        rf"{_LEAD}[a-zà-ÿ]{{3,24}}{_LOW_GERMANIC} {_NUMBER}{_LOW_TAIL}",
        rf"{_LOW_GERMANIC} [0-9]",
        0.4,
    ),
    _Street(
        "lower-romance",
        rf"{_LEAD}{_NUMBER},? {_LOW_ROMANCE}(?: [a-zà-ÿ']{{1,5}}){{0,2}} {_LOW}{_LOW_TAIL}",
        rf"[0-9][a-z]?,? {_LOW_ROMANCE} ",
        0.4,
    ),
    _Street(
        "lower-unit",
        rf"{_LEAD}{_NUMBER}(?: {_LOW}){{1,4}} (?:{_NUMBER}|{_LOW_ENGLISH}){_UNIT}{_LOW_TAIL}",
        rf"{_UNIT_NAMES}\.? ?#?[0-9]",
        _STRONG,
    ),
    _Street(
        "lower-corner",
        rf"corner of {_LOW}(?: {_LOW}){{0,3}}(?: [0-9]{{1,4}}\.?)? and (?:[0-9]{{1,4}} )?{_LOW}(?: {_LOW}){{0,2}} "
        rf"(?:{_LOW_ENGLISH}|{_ENGLISH_FAINT}){_BEHIND}",
        rf"corner of [^\n]{{1,100}} and [^\n]{{1,70}} (?:{_ENGLISH}|{_ENGLISH_FAINT})",
        0.4,
    ),
    _Street(
        "lower",
        rf"{_LEAD}{_NUMBER} [a-z]{{3,20}} (?:street|road|avenue|lane|boulevard|parkway|terrace){_TAIL}",
        r"[0-9][a-z]? [a-z]{3,20} (?:street|road|avenue|lane|boulevard|parkway|terrace)",
        _FAINT,
    ),
    _Street(
        "corner",
        rf"corner of (?:{_NUMBER} )?(?:{_SMALL}\.? )?{_NAME}(?: (?-i:[a-zà-ÿ]{{2,5}}))?(?: {_NUMBER}\.?)? and "
        rf"(?:{_NUMBER} )?(?:{_SMALL}\.? )?{_NAME}(?: {_NUMBER})?{_BEHIND}",
        rf"corner of [^\n]{{0,100}} and (?:{_CAPITAL}|[0-9]|{_SMALL}\.? )",
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
