"""Findings equal stock presidio's: entity, start, end, score."""

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.inspect.detect.recognisers_own import OWN

stock_presidio = pytest.importorskip("stock_presidio")

DATASETS = Path(__file__).parents[5] / "shared" / "data" / "datasets"


@pytest.fixture(scope="module")
def stock():
    return stock_presidio.Stock()


def assert_equal(stock, detectors, text):
    want, got = stock.findings(text), stock_presidio.ours(detectors, text)
    assert want - got == {}, f"missing in {text!r}"
    assert got - want == {}, f"extra in {text!r}"


def test_recognisers_are_those_that_presidio_enables(stock, detectors):
    theirs = {}
    for recogniser in stock.registry.recognizers:
        patterns = [(p.name, p.regex, p.score) for p in getattr(recogniser, "patterns", ())]
        context = [word.lower() for word in recogniser.context]
        theirs[recogniser.name] = (recogniser.supported_entities, patterns, context)
    mine = {}
    for recogniser in detectors._pii._recognisers[: -len(OWN)]:
        patterns = [(rule.name, rule.expression, rule.score) for rule in recogniser.patterns]
        mine[recogniser.name] = ([recogniser.entity], patterns, list(recogniser.context))
    assert mine == theirs


FIXTURES = (
    "",
    "My phone number is 212-555-0123 and my ssn 536-22-1234.",
    "card 4111 1111 1111 1111; 4111-1111-1111-1111; 4111111111111111x",
    "IBAN DE89370400440532013000 2 days later, gb33 bukb 2020 1555 5555 55",
    "call 1641 or 16 41, room 1234, +49 30 901820, 030/901820, 2012-01-02 08:00:15",
    "\u0967\u0968\u0969, ::1, 4-1, 212-555-0123",
    "e\u0301 4111\u03011111 1111 1111, a\u0301bob@example.com, \u0661\u0662\u0663-22-1234",
    "\u017f123456 \u212a1234567 \u01311234567 ip ::1 ip",
    "passport fe80::1%eth0 ip ip / license 9",
    "Visit 'https://example.com/a?b=c' or example.org. mail x@example.co.uk\x1f",
    "a:1 the:2 account 123456789 :) bank (123456789)",
    "\u4e2d\u65874111111111111111\u4e2d\u6587 \u4e2d 4111111111111111 \u4e2d",
    "account" + " the" * 40 + " 123456789",
    "the\n\n\naccount\n\n  123456789 account",
)


@pytest.mark.parametrize("text", FIXTURES)
def test_fixture(stock, detectors, text):
    assert_equal(stock, detectors, text)


def test_fuzzed_neighbourhoods(stock, detectors):
    for text in stock_presidio.fuzz(random.Random(20), 400):  # noqa: S311 - a seeded generator for tests
        assert_equal(stock, detectors, text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(stock_presidio._PIECES), st.text(max_size=4)), max_size=10).map("".join))
def test_any_text(stock, detectors, text):
    text = text.encode("utf-8", "ignore").decode()  # spaCy refuses lone surrogates
    assert_equal(stock, detectors, text)


@pytest.mark.shared
def test_dataset_slice(stock, detectors):
    if not DATASETS.is_dir():
        pytest.skip("../shared/data/datasets is not beside this checkout")
    short = (text for text in stock_presidio.corpus(DATASETS) if len(text) < 300)
    for text in itertools.islice(short, 0, None, 12):
        assert_equal(stock, detectors, text)


@pytest.mark.shared
@pytest.mark.conformance
@pytest.mark.timeout(900)
def test_more_than_thirty_thousand_texts(detectors):
    if not DATASETS.is_dir():
        pytest.skip("../shared/data/datasets is not beside this checkout")
    done = stock_presidio.compare(detectors, stock_presidio.everything(DATASETS, seed=1, mutations=6000, fuzzed=6000))
    assert done.texts > 30_000
    assert (done.missing, done.extra) == (0, 0), "\n".join(done.told)


def test_mutations_of_real_texts_are_many(stock, detectors):
    texts = ["call +49 30 901820 or 212-555-0123", "card 4111 1111 1111 1111 of bob@example.com"]
    made = list(stock_presidio.mutated(random.Random(3), texts, 100))  # noqa: S311 - a seeded generator for tests
    assert len(set(made)) > 60
    for text in made:
        assert_equal(stock, detectors, text)
