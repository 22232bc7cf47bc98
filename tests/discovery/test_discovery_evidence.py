"""How signs add up: names against the catalogue's word, behaviour beside it, weak signs capped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.evidence import WEAK_CAP, WEIGHTS, Assertion, Source, confidence, covers, judge


def sign(source, weight=None, ceiling=0.9, service="openai", text=None):
    return Assertion(source, service, WEIGHTS.get(source, 0.5) if weight is None else weight, ceiling, text or source)


@pytest.mark.parametrize(
    ("signs", "sure"),
    [
        ([], 0.0),
        ([sign(Source.CLIENT)], 0.9),
        ([sign(Source.CLIENT), sign(Source.RESOLVER), sign(Source.CERTIFICATE)], 0.9),
        ([sign(Source.RESOLVER)], 0.54),
        ([sign(Source.RESOLVER), sign(Source.RESOLVER)], 0.54),
        ([sign(Source.RESOLVER), sign(Source.CERTIFICATE)], 0.9 * (1 - 0.4 * 0.15)),
        ([sign(Source.CONTENT, 0.7)], 0.7),
        ([sign(Source.CLIENT, ceiling=0.5), sign(Source.CONTENT, 0.6)], 0.8),
        ([sign(Source.STACK)], 0.1),
        ([sign(Source.STACK, 0.9), sign(Source.CADENCE, 0.9)], WEAK_CAP),
    ],
)
def test_confidence_is_as_the_model_says(signs, sure):
    assert confidence(signs) == pytest.approx(sure)


def test_a_contradiction_halves_the_clients_words():
    assert confidence([sign(Source.CLIENT)], disputed=True) == pytest.approx(0.45)
    assert confidence([sign(Source.RESOLVER)], disputed=True) == pytest.approx(0.54)


_SIGNS = st.builds(
    Assertion,
    st.sampled_from(Source),
    st.sampled_from(["a", "b"]),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from("xyz"),
)


@given(st.lists(_SIGNS, max_size=12), _SIGNS)
def test_more_signs_never_make_it_less_sure(signs, one):
    assert 0 <= confidence(signs) <= confidence([*signs, one]) + 1e-12 <= 1 + 1e-9


def test_the_service_with_the_best_signs_wins_and_its_words_come_strongest_first():
    found = judge(
        [
            sign(Source.CONTENT, 0.3, service="other", text="o"),
            sign(Source.RESOLVER, text="dns"),
            sign(Source.CLIENT, text="sni"),
        ]
    )
    assert (found.service, found.confidence, found.texts) == ("openai", 0.9, ("sni", "dns"))
    assert judge([]) is None


@pytest.mark.parametrize(
    ("names", "name", "is_covered"),
    [
        (("api.openai.com",), "API.openai.com.", True),
        (("*.openai.com",), "api.openai.com", True),
        (("*.openai.com",), "a.b.openai.com", False),
        (("*.openai.com",), "openai.com", False),
        (("*.",), "com", False),
        (("*",), "openai.com", False),
        ((), "openai.com", False),
    ],
)
def test_a_certificate_covers_a_name_as_verifiers_read_it(names, name, is_covered):
    assert covers(names, name) is is_covered
