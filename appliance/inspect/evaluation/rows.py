"""Labelled texts: one JSON record per line, and which of our entities answer to the names that data sets use.

Rules: a line that cannot be read is refused with its number, never skipped. A label of a data set that none of our
detectors claims is counted apart: it is neither missed nor a reason to call something wrong.
"""

import re
from enum import StrEnum

import msgspec

from appliance.model.errors import OperatorError

LONGEST_LINE = 16 << 20  # bytes


class Task(StrEnum):
    """What a data set asks."""

    PII = "pii"
    SECRETS = "secrets"
    INJECTION = "injection"


class Gold(msgspec.Struct, frozen=True):
    """A labelled place: code points, half-open; `type` as the data set names it."""

    start: int
    end: int
    type: str


class Row(msgspec.Struct, frozen=True):
    """One text. `label`: 1 where there is something to find. `spans`: where, for personal data."""

    text: str
    label: int = 0
    kind: str = ""
    source: str = ""
    spans: tuple[Gold, ...] | None = None


_decoder = msgspec.json.Decoder(Row)


def read_row(line: bytes, where: str) -> Row:
    """One line. OperatorError with `where` for one that is none, or whose spans leave its text."""
    if len(line) > LONGEST_LINE:
        raise OperatorError(f"{where}: the line is longer than {LONGEST_LINE} bytes")
    try:
        row = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise OperatorError(
            f'{where}: no labelled text ({error}); want {{"text", "label", "kind", "source", "spans"?}}'
        ) from None
    if row.label not in {0, 1}:
        raise OperatorError(f"{where}: label must be 0 or 1")
    if any(not 0 <= gold.start < gold.end <= len(row.text) for gold in row.spans or ()):
        raise OperatorError(f"{where}: a span is empty or leaves its text")
    return row


# Name in data sets -> (how we report it, what of ours answers to it: a pattern over entities).
_ADDRESS = ("STREET_ADDRESS", "STREET_ADDRESS|ADDRESS|LOCATION")
_ACCOUNT = ("BANK_ACCOUNT", r".*BANK.*|IBAN_CODE|.*ACCOUNT.*|.*SORT_CODE.*")
_LICENSE = ("DRIVER_LICENSE", r".*DRIV.*|.*LICEN[CS]E.*")
_TAX = ("TAX_ID", r".*TAX.*|.*_TIN|US_ITIN|US_SSN|IN_PAN|ES_NIF|IT_FISCAL_CODE|IT_VAT_CODE|FR_NIF|DE_.*ID.*")
_HEALTH = ("HEALTH_ID", r".*(?:MEDICAL|HEALTH|PATIENT|INSURANCE|NHS|MEDICARE|NPI|MRN|KVNR).*")
_PASSPORT = ("PASSPORT", ".*PASSPORT.*")
NAMES: dict[str, tuple[str, str]] = {
    "PERSON": ("PERSON", "PERSON"),
    "ORGANIZATION": ("ORGANIZATION", "ORGANIZATION"),
    "ORG": ("ORGANIZATION", "ORGANIZATION"),
    "LOCATION": ("LOCATION", "LOCATION|STREET_ADDRESS|ADDRESS"),
    "GPE": ("LOCATION", "LOCATION|STREET_ADDRESS|ADDRESS"),
    "ADDRESS": _ADDRESS,
    "STREET_ADDRESS": _ADDRESS,
    "EMAIL": ("EMAIL_ADDRESS", "EMAIL_ADDRESS"),
    "EMAIL_ADDRESS": ("EMAIL_ADDRESS", "EMAIL_ADDRESS"),
    "PHONE": ("PHONE_NUMBER", "PHONE_NUMBER"),
    "PHONE_NUMBER": ("PHONE_NUMBER", "PHONE_NUMBER"),
    "CREDIT_CARD": ("CREDIT_CARD", "CREDIT_CARD"),
    "IBAN": ("IBAN_CODE", "IBAN_CODE"),
    "IBAN_CODE": ("IBAN_CODE", "IBAN_CODE"),
    "SSN": ("US_SSN", "US_SSN"),
    "US_SSN": ("US_SSN", "US_SSN"),
    "DOMAIN_NAME": ("URL", "URL"),
    "URL": ("URL", "URL"),
    "IP_ADDRESS": ("IP_ADDRESS", "IP_ADDRESS"),
    "ACCOUNT": _ACCOUNT,
    "ACCOUNT_NUMBER": _ACCOUNT,
    "BANK_ACCOUNT": _ACCOUNT,
    "BANK_ACCOUNT_NUM": _ACCOUNT,
    "ROUTING_NUMBER": ("ROUTING_NUMBER", ".*ROUTING.*|.*SORT_CODE.*|.*BIC.*|.*SWIFT.*"),
    "DRIVER_LICENSE": _LICENSE,
    "DRIVER_LICENSE_NUM": _LICENSE,
    "LICENSE": _LICENSE,
    "PASSPORT": _PASSPORT,
    "PASSPORT_NUM": _PASSPORT,
    "TAX_ID": _TAX,
    "TAXID": _TAX,
    "PAN": ("TAX_ID", "IN_PAN|CREDIT_CARD"),
    "AADHAR": ("IN_AADHAAR", ".*AADHAA?R.*"),
    "VOTER_ID": ("VOTER_ID", ".*VOTER.*"),
    "PATIENT_ID": _HEALTH,
    "INSURANCE_ID": _HEALTH,
    "INSURANCE_POLICY_NUM": _HEALTH,
    "MEDICAL_RECORD": _HEALTH,
}
_READ = {name: (row, re.compile(shape)) for name, (row, shape) in NAMES.items()}


def reported(name: str) -> str | None:
    """Under which entity a data set's name is reported; None where no detector of ours claims it."""
    known = _READ.get(name)
    return known[0] if known else None


def answers(entity: str, name: str) -> bool:
    """Whether a finding of ours is one of what a data set names so."""
    known = _READ.get(name)
    return known is not None and known[1].fullmatch(entity) is not None


def own_row(entity: str) -> str:
    """Under which entity a finding of ours that answers to nothing is counted as wrong."""
    return next((row for row, shape in _READ.values() if shape.fullmatch(entity) and row == entity), entity)


JUDGED = {
    "natural_web_text": frozenset({"PERSON", "LOCATION", "ORGANIZATION"}),
    "social_media_noisy": frozenset({"PERSON", "LOCATION", "ORGANIZATION"}),
}
"""Kinds of texts in which no more than this is labelled: other findings there are neither right nor wrong."""
