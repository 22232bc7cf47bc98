"""Weak findings that are pieces of something else are dropped; those that may be meant stay."""

import pytest

from appliance.inspect.detect.lookalikes import told_apart
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind


def left(text, word, entity="PHONE_NUMBER", score=0.4, more=()):
    start = text.index(word)
    one = Detection(start, start + len(word), entity, DetectionKind.PII, score, "r")
    return one in told_apart(text, [one, *more])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("model claude-sonnet-4-5-20250929 here", "4-5-20250929"),
        ("gpt-4o-2024-08-06", "2024-08-06"),
        ("v0.0.0-20260202195803-dba9d589def2", "0-20260202195803"),
        ("12345678-abcd-4abc-9def", "12345678"),
        ("in 1699 they", "1699"),
        ("took 3500.00 or", "3500.00"),
        ("-2.4930307865142822", "4930307865142822"),
        ("1743105857.684", "1743105857"),
        ("at 1700000000 seconds", "1700000000"),
        ("digits 0123456789", "0123456789"),
        ("/us.anthropic/2025092912", "2025092912"),
    ],
)
def test_a_piece_of_something_else_goes(text, word):
    assert not left(text, word)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("line at 800-540-7085. Gov", "800-540-7085"),
        ("Inc. (713) 235-1972, called", "(713) 235-1972"),
        ("tel:+49 30 901820", "+49 30 901820"),
        ("tel:030901820", "030901820"),
        ("phone=2125550123", "2125550123"),
        ("030/901820, room", "030/901820"),
        ("555.123.4567 is it", "555.123.4567"),
        ("212-555-0123x12", "212-555-0123"),
    ],
)
def test_a_number_that_may_be_meant_stays(text, word):
    assert left(text, word)


def test_what_a_word_supports_or_a_check_proves_stays():
    assert left("x-212-555-0100", "212-555-0100", score=0.75)
    assert left("id-A1234567", "A1234567", "US_DRIVER_LICENSE", 0.65)
    assert not left("id-A1234567", "A1234567", "US_DRIVER_LICENSE", 0.3)
    assert left("card-4111111111111111", "4111111111111111", "CREDIT_CARD", 0.3)


def test_the_address_of_a_machine_is_no_phone():
    text = "at 169.254.169.254 now"
    machine = Detection(3, 18, "IP_ADDRESS", DetectionKind.PII, 0.6, "r")
    assert not left(text, "169.254.169.254", more=[machine])
    assert left(text, "169.254.169.254", score=0.75, more=[machine])


DIGEST = "96762e6116c6e9c92d99bf358c2e0718"
LINE = "MIIDdzCCAlgAwIBAgIUOeTqFiQMCq65CE4yATo9fXcVb0wDQYJKoZIhvcNAQELBQAx"[:64]


def of(text, word, entity, kind):
    start = text.index(word)
    return Detection(start, start + len(word), entity, kind, 1.0, "r")


@pytest.mark.parametrize(
    ("text", "word", "entity", "kind", "stays"),
    [
        (f"sha {DIGEST}", "bf358c2", "MEDICAL_LICENSE", DetectionKind.PII, False),
        ("id bf358c2 x", "bf358c2", "MEDICAL_LICENSE", DetectionKind.PII, True),
        (f"a\n{LINE}\nb", "5CE4yATo9", "AZURE_KEY", DetectionKind.SECRET, False),
        (f"{LINE}\nb", "5CE4yATo9", "AZURE_KEY", DetectionKind.SECRET, True),
        (f"a\n{LINE}\nb", LINE, "AZURE_KEY", DetectionKind.SECRET, True),
        (f"key = {LINE}", "5CE4yATo9", "AZURE_KEY", DetectionKind.SECRET, True),
    ],
)
def test_what_stands_in_a_digest_or_a_certificate_is_chance(text, word, entity, kind, stays):
    assert bool(told_apart(text, [of(text, word, entity, kind)])) is stays


@pytest.mark.parametrize("word", ["0123456789", "1234567890", "9876543210", "234567890123456789"])
def test_digits_that_count_are_nobodys_number_however_they_score(word):
    assert not left(f"digits = {word}", word, "UK_NHS", 1.0)


@pytest.mark.parametrize("word", ["9434765919", "123456789", "1234567891", "123-456-7890"])
def test_other_numbers_stay(word):
    assert left(f"number {word} of", word, "UK_NHS", 1.0)
