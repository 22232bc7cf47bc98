"""Stock presidio as the yardstick: the same recognisers, behind presidio's own engine and a blank English pipeline.

Run it over whole folders of JSON lines with a `text` field:
    python tests/appliance/inspect/detect/stock_presidio.py FOLDER [--mutated N] [--fuzz N] [--seed N]
It prints how many texts were compared and how many findings were missing or extra; exit 1 where there were any.
`make conformance` does the same over ../shared/data/datasets.
"""

import argparse
import json
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import spacy
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
from presidio_analyzer.predefined_recognizers.generic import email_recognizer
from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider

from appliance.bench.scan import small_texts
from appliance.inspect.detect import Detectors
from appliance.inspect.detect.presidio import offline_suffixes
from appliance.inspect.detect.recognisers_own import OWN
from appliance.inspect.identifiers import is_count

_TOLD = 40
_LEFT_OUT = {"DateRecognizer"}
_OUR_OWN = {recogniser.name for recogniser in OWN}
type Finding = tuple[str, int, int, float]


class BlankEnglish(NlpEngine):
    """spaCy's English tokenizer without a model; a token is its own lemma."""

    def __init__(self):
        self._nlp = spacy.blank("en")

    def load(self):
        pass

    def is_loaded(self):
        return True

    def process_text(self, text, language):
        document = self._nlp(text)
        words = [token.text for token in document]
        places = [token.idx for token in document]
        return NlpArtifacts([], document, places, words, self, language, scores=[])

    def process_batch(self, texts, language, **_):
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word, language):
        del language
        return self._nlp.vocab[word].is_stop

    def is_punct(self, word, language):
        del language
        return self._nlp.vocab[word].is_punct

    def get_supported_entities(self):
        return []

    def get_supported_languages(self):
        return ["en"]


class Stock:
    """AnalyzerEngine with presidio's default registry, without dates; never the network."""

    def __init__(self):
        email_recognizer.tldextract = SimpleNamespace(extract=offline_suffixes())
        self.registry = RecognizerRegistryProvider().create_recognizer_registry()
        for name in _LEFT_OUT:
            self.registry.remove_recognizer(name)
        self.engine = AnalyzerEngine(registry=self.registry, nlp_engine=BlankEnglish(), supported_languages=["en"])

    def findings(self, text: str) -> Counter[Finding]:
        results = self.engine.analyze(text, language="en")
        # Digits that only count are left out by both: the one thing in which our own findings differ on purpose.
        return Counter(
            (r.entity_type, r.start, r.end, round(r.score, 9)) for r in results if not is_count(text[r.start : r.end])
        )


def ours(detectors: Detectors, text: str) -> Counter[Finding]:
    """What presidio's recognisers find in `detectors`, in the same shape: on the letters as they stand."""
    found = detectors.exact(text)
    return Counter(
        (d.entity, d.start, d.end, round(d.score, 9)) for d in found if d.kind == "pii" and d.rule not in _OUR_OWN
    )


_JOINED = (
    "4111 1111 1111 1111|4111-1111-1111-1111|123456789|078-05-1120|536-22-1234|900-70-1234|A1234567|A12345678|"
    "DE89370400440532013000|GB33 BUKB 2020 1555 5555 55|bob@example.com|a.b-c@sub.example.co.uk|x@y|http://example.com/p|"
    "'https://a.org'|example.net|192.168.1.1|10.0.0.0/8|::1|fe80::1%eth0|2001:db8::8a2e:370:7334|00:1a:2b:3c:4d:5e|"
    "001a.2b3c.4d5e|1A2B3C4D-1234-4abc-9def-1234567890ab|+1 212-555-0123|(030) 901820|030/901820|1641|16 41|1 6 8 9|"
    "+49 30 901820|0171 1234567|1BoatSLRHtKNngkdXEEobR76b53LETtpyT|943 476 5919|AB1234563|phone|card|ssn|account|bank|"
    "email|ip|passport|license|the|a:1|:)|don't|\u017f|\u212a|\u0131|\u0130|é|ñ|\u0301|\u0966\u0967\u0968|٤|²|中文|日本|\u2003|\u00a0|\u200b|"
    "\n|\t|  |-|.|/|:|@|,|(|)|x|ext 12|12|2024-01-02 08:00|1999|00|9|%|$|_|=|https://|www.|.com|\U0001f600"
)
_PIECES = _JOINED.split("|")


def fuzz(generator: random.Random, count: int) -> Iterator[str]:
    """Texts made of pieces that matter, in every neighbourhood."""
    for _ in range(count):
        glue = generator.choice(["", " ", "", " ", "\n", ", "])
        yield glue.join(generator.choice(_PIECES) for _ in range(generator.randint(1, 14)))


def mutated(generator: random.Random, texts: Iterable[str], count: int) -> Iterator[str]:
    """Parts of real texts with pieces put in, left out, turned round or in another case."""
    known = [text for text in texts if text.strip()]
    for _ in range(count):
        text = generator.choice(known)
        left = generator.randrange(len(text))
        part = text[left : left + generator.randint(20, 400)]
        for _ in range(generator.randint(1, 4)):
            part = _mutation(generator, part)
        yield part.encode("utf-8", "ignore").decode()


def _mutation(generator: random.Random, text: str) -> str:
    at, width = generator.randint(0, len(text)), generator.randint(0, 6)
    cut = text[at : at + width]
    digits = "".join(generator.choice("0123456789") if one.isdecimal() else one for one in cut)
    put = generator.choice([generator.choice(_PIECES), "", cut[::-1], cut.swapcase(), cut * 2, digits])
    return f"{text[:at]}{put}{text[at + width :]}"


class Compared(NamedTuple):
    """How many texts, findings of stock presidio, and differences; `told`: the first few of those."""

    texts: int
    findings: int
    missing: int
    extra: int
    told: tuple[str, ...]


def compare(detectors: Detectors, texts: Iterable[str]) -> Compared:
    """Every text by both."""
    stock, told = Stock(), []
    count = found = missing = extra = 0
    for text in texts:
        want, got = stock.findings(text), ours(detectors, text)
        count += 1
        found += want.total()
        missing += (want - got).total()
        extra += (got - want).total()
        if want != got and len(told) < _TOLD:
            told.append(f"{text[:150]!r}\n  missing {want - got}\n  extra {got - want}")
    return Compared(count, found, missing, extra, tuple(told))


def everything(folder: Path, seed: int, mutations: int, fuzzed: int) -> Iterator[str]:
    """All rows of a folder, as many of them mutated, and texts made up."""
    generator = random.Random(seed)  # noqa: S311 - a seeded generator
    yield from corpus(folder)
    yield from mutated(generator, corpus(folder), mutations)
    yield from fuzz(generator, fuzzed)


def corpus(folder: Path) -> Iterator[str]:
    """Every `text` of every JSON lines file in `folder`."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"]


def timed(seconds: float) -> float:
    """Median milliseconds of stock presidio on the texts that `gnomon bench scan` takes."""
    engine = Stock().engine
    times: list[float] = []
    until = time.perf_counter() + seconds
    for text in small_texts(500):
        before = time.thread_time()
        engine.analyze(text, language="en")
        times.append((time.thread_time() - before) * 1000)
        if time.perf_counter() > until:
            break
    return statistics.median(times[len(times) // 10 :])


def main() -> int:
    """Compare; see the module's docstring."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--time", type=float, metavar="SECONDS", help="only tell the median time of a text of 2 kB, ms")
    parser.add_argument("--mutated", type=int, default=6000)
    parser.add_argument("--fuzz", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path)
    arguments = parser.parse_args()
    if arguments.time:
        sys.stdout.write(f"{timed(arguments.time)}\n")
        return 0
    texts = everything(arguments.folder, arguments.seed, arguments.mutated, arguments.fuzz)
    done = compare(Detectors.load(arguments.cache), texts)
    sys.stdout.write("\n".join(done.told))
    sys.stdout.write(f"{done.texts} texts, {done.findings} findings, {done.missing} missing, {done.extra} extra\n")
    return 1 if done.missing or done.extra else 0


if __name__ == "__main__":
    sys.exit(main())
