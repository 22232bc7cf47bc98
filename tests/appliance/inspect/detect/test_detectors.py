import logging
import os
import subprocess
import sys
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.inspect.detect import DetectorFailure, phones
from appliance.inspect.detect import detectors as module
from appliance.inspect.detect.hyperscan import (
    PLAIN,
    SUPERSET,
    Database,
    Expression,
    _character_index,
    compile_expressions,
)
from appliance.inspect.looking import Seen
from appliance.model.detection import Detection
from appliance.model.names import Source

TEXT = "phone 212-555-0123, bob@example.com, card 4111 1111 1111 1111"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(), max_size=40).map(lambda text: f"{text}4111 1111 1111 1111{text}"))
def test_any_string_is_taken_surrogates_included(detectors, text):
    for found in detectors.scan(text):
        assert 0 <= found.start < found.end <= len(text)


@pytest.mark.parametrize(
    "before", ["", "\ud800", "\ud800\udc00\ud800 ", "\U0001f600 ", "e\u0301 ", "\u0967 ", "?" * 3 + "\udfff"]
)
def test_offsets_are_code_points(detectors, before):
    text = f"{before} bob@example.com {before}"
    found = [d for d in detectors.scan(text) if d.entity == "EMAIL_ADDRESS"]
    assert [text[d.start : d.end] for d in found] == ["bob@example.com"]


def test_sorted_and_repeatable(detectors):
    first = detectors.scan(TEXT)
    assert list(first) == sorted(first)
    assert detectors.scan(TEXT) == first
    assert {d.entity for d in first} >= {"PHONE_NUMBER", "EMAIL_ADDRESS", "CREDIT_CARD"}


def test_beyond_max_chars_is_told(detectors, monkeypatch):
    monkeypatch.setattr(detectors, "max_chars", 20)
    seen = detectors.scan_bounded(TEXT)
    assert (seen.scanned, seen.complete) == (20, False)
    assert detectors.scan_bounded(TEXT[:20]).complete


def test_out_of_time_fails_instead_of_skipping(detectors, monkeypatch):
    monkeypatch.setattr(detectors, "time_limit_s", -1.0)
    for text in ("call 212-555-0199", "mail carol@example.com"):
        with pytest.raises(DetectorFailure) as failure:
            detectors.scan(text)
        assert text not in str(failure.value)
        assert failure.value.__cause__ is None


def test_the_phone_matcher_minds_its_deadline():
    how = (("US",), 1)
    with pytest.raises(TimeoutError):
        phones.find("212-555-0123", 0, 12, how, time.monotonic() - 1)
    assert phones.find("212-555-0123", 0, 12, how, time.monotonic() + 60) == {(0, 12)}


def test_a_failing_check_is_a_failure_that_carries_no_text(detectors, monkeypatch):
    def broken(word):
        raise ValueError(word)

    compiled = [(r._replace(validate=broken), rules) for r, rules in detectors._pii._compiled]
    monkeypatch.setattr(detectors._pii, "_compiled", compiled)
    with pytest.raises(DetectorFailure) as failure:
        detectors.scan("mail dave@example.com")
    assert "dave" not in str(failure.value)
    assert failure.value.__suppress_context__


def test_what_was_matched_is_never_logged(detectors, caplog):
    with caplog.at_level(logging.DEBUG):
        detectors.scan("IBAN D\u212a89370400440532013000 and DE89370400440532013000 \u017fA89370400440532013000")
    assert caplog.text == ""


def test_short_phone_numbers(detectors):
    found = {d.entity for d in detectors.scan("call 1641 now")}
    assert "PHONE_NUMBER" in found
    assert detectors.scan("in 1999 then") == ()


def test_cache_holds_detections_only_and_stays_bounded():
    cache = module._Cache(entries=3, size=2000)
    found = Seen((Detection(0, 3, "X", "pii", 1.0, "r"),))
    for text in "abcdef":
        cache.put(cache.key(text, Source.USER), found)
    assert len(cache._held) == 3
    assert cache.get(cache.key("a", Source.USER)) is None
    assert cache.get(cache.key("f", Source.USER)) == found
    cache.put(cache.key("g", Source.USER), Seen(found.found * 100))
    assert cache._used <= 2000
    assert cache._used == sum(module._weight(held) for held in cache._held.values())
    assert module._Cache(1, 1).key("a", Source.USER) != cache.key("a", Source.USER)


def test_an_equal_text_is_not_scanned_again(detectors, monkeypatch):
    detectors.scan("mail erin@example.com twice")
    monkeypatch.setattr(detectors, "_find", lambda _: pytest.fail("scanned again"))
    assert detectors.scan("mail erin@example.com twice")


def test_hits_inside_a_character_are_counted_to_it():
    assert _character_index("\u0967\u0968".encode(), {1, 3, 4}) == {1: 0, 3: 0, 4: 1}
    database = Database(compile_expressions([Expression(r"\d{3}", SUPERSET), Expression("[^a]b", PLAIN)]))
    text = "\u0967\u0968\u0969 \u00e9b \U0001f600b"
    hits = database.hits(text)
    assert 2 in hits[0]
    assert hits[1] == [5, 8]


def test_no_natural_language_library_is_loaded(detectors):
    del detectors  # builds the tables that the process below reads
    program = (
        "import sys, os, pathlib, tempfile\n"
        "from appliance.inspect.detect import Detectors\n"
        "folder = pathlib.Path(tempfile.gettempdir()) / f'gnomon-test-tables-{os.geteuid()}'\n"
        "assert Detectors.load(folder).scan('mail bob@example.com')\n"
        "heavy = {'spacy', 'thinc', 'numpy', 'torch', 'presidio_analyzer'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "import presidio_analyzer\n"
        "presidio_analyzer.AnalyzerEngine\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stderr
