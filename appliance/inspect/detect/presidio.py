"""Presidio's own English pattern recognisers: the only module that touches presidio.

Owns: which recognisers run, with presidio's own patterns, scores, context words and checks. Rules: the set equals the
one presidio enables by default for English (a test compares it with presidio's registry), without names and without
dates, which cost too much for their precision; presidio's logger is off, because it may print what it matched; domain
names are judged by the suffix list inside tldextract, never by one fetched from the network.
"""

import logging
from collections.abc import Callable
from functools import cache
from importlib.metadata import version as installed_version
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import regex
import tldextract

from appliance.inspect.detect import lean

# What AnalyzerEngine passes down: DOTALL, MULTILINE, IGNORECASE (presidio_analyzer/conf/default_recognizers.yaml: 26).
PATTERN_FLAGS = regex.DOTALL | regex.MULTILINE | regex.IGNORECASE

_BASE = (
    ("analysis_explanation", ("AnalysisExplanation",)),
    ("recognizer_result", ("RecognizerResult",)),
    ("entity_recognizer", ("EntityRecognizer",)),
    ("local_recognizer", ("LocalRecognizer",)),
    ("pattern", ("Pattern",)),
    ("pattern_recognizer", ("PatternRecognizer",)),
)
_PREDEFINED = "predefined_recognizers"
_GENERIC = f"{_PREDEFINED}.generic"
_US = f"{_PREDEFINED}.country_specific.us"
_UK = f"{_PREDEFINED}.country_specific.uk"
# module, class; the order is presidio's own.
_RECOGNISERS = (
    (f"{_GENERIC}.credit_card_recognizer", "CreditCardRecognizer"),
    (f"{_US}.us_bank_recognizer", "UsBankRecognizer"),
    (f"{_US}.us_driver_license_recognizer", "UsLicenseRecognizer"),
    (f"{_US}.us_itin_recognizer", "UsItinRecognizer"),
    (f"{_US}.us_passport_recognizer", "UsPassportRecognizer"),
    (f"{_US}.us_ssn_recognizer", "UsSsnRecognizer"),
    (f"{_UK}.uk_nhs_recognizer", "NhsRecognizer"),
    (f"{_GENERIC}.crypto_recognizer", "CryptoRecognizer"),
    (f"{_GENERIC}.email_recognizer", "EmailRecognizer"),
    (f"{_GENERIC}.iban_recognizer", "IbanRecognizer"),
    (f"{_GENERIC}.ip_recognizer", "IpRecognizer"),
    (f"{_US}.medical_license_recognizer", "MedicalLicenseRecognizer"),
    (f"{_GENERIC}.mac_recognizer", "MacAddressRecognizer"),
    (f"{_GENERIC}.uuid_recognizer", "UuidRecognizer"),
    (f"{_GENERIC}.phone_recognizer", "PhoneRecognizer"),
    (f"{_GENERIC}.url_recognizer", "UrlRecognizer"),
)
# presidio's default configuration gives this recogniser other words than the class does ("cc", not "cc ").
_CONTEXT_IN_CONFIGURATION = {
    "CreditCardRecognizer": (
        *("credit", "card", "visa", "mastercard", "cc", "amex", "discover"),
        *("jcb", "diners", "maestro", "instapayment"),
    ),
}
# What to look for first, where the whole shape is told at each of many ends: it ends inside every match.
_PATH = "(?:/[^\\s()<>\\\"']*)?)"
_ACCOUNT = "(?<![A-Z0-9])([A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2,6})"
_FIRST_GROUPS = r"(?:^|[^A-Za-z0-9]|[\x{80}-\x{10ffff}])[A-Z]{2}[0-9]{2}(?:[ -]?[A-Z0-9]{4}){2}"
_VERSIONED = ("presidio-analyzer", "phonenumbers", "tldextract", "regex", "spacy")

type Check = Callable[[str], bool | None]


class PatternRule(NamedTuple):
    """One pattern of a recogniser. `expression` compiles with `PATTERN_FLAGS` in the `regex` library.

    `signal`: what to look for first where the expression is too large for that; it ends inside every match.
    """

    name: str
    expression: str
    score: float
    signal: str = ""


class Recogniser(NamedTuple):
    """One recogniser. `validate`: True raises a match to 1.0, False drops it; `invalidate`: True drops it.

    `groups`: the match ends at the last capturing group whose text is valid (presidio does so for IBAN only).
    `regions`: for phone numbers, the regions tried; patterns are empty then. `valued`: what is found is the group
    `value`. `least`: what scores less, after the words beside it, is nothing. `sifts`: `validate` only refuses.
    """

    name: str
    entity: str
    patterns: tuple[PatternRule, ...]
    context: tuple[str, ...]
    validate: Check
    invalidate: Check
    groups: bool = False
    regions: tuple[str, ...] = ()
    leniency: int = 1
    score: float = 0.0
    valued: bool = False
    least: float = 0.0
    sifts: bool = False


@cache
def offline_suffixes() -> tldextract.TLDExtract:
    """The public suffix list as packaged: no fetch, no cache on disk."""
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, fallback_to_snapshot=True)


def version() -> str:
    """Names and versions of every library whose tables decide what is found."""
    return " ".join(f"{name}={installed_version(name)}" for name in _VERSIONED)


def load_recognisers() -> tuple[Recogniser, ...]:
    """Presidio's default English recognisers that work by pattern, without DATE_TIME, in presidio's order."""
    logging.getLogger("presidio-analyzer").disabled = True
    modules = lean.load("presidio_analyzer", _stand_ins(), _BASE, [module for module, _ in _RECOGNISERS])
    email = modules[f"{_GENERIC}.email_recognizer"]
    email.tldextract = SimpleNamespace(extract=offline_suffixes())  # type: ignore[attr-defined]
    return tuple(_recogniser(modules[module], name) for module, name in _RECOGNISERS)


def _stand_ins() -> dict[str, dict[str, object]]:
    packages = ("", _PREDEFINED, _GENERIC, f"{_PREDEFINED}.country_specific", _US, _UK)
    found: dict[str, dict[str, object]] = {package: {} for package in packages}
    found["nlp_engine"] = {"NlpArtifacts": object}  # only named in annotations
    return found


def _recogniser(module: ModuleType, name: str) -> Recogniser:
    context = _CONTEXT_IN_CONFIGURATION.get(name)
    made: Any = getattr(module, name)(context=context)
    entity = str(made.supported_entities[0])
    words = tuple(str(word).lower() for word in made.context)
    if name == "PhoneRecognizer":
        regions = tuple(made.supported_regions)
        return Recogniser(
            name, entity, (), words, no_opinion, no_opinion, False, regions, made.leniency, float(made.SCORE)
        )
    patterns = tuple(
        PatternRule(item.name, item.regex, float(item.score), _signal(item.regex)) for item in made.patterns
    )
    groups = name == "IbanRecognizer"  # its own analyze() never asks invalidate_result
    invalidate = no_opinion if groups else made.invalidate_result
    return Recogniser(name, entity, patterns, words, made.validate_result, invalidate, groups)


def _signal(expression: str) -> str:
    """Empty: the expression itself. An account is told at its first groups, an address of the web before its path."""
    if expression.startswith(_ACCOUNT):
        return _FIRST_GROUPS
    return f"{expression.removesuffix(_PATH)})" if expression.endswith(_PATH) else ""


def no_opinion(_: str) -> bool | None:
    """The check of a recogniser that has none."""
    return None
