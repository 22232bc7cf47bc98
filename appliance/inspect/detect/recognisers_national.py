"""Numbers of persons, accounts and machines that have a shape, mostly with check digits, by country.

Owns: shapes, scores and words around them, as data. Rules: what a check digit cannot settle (one number in ten passes
by chance) keeps its low score and needs a word beside it; only shapes that nothing else has become certain. Sources of
the checks stand with them (`checksums`); shapes are those of the issuing authorities named there.
"""

import re
from collections.abc import Callable

from appliance.inspect.detect import checksums
from appliance.inspect.detect.presidio import Check, PatternRule, Recogniser, no_opinion

_LEFT = r"(?<![\w])"
_RIGHT = r"(?![\w])"
_MONTH = "[ABCDEHLMPRST]"
_OMITTED = "[0-9LMNPQRSTUV]"  # digits of an Italian code, or the letters that replace them where two persons share one

WEAK = 0.05
LEAST = 0.1
LIKELY = 0.3
GROUPED = 0.4  # three groups of three with a check: 4 stand in 12,014 ordinary prompts, and none passes
_ENDS = r"(?![.-][0-9])"  # no longer chain of groups
_MBI, _MBI_ANY = "[AC-HJKMNP-RT-Y]", "[AC-HJKMNP-RT-Y0-9]"  # no S, L, O, I, B, Z
_ICAO = "[CFGHJKLMNPRTVWXYZ0-9]"  # the German serial numbers' letters


def sifted(test: Callable[[str], bool]) -> Check:
    """A check that refuses but proves nothing."""

    def check(word: str) -> bool | None:
        return None if test(word) else False

    return check


def _nir(word: str) -> bool | None:
    """Fifteen digits in a row may be another number: one in a hundred passes."""
    return (True if " " in word else None) if checksums.french_nir(word) else False


_SETTLING = (_nir, checksums.italian)


_LETTERS_FIRST = re.compile(r"(?:\(\?-?i?:)*\[?[A-Z]")


def _signal(shape: str) -> str:
    """What to look for first: shapes begin and end with letters or digits, so edges of words say what `_LEFT` does."""
    if "|" in re.sub(r"\([^()]*\)", "", shape):
        return ""
    looked = shape.removesuffix(_ENDS)
    for signs in ("[ -]", "[ .-]"):
        if f"({signs})" in looked:
            looked = looked.replace(f"({signs})", signs).replace(r"\1", signs)
    edge = "" if _LETTERS_FIRST.match(looked) else r"\b"  # before letters an edge costs ten times the rest
    return rf"{edge}{looked}\b"


def _shaped(entity: str, shapes: tuple[tuple[str, float], ...], words: str, check: Check = no_opinion) -> Recogniser:
    """One kind of number; `words`: parted by commas."""
    sifts = check not in _SETTLING
    name = f"{''.join(part.capitalize() for part in entity.lower().split('_'))}Recogniser"
    rules = tuple(
        PatternRule(f"{entity.lower()}-{number}", f"{_LEFT}{shape}{_RIGHT}", score, _signal(shape))
        for number, (shape, score) in enumerate(shapes)
    )
    return Recogniser(name, entity, rules, tuple(words.split(",")), check, no_opinion, least=LEAST, sifts=sifts)


NATIONAL: tuple[Recogniser, ...] = (
    _shaped(
        "DE_TAX_ID",
        ((r"[1-9][0-9](?: ?[0-9]{3}){3}", WEAK),),
        "steuer,idnr,tax id,tin",
        sifted(checksums.german_tax),
    ),
    _shaped(
        "DE_ID_CARD",
        ((rf"(?-i:[LMNPRTVWXY]{_ICAO}{{8}}[0-9])", WEAK),),
        "personalausweis,ausweis,id card,identity card",
        sifted(lambda word: any(map(str.isdecimal, word[1:-1])) and checksums.german_card(word)),
    ),
    _shaped(
        "DE_HEALTH_INSURANCE",
        ((r"(?-i:[A-Z])[0-9]{9}", WEAK),),
        "krankenvers,versichertennummer,versicherungsnummer,kvnr,gesundheitskarte,health",
        sifted(checksums.german_health),
    ),
    _shaped(
        "FR_NIR",
        ((r"[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9][0-9]) ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}", 0.3),),
        "nir,sécurité,securite,insee,social security",
        _nir,
    ),
    _shaped("ES_DNI", ((r"[0-9]{8}[ -]?[A-HJ-NP-TV-Z]", LIKELY),), "dni,nif,documento", sifted(checksums.spanish)),
    _shaped("ES_NIE", ((r"[XYZ][ -]?[0-9]{7}[ -]?[A-HJ-NP-TV-Z]", 0.4),), "nie,extranjero", sifted(checksums.spanish)),
    _shaped(
        "IT_FISCAL_CODE",
        ((rf"[A-Z]{{6}}{_OMITTED}{{2}}{_MONTH}{_OMITTED}{{2}}[A-Z]{_OMITTED}{{3}}[A-Z]", 0.3),),
        "codice fiscale",
        checksums.italian,
    ),
    _shaped(
        "NL_BSN",
        (
            (rf"[0-9]{{4}}([ .-])[0-9]{{2}}\1[0-9]{{3}}{_ENDS}", LEAST),
            (rf"[0-9]{{3}}([ .-])[0-9]{{3}}\1[0-9]{{3}}{_ENDS}", WEAK),
            (r"[0-9]{9}", WEAK),
        ),
        "bsn,burgerservice",
        sifted(checksums.dutch),
    ),
    _shaped("PL_PESEL", ((r"[0-9]{11}", WEAK),), "pesel", sifted(checksums.polish)),
    _shaped(
        "SE_PERSONNUMMER",
        ((r"(?:19|20)?[0-9]{6}[-+][0-9]{4}", LIKELY), (r"(?:19|20)?[0-9]{10}", WEAK)),
        "personnummer,samordningsnummer,swedish",
        sifted(checksums.swedish),
    ),
    _shaped(
        "IN_AADHAAR",
        ((r"[2-9][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}", LIKELY), (r"[2-9][0-9]{11}", WEAK)),
        "aadhaar,aadhar,uidai",
        sifted(checksums.verhoeff),
    ),
    _shaped("IN_PAN", ((r"(?-i:[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z])", 0.4),), "pan,permanent account,income tax"),
    _shaped(
        "BR_CPF",
        ((r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", 0.6), (r"[0-9]{11}", WEAK)),
        "cpf,cadastro",
        sifted(checksums.brazilian),
    ),
    _shaped(
        "CA_SIN",
        ((rf"[1-79][0-9]{{2}}([ .-])[0-9]{{3}}\1[0-9]{{3}}{_ENDS}", GROUPED),),
        "insurance,canada,canadian",
        sifted(checksums.luhn),
    ),
    _shaped(
        "AU_TFN",
        ((rf"[0-9]{{3}}([ .-])[0-9]{{3}}\1[0-9]{{3}}{_ENDS}", GROUPED),),
        "tfn,australia",
        sifted(checksums.australian),
    ),
    _shaped(
        "CH_AHV",
        ((rf"756([ .-])[0-9]{{4}}\1[0-9]{{4}}\1[0-9]{{2}}{_ENDS}", 0.7), (r"756[0-9]{10}", 0.5)),
        "ahv,avs,navs,oasi,sozialversicherung,versichertennummer",
        sifted(checksums.swiss),
    ),
    _shaped(
        "UK_NINO",
        ((r"(?-i:[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z])(?: ?[0-9]{2}){3} ?(?-i:[A-D])", 0.5),),
        "national insurance,nino,ni number,insurance number",
        sifted(lambda word: word[:2] not in {"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"}),
    ),
    _shaped(
        "US_MBI",
        (
            (
                rf"(?-i:[1-9]{_MBI}{_MBI_ANY}[0-9]-?{_MBI}{_MBI_ANY}[0-9]-?{_MBI}{{2}}[0-9]{{2}})",
                0.4,
            ),
        ),
        "medicare,mbi,beneficiary",
    ),
    _shaped("US_NPI", ((r"[12][0-9]{9}", WEAK),), "npi,provider identifier", sifted(checksums.npi)),
    _shaped(
        "US_ABA_ROUTING", ((r"[0-3678][0-9]{8}", WEAK),), "routing,aba,rtn,wire,fedwire", sifted(checksums.routing)
    ),
    _shaped("US_EIN", ((r"[0-9]{2}-[0-9]{7}", 0.1),), "ein,tin,tax,employer identification,irs"),
    _shaped(
        "VEHICLE_ID",
        ((r"(?-i:[A-HJ-NPR-Z0-9]{8}[0-9X][A-HJ-NPR-Z0-9]{4}[0-9]{4})", 0.1),),
        "vin,vehicle,chassis",
        sifted(checksums.vehicle),
    ),
    _shaped(
        "IMEI",
        ((r"[0-9]{2}-?[0-9]{6}-?[0-9]{6}-?[0-9]", WEAK),),
        "imei,handset",
        sifted(checksums.luhn),
    ),
    _shaped(
        "CRYPTO",
        ((r"0x[0-9a-f]{40}", 0.3), (r"(?-i:T[1-9A-HJ-NP-Za-km-z]{33}|[LM][1-9A-HJ-NP-Za-km-z]{26,33})", WEAK)),
        "wallet,ethereum,eth,litecoin,tron,usdt,crypto",
    )._replace(name="CryptoAddressRecogniser"),
)
