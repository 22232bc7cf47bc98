"""Habits of an application: what is usual stays quiet, what is strange is told, and all of it is bounded and kept."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.inspect.injection.baseline import (
    LEARNT,
    MAX_APPLICATIONS,
    Baseline,
    Baselines,
    Features,
    features,
    language,
)

NOON = 12 * 3600.0
WORDS = (
    "please",
    "summarise",
    "this",
    "ticket",
    "about",
    "the",
    "printer",
    "in",
    "room",
    "seven",
    "for",
    "the",
    "customer",
    "and",
    "answer",
    "in",
    "one",
    "line",
)


def usual(number: int) -> Features:
    text = " ".join(WORDS[number % 7 :] + WORDS[: number % 5])
    return features(text, 300 + number % 50, ("search", "reply"), NOON + 86_400 * (number % 9))


def learnt(count: int = LEARNT + 200) -> Baselines:
    made = Baselines()
    for number in range(count):
        made.judge("app", usual(number))
    return made


STRANGE = features("curl http 10 0 0 1 | sh ; cat etc passwd " * 20, 90_000, ("shell",), NOON + 14 * 3600)


def test_what_is_usual_stays_quiet_and_what_is_strange_is_told() -> None:
    made = learnt()
    assert [made.judge("app", usual(number)) for number in range(100)] == [None] * 100
    assert (made.judge("app", STRANGE) or 0) > 0.5


def test_nothing_is_told_before_there_are_habits_and_of_other_applications() -> None:
    assert learnt(LEARNT - 1).judge("app", STRANGE) is None
    assert learnt().judge("other", STRANGE) is None


def test_what_comes_again_and_again_becomes_usual() -> None:
    made = learnt()
    told = [made.judge("app", STRANGE) for _ in range(200)]
    assert told[0] is not None
    assert told[-1] is None


@pytest.mark.parametrize(
    "changed",
    [
        features("der die das und nicht mit ich zu " * 6, 320, ("search", "reply"), NOON),
        usual(1)._replace(size=20.0, tools="deadbeef"),
        usual(1)._replace(hour=3, tools="deadbeef"),
    ],
)
def test_each_part_counts(changed: Features) -> None:
    kept = learnt()._kept["app"]
    assert kept.score(changed) > kept.score(usual(1)) + 0.15


def test_about_one_in_two_hundred_lies_above_the_percentile() -> None:
    made = Baselines()
    seen = [
        features(f"word{number * 7919 % 1000} and the other one", number * 31 % 900, (), NOON) for number in range(4000)
    ]
    told = sum(made.judge("app", one) is not None for one in seen)
    assert told / len(seen) <= 0.01


def test_habits_are_kept_over_a_restart() -> None:
    made = learnt()
    again = Baselines.decode(made.encode())
    assert again.encode() == made.encode()
    assert again.judge("app", STRANGE) == made.judge("app", STRANGE) is not None


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\xc1",
        Baselines().encode()[:-1],
        msgspec.msgpack.encode({"version": 2, "applications": []}),
        msgspec.msgpack.encode({"version": 1, "applications": [["a", {"centroid": [0.0]}]]}),
        msgspec.msgpack.encode({"version": 1, "applications": [["a", {"norm": float("nan")}]]}),
        msgspec.msgpack.encode({"version": 1, "applications": [["a", {"scale": 0.0}]]}),
        msgspec.msgpack.encode({"version": 1, "applications": [[str(n), {}] for n in range(MAX_APPLICATIONS + 1)]}),
    ],
)
def test_what_cannot_be_read_is_refused_whole(broken: bytes) -> None:
    with pytest.raises(ValueError, match="habits"):
        Baselines.decode(broken)


def test_bounded_in_applications_and_in_what_is_kept_of_one() -> None:
    made = Baselines()
    for number in range(3 * MAX_APPLICATIONS):
        made.judge("always", usual(number))
        made.judge(f"app{number}", usual(number))
    assert len(made) == MAX_APPLICATIONS
    assert "always" in made._kept
    for number in range(200):
        made.judge("always", usual(number)._replace(tools=str(number), language=str(number)))
    kept = made._kept["always"]
    assert max(len(kept.tools), len(kept.languages)) <= 32


def test_no_text_is_kept() -> None:
    made = Baselines()
    made.judge("app", features("hunter2 is the password", 30, ("mail_to_anna",), NOON))
    assert not any(word in made.encode() for word in (b"hunter", b"password", b"anna"))


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ("the price of the house is high", "en"),
        ("das ist nicht der Hund", "de"),
        ("привет как дела", "cyrillic"),
        ("日本語 テキスト", "east asian"),
        ("xyz", "other"),
        ("", "other"),
    ],
)
def test_languages(text: str, guess: str) -> None:
    assert language(text.lower().split()) == guess


@given(st.lists(st.tuples(st.text(max_size=40), st.integers(0, 10**9), st.floats(0, 4e9)), max_size=40))
@settings(deadline=None)
def test_any_request_is_taken(requests: list[tuple[str, int, float]]) -> None:
    kept = Baseline()
    for text, chars, now in requests:
        seen = features(text, chars, (text,), now)
        score = kept.score(seen)
        kept.observe(seen, score)
        assert 0 <= score <= 1
    assert kept.sound


def test_the_average_is_exact() -> None:
    kept, plain = Baseline(), [0.0] * 256
    for number in range(4000):
        seen = usual(number)
        share = max(1 / (number + 1), 1 / 2000)
        for place in range(256):
            plain[place] *= 1 - share
        for place, part in seen.terms:
            plain[place] += share * part
        kept.observe(seen, 0.1)
    assert all(abs(kept.scale * each - other) < 1e-9 for each, other in zip(kept.centroid, plain, strict=True))
    assert abs(kept.norm - sum(each * each for each in plain)) < 1e-9
