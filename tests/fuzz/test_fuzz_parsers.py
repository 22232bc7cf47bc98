"""20,000 mutated fixtures through every parser; the program that makes a million of them notices what it should."""

import json
import random
import subprocess
import sys
from pathlib import Path

import fuzz_cases
import fuzz_targets
import pytest
from fuzz_mutations import MOST, mutated

from appliance.inspect.jsonspans import MalformedBody


@pytest.mark.parametrize("seed", range(1, 5))
def test_nothing_escapes(seed):
    assert [str(failure) for failure in fuzz_cases.fuzz(seed, 5000)] == []


def test_what_escapes_is_told_and_can_be_had_again(monkeypatch):
    def broken(*case):
        raise KeyError(len(case))

    monkeypatch.setitem(fuzz_targets.TARGETS, "request", broken)
    failures = fuzz_cases.fuzz(1, 60)
    assert {failure.target for failure in failures} == {"request"}
    with pytest.raises(KeyError):
        fuzz_cases.fuzz(1, 1, first=failures[0].number, loud=True)


def test_a_case_that_takes_too_long_is_a_failure(monkeypatch):
    def endless(*case):
        while True:
            pass

    monkeypatch.setattr(fuzz_cases, "CASE_SECONDS", 0.05)
    monkeypatch.setattr(fuzz_cases, "WEIGHTS", {"walker": 1})
    monkeypatch.setitem(fuzz_targets.TARGETS, "walker", endless)
    assert [failure.fault.partition(":")[0] for failure in fuzz_cases.fuzz(1, 1)] == ["TooSlow"]


def test_mutations_stay_small_and_often_readable():
    rng = random.Random(1)  # noqa: S311 - chance that can be repeated
    read = 0
    requests = [
        fixture for fixture in fuzz_targets.sources("openai") if fixture.told["content_type"] == "application/json"
    ]
    for _ in range(300):
        fixture = rng.choice(requests)
        body = mutated(rng, fixture.request, b'{"a":"b"}')
        assert len(body) <= MOST
        try:
            fixture.dialect.request(body, fixture.call)
        except MalformedBody:
            continue
        read += 1
    assert read > 60, "cases that are all refused at the door test little"


def test_the_program():
    command = [sys.executable, Path(__file__).with_name("run.py"), "--cases", "200", "--seed", "9"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = dict(pair.split("=") for pair in done.stdout.splitlines()[-1].split()[1:])
    assert json.loads(figures["cases"]) == 200
    assert json.loads(figures["peak_rss_mb"]) < 1024
