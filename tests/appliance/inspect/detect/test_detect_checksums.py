"""Numbers that issuers publish as examples pass; the same numbers with one digit changed do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.detect import checksums

GOOD = (
    (checksums.luhn, "4111 1111 1111 1111"),
    (checksums.mod97, "DE89 3704 0044 0532 0130 00"),
    (checksums.mod11, "0-306-40615-2"),
    (checksums.mod11, "080442957X"),
    (checksums.verhoeff, "2341 2341 2346"),
    (checksums.german_tax, "86 095 742 719"),
    (checksums.german_card, "T220001293"),
    (checksums.german_health, "A123456780"),
    (checksums.french_nir, "2 55 08 14 168 025 38"),
    (checksums.spanish, "12345678Z"),
    (checksums.spanish, "X1234567L"),
    (checksums.italian, "RSSMRA85T10A562S"),
    (checksums.brazilian, "111.444.777-35"),
    (checksums.vehicle, "1M8GDM9AXKP042788"),
    (checksums.npi, "1234567893"),
    (checksums.polish, "44051401359"),
    (checksums.swedish, "811228-9874"),
    (checksums.dutch, "1112.22.333"),
    (checksums.australian, "123 456 782"),
    (checksums.swiss, "756.9217.0769.85"),
    (checksums.routing, "021000021"),
)


@pytest.mark.parametrize(("test", "number"), GOOD)
def test_a_published_example_holds_and_no_neighbour_does(test, number):
    assert test(number)
    last = max(at for at, character in enumerate(number) if character.isdecimal())
    others = [number[:last] + digit + number[last + 1 :] for digit in "0123456789" if digit != number[last]]
    assert not any(test(other) for other in others)


@given(st.sampled_from([test for test, _ in GOOD]), st.text(alphabet="0123456789ABXZ -.", min_size=17, max_size=30))
def test_any_length_is_answered(test, text):
    assert test(text) in {True, False}


@pytest.mark.parametrize("number", ["", "0000 0000 0000 0000", "4111-1111-1111-111x", "7"])
def test_what_is_no_number_does_not_pass(number):
    assert not checksums.luhn(number)
