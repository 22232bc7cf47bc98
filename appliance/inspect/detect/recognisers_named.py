"""Values without a shape of their own, told by what stands right before them: "passport number X1234567".

Owns: the names and how a name leads to its value. Rules: what is found is the group `value`, never the name; between
them stand at most eight filler words and signs; a value holds enough digits to be one. English first, with the names
that forms use in German, French, Spanish, Italian and Dutch.
"""

import math
import re

from appliance.inspect.detect import checksums, phones
from appliance.inspect.detect.presidio import Check, PatternRule, Recogniser, no_opinion

# Up to three short words between a name and its value; names that prose has too need one that says so.
_SIGN = r"[ \t:=#.,'\"()_*-]"
_FILLER = "(?:(?-i:[A-Z]?[a-zé°]{1,9})|[in][dor])"  # never capitals, with which values begin
_LEADS = rf"(?:{_SIGN}{{1,3}}{_FILLER}){{0,3}}{_SIGN}{{1,4}}"
_STRICT = rf"{_SIGN}{{0,2}}(?:number|no|id|num|nr|code|#){_SIGN}{{1,4}}"
_LEFT = r"(?<![A-Za-z0-9])"
_RIGHT = r"(?![A-Za-z0-9])"
_SURE = 0.6
_FAIR = 0.45
_FEWEST_DIGITS = 4

_PASSPORT = "(?:passport|reisepass|passnummer|passeport|pasaporte|passaporto|paspoort)"
_LICENCE = (
    "(?:driver['\u2019]?s?['\u2019]?|driving)[ _-]?licen[cs]e|führerschein(?:nummer)?|permis de conduire|"
    "carn[eé] de conducir|patente di guida|rijbewijs"
)
_ACCOUNT = "(?:bank |checking |savings |routing and )?(?:account|acct|a/c|konto|kontonummer|compte|cuenta)"
_TAX = "(?:federal |state )?tax(?:payer)?[ _-]?(?:id|identification|no)|tin|ein|itin|ust-?id|vat|partita iva|p\\. ?iva"
_RECORD = "(?:medical record|patient|mrn|health plan|medical file)"
_POLICY = "(?:insurance|policy|policyholder|member|subscriber|beneficiary)(?: policy)?"
_BORN = (
    "(?:date of birth|birth ?date|birthday|born(?: on| in)?|dob|d\\.o\\.b\\.?|geboren(?: am)?|geburtsdatum|"
    "né(?:e)? le|date de naissance|fecha de nacimiento|nacid[oa] el|data di nascita|nat[oa] il|geboortedatum)"
)
_MONTHS = "[a-zäéû]{3,10}\\.?"  # after a word that says so it can be no other
_DAY = (
    r"(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2})|"
    rf"[0-9]{{1,2}}(?:st|nd|rd|th|\.)? {_MONTHS},? [0-9]{{4}}|{_MONTHS} [0-9]{{1,2}}(?:st|nd|rd|th)?,? [0-9]{{4}})"
)
_PHONE = (
    "(?:(?:tele|mobile |cell ?|home |work |office )?phone|mobile|cell|tel|fax|whatsapp|telefon(?:nummer)?|"
    "handy(?:nummer)?|t[ée]l[ée]phone|portable|tel[ée]fono|m[oó]vil|celular|cellulare|telefoon)"
)
_PRESIDIO_DIALS = (("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR"), 1)  # regions and leniency of its PhoneRecognizer
_DIALLED = r"\+?\(?[0-9][0-9 ().-]{5,18}[0-9](?: ?(?:x|ext\.?) ?[0-9]{1,5})?"
_CARD = "(?:credit|debit|bank|visa|mastercard|maestro|amex|payment)[ -]?card|card"
_CODE = "[A-Z0-9][A-Z0-9/-]{3,24}[A-Z0-9]"


def _digits(fewest: int) -> Check:
    """Refuses what holds fewer digits."""

    def check(word: str) -> bool | None:
        return None if sum(map(str.isdecimal, word)) >= fewest else False

    return check


_DATES = re.compile(r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{4}")


def _dialled(word: str) -> bool | None:
    """Refuses dates, numbers of another length (ITU-T E.164: 15 digits, and an extension), and what presidio finds."""
    if not 7 <= sum(map(str.isdecimal, word)) <= 20 or _DATES.match(word):  # noqa: PLR2004 - seven: a local number
        return False
    return False if (0, len(word)) in phones.find(word, 0, len(word), _PRESIDIO_DIALS, math.inf) else None


def _card(word: str) -> bool | None:
    """Card numbers (ISO/IEC 7812) of lengths and first digits that presidio's own recogniser leaves out."""
    code = checksums.plain(word)
    others = len(code) in {12, 18, 19} or code.startswith(("2", "56", "57", "58", "59"))
    return None if others and checksums.luhn(code) else False


def _named(
    entity: str, names: str, value: str, score: float, check: Check = no_opinion, leads: str = _LEADS
) -> Recogniser:
    shape = rf"{_LEFT}(?:{names}){leads}(?P<value>{value}){_RIGHT}"
    name = f"{''.join(part.capitalize() for part in entity.lower().split('_'))}NamedRecogniser"
    rule = PatternRule(f"{entity.lower()}-named", shape, score)
    return Recogniser(name, entity, (rule,), (), check, no_opinion, valued=True, sifts=True)


NAMED: tuple[Recogniser, ...] = (
    _named(
        "PHONE_NUMBER", _PHONE, _DIALLED, _FAIR, _dialled, rf"(?:{_SIGN}{{1,3}}{_FILLER}){{0,3}}[ \t:.,*#\n]{{1,4}}"
    ),
    _named("CREDIT_CARD", _CARD, r"[0-9](?:[ -]?[0-9]){11,18}", _SURE, _card),
    _named("PASSPORT", _PASSPORT, r"[A-Z]{0,3}[0-9]{6,9}[A-Z]?|[CFGHJKLMNPRTVWXYZ0-9]{9}", _SURE, _digits(5)),
    _named("DRIVER_LICENSE", _LICENCE, f"(?:DL[:#]? ?)?{_CODE}(?: ?[0-9]{{2,7}})?", _SURE, _digits(5)),
    _named("BANK_ACCOUNT", _ACCOUNT, r"[A-Z]{0,12}[0-9][0-9 -]{5,18}[0-9][A-Z]?", _SURE, _digits(6)),
    _named("BANK_ACCOUNT", "account|acct|acc|account no|accnum", r"[A-Z]{3,10}[0-9]{8,16}", _SURE)._replace(
        name="BankAccountCodeNamedRecogniser"
    ),
    _named("UK_SORT_CODE", r"sort[ _-]?codes?", r"[0-9]{2}[- ]?[0-9]{2}[- ]?[0-9]{2}", _SURE),
    _named("SWIFT_BIC", r"swift(?:/bic)?|bic|bank identifier", r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?", _SURE),
    _named(
        "US_ABA_ROUTING",
        r"routing|aba|rtn",
        r"[0-9]{9}",
        _SURE,
        lambda word: None if checksums.routing(word) else False,
    ),
    _named("TAX_ID", _TAX, r"[A-Z]{0,2}[0-9]{2}[- ]?[0-9]{6,9}[A-Z]?|[0-9]{3}-[0-9]{2}-[0-9]{4}", _SURE, _digits(7)),
    _named("IN_PAN", "pan|permanent account", r"[A-Z]{5}[0-9]{4}[A-Z]", _SURE),
    _named("IN_AADHAAR", "aadh?aa?r", r"[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}(?:[0-9]{2})?", _SURE),
    _named(
        "CA_SIN",
        "sin|nas|social insurance|assurance sociale|canadian",
        "[1-79][0-9]{8}",
        _SURE,
        lambda word: None if checksums.luhn(word) else False,
    ),
    _named(
        "AU_TFN",
        "tfn|tax file|australian",
        "[0-9]{9}",
        _SURE,
        lambda word: None if checksums.australian(word) else False,
    ),
    _named("VOTER_ID", r"voter(?:'?s)?|epic", r"[A-Z]{3,5}[0-9]{7,10}", _SURE),
    _named("MEDICAL_RECORD", _RECORD, f"#?{_CODE}", _SURE, _digits(_FEWEST_DIGITS)),
    _named("INSURANCE_ID", _POLICY, f"#?{_CODE}", _FAIR, _digits(_FEWEST_DIGITS), _STRICT),
    _named("EMPLOYEE_ID", "employee|personnel|staff", _CODE, _FAIR, _digits(_FEWEST_DIGITS), _STRICT),
    _named("CARD_SECURITY_CODE", r"cvv2?|cvc2?|security code|card verification(?: value)?", "[0-9]{3,4}", _SURE),
    _named(
        "CARD_EXPIRY",
        r"exp(?:iry|iration|ires|\.)?(?: date)?|valid (?:thru|through|until)|good thru",
        r"(?:0[1-9]|1[0-2]) ?[/-] ?(?:20)?[2-4][0-9]",
        _SURE,
    ),
    _named("DATE_OF_BIRTH", _BORN, _DAY, _SURE),
    _named(
        "POSTAL_CODE",
        r"zip(?:[ -]?code)?|postal code|post ?code|plz|postleitzahl|code postal|postcode",
        r"[0-9]{5}(?:-[0-9]{4})?|[0-9]{4} ?[A-Z]{2}|[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}|"
        r"[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]",
        _SURE,
    ),
)
