"""A text in pieces is decided as the whole is, whatever the pieces; nothing of what must be hidden leaves before."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rule_texts import matching, seeded

from appliance.inspect.detect import DetectorFailure, Detectors
from appliance.inspect.overlap import cover
from appliance.inspect.redact import redact_text
from appliance.inspect.scanning import labels_of
from appliance.inspect.stream.watching import Flag, Watching
from appliance.model.detection import Detection, Label, Selector
from appliance.model.names import DetectionKind

DATASETS = Path(__file__).parents[5] / "shared" / "data" / "datasets"
EVERY_TEXT = os.environ.get("GNOMON_WATCH_EVERY_TEXT") == "1"
PERSONAL = (
    *("CREDIT_CARD", "CRYPTO", "EMAIL_ADDRESS", "IBAN_CODE", "MEDICAL_LICENSE", "PHONE_NUMBER", "UK_NHS"),
    *("US_BANK_NUMBER", "US_DRIVER_LICENSE", "US_ITIN", "US_PASSPORT", "US_SSN"),
)
HIDES = (Selector(kinds=("secret",)), Selector(entities=PERSONAL, min_score=0.4))
EVERYTHING = (Selector(kinds=("secret", "pii")),)
CEILING = 1 << 16
WORDS = ("the", "account", "is", "at", "bank", "number", "my", "phone", "card", "of", ":", "and", "ssn", "email", "no.")
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SECRET = "sk-proj-" + "aB3dE5fG7h" * 8


@pytest.fixture(scope="module")
def detectors():
    return Detectors.load(Path(tempfile.gettempdir()) / f"gnomon-test-tables-{os.geteuid()}")


@pytest.fixture(scope="module")
def watching(detectors):
    return Watching(detectors)


def fed(watch, pieces):
    """All that was found, and what each call said: `until` never falls, what is found lies before it, in order."""
    found, last, told = [], 0, []
    for piece in [*pieces, None]:
        decided = watch.close() if piece is None else watch.feed(piece)
        assert decided.until >= last
        for one in decided.found:
            assert last <= one.start < one.end <= decided.until
            last = one.end
        last = decided.until
        found += decided.found
        told.append(decided)
    return tuple(found), told


def cut(text, rng, longest):
    pieces = []
    while text:
        length = rng.randint(1, longest)
        pieces.append(text[:length])
        text = text[length:]
    return pieces


def hidden(detectors, text, hides):
    return cover(one for one in detectors.exact(text) if any(selector.takes(one) for selector in hides))


def assert_as_whole(watching, detectors, text, pieces, hides=HIDES):
    watch = watching.watch("content", hides, (), CEILING)
    want = hidden(detectors, text, hides)
    found, told = fed(watch, pieces)
    assert found == want, text
    assert watch.labels() == labels_of([detectors.exact(text), detectors.beside(text)]), text
    assert told[-1].until == len(text)
    left = list(want)
    for decided in told:
        left = [one for one in left if one not in decided.found]
        assert not left or decided.until <= left[0].start, "a part of it has left"


class Expressions(list):
    """Not told in full where a test fails."""

    def __repr__(self):
        return f"<{len(self)} expressions>"


@pytest.fixture(scope="module")
def expressions(detectors):
    return Expressions(one for family in detectors.families() for one in family.expressions)


@relaxed
@given(st.integers(0, 2**32), st.sampled_from([0, 3, 40, 400]), st.sampled_from(["", " ", "\n", "x", ", ", "."]))
def test_any_rule_in_prose_in_any_pieces(watching, detectors, expressions, seed, longest, glue):
    rng = seeded(seed)
    parts = []
    for _ in range(rng.randint(1, 4)):
        rule = rng.choice(expressions)
        parts += rng.choices(WORDS, k=rng.randint(0, 8))
        parts.append(matching(rule.text, rule.flags, rng, longest))
    text = (glue or " ").join(parts) if rng.random() < 0.5 else glue.join(parts)
    hides = rng.choice([HIDES, EVERYTHING, (Selector(entities=("UK_NHS", "URL", "GITHUB_TOKEN")),)])
    assert_as_whole(watching, detectors, text, cut(text, rng, rng.choice([1, 4, 30, 5000])), hides)


def test_every_rule_character_by_character(watching, detectors, expressions):
    for rule in expressions:
        text = "So my " + matching(rule.text, rule.flags, seeded(3), 3) + " it is."
        assert_as_whole(watching, detectors, text, list(text), EVERYTHING)


@pytest.mark.parametrize(
    "text",
    [
        f"the key {SECRET}, and card 4111 1111 1111 1111; call 212-555-0123 or 16 41.",
        "nr:123456789 the of bank; x account 078-05-1120, a@b.co.uk. bob@example.com-",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\n-----END RSA PRIVATE KEY-----\nMISTRAL_API_KEY=" + "aB3" * 11 + "x",
    ],
)
def test_every_split_in_two(watching, detectors, text):
    for place in range(1, len(text)):
        assert_as_whole(watching, detectors, text, [text[:place], text[place:]])


@pytest.mark.parametrize("length", [16, 100, 1000, 4096])
def test_long_secrets_leave_nothing_but_what_stands_before(watching, detectors, length):
    secret = "-----BEGIN PRIVATE KEY-----" + ("Ab1/" * 1024)[: length - 16] + "-----END PRIVATE KEY-----"
    for text in (f"here: {secret} done", f"ya29.{'k_' * max(10, min(length, 500) // 2)} done"):
        watch = watching.watch("content", HIDES, (), CEILING)
        start = hidden(detectors, text, HIDES)[0].start
        assert max(watch.feed(character).until for character in text[:-6]) <= start
        assert_as_whole(watching, detectors, text, [text[n : n + 7] for n in range(0, len(text), 7)])


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("account" + " the" * 300 + " 123456789 .", ["US_BANK_NUMBER"]),  # the words before may lie far back
        ("nr:123456789" + " the" * 300 + " bank .", ["US_BANK_NUMBER"]),  # and the one behind far on
        ("account " + "plain words go by " * 300 + " 123456789 .", []),
        ("x" * 1500 + " bank 12345678 " + "y" * 3000 + "-123456789-account-" + "z" * 50, ["US_BANK_NUMBER"] * 2),
    ],
)
def test_words_around_a_match_count_however_far(watching, detectors, text, entities):
    hides = (Selector(entities=("US_BANK_NUMBER",), min_score=0.4),)
    assert [one.entity for one in hidden(detectors, text, hides)] == entities
    assert_as_whole(watching, detectors, text, cut(text, seeded(1), 9), hides)


def test_a_score_waits_for_the_word_that_settles_it_and_no_longer(watching):
    watch = watching.watch("content", (Selector(entities=("US_BANK_NUMBER",), min_score=0.4),), (), CEILING)
    told = [watch.feed(piece).until for piece in ("nr:123456789", " the", " of", " and", " plain", " the")]
    assert told == [0, 3, 3, 3, 3, 33]
    assert watch.feed(" nr:123456789 bank ").found[0].entity == "US_BANK_NUMBER"


def test_numbers_in_rows_are_decided_as_they_go_by(watching, detectors):
    text = " ".join(str(n) for n in range(100, 700)) + " end"
    watch = watching.watch("content", HIDES, (), CEILING)
    held = 0
    for place, character in enumerate(text):
        held = max(held, place + 1 - watch.feed(character).until)
    assert held < 1300
    assert_as_whole(watching, detectors, text, cut(text, seeded(2), 50))


def test_digits_that_count_go_on_and_a_number_beside_them_is_hidden(watching, detectors):
    text = 'digits = "0123456789"; nhs = "9434765919"; more'
    assert [text[one.start : one.end] for one in hidden(detectors, text, HIDES)] == ["9434765919"]
    assert_as_whole(watching, detectors, text, list(text))
    assert_as_whole(watching, detectors, text, [text])


def test_prose_is_hardly_held(watching):
    text = (
        "Streams come in pieces of a few characters, and most of them can go on at once; only an open word waits. " * 20
    )
    watch = watching.watch("content", HIDES, (), CEILING)
    held = sorted(n + 4 - watch.feed(text[n : n + 4]).until for n in range(0, len(text) - 4, 4))
    assert held[len(held) // 2] < 16
    assert held[-1] < 40


def test_nothing_to_hide_lets_all_through_and_still_labels(watching):
    for kind in ("content", "arguments"):
        watch = watching.watch(kind, (), (), CEILING)
        text = f'{{"k": "{SECRET} bob@example.com \\u00'
        for place, character in enumerate(text):
            assert watch.feed(character) == (place + 1, (), None)
        watch.feed('41"}')
        watch.close()
        assert {one.entity for one in watch.labels()} >= {"OPENAI_API_KEY", "EMAIL_ADDRESS"}


def test_what_ends_the_answer_is_told_before_it_leaves(watching):
    text = f"bob@example.com then {SECRET} and carol@example.com {SECRET} "
    place = text.index("sk-")
    ends = (Selector(kinds=("secret",)),)
    hides = (Selector(entities=("EMAIL_ADDRESS",)),)
    for size in (1, 7, 1000):
        watch = watching.watch("content", hides, ends, CEILING)
        found, told = fed(watch, [text[n : n + size] for n in range(0, len(text), size)])
        assert [one.entity for one in found] == ["EMAIL_ADDRESS"]
        assert (told[-1].until, told[-1].ends_at) == (place, place)
        assert all(decided.until <= place for decided in told)
    assert watching.whole("content", text, hides, ends, CEILING)[0] == (place, found, place)
    assert watching.whole("content", text, hides, ends, 100)[0] == (place, found, place)


def test_what_is_hidden_never_reaches_over_the_end(watching):
    hides, ends = (Selector(entities=("URL",)),), (Selector(entities=("EMAIL_ADDRESS",)),)
    decided, _ = watching.whole("content", "go http://a.com/x,bob@example.com now", hides, ends, CEILING)
    assert decided.ends_at is not None
    assert all(one.end <= decided.ends_at for one in decided.found)


# The ceiling


@relaxed
@given(st.integers(0, 2**32), st.sampled_from([40, 100, 400]), st.sampled_from([1, 3, 50, 1000]))
def test_masking_depends_on_the_text_alone(watching, expressions, seed, ceiling, longest):
    rng = seeded(seed)
    parts = ["word"]
    for _ in range(rng.randint(1, 5)):
        rule = rng.choice(expressions)
        parts += [rng.choice(["x", "é", "中", "\U0001f600", "a1", "1 "]) * rng.randint(1, 300)] * rng.randint(0, 1)
        parts.append(matching(rule.text, rule.flags, rng, 40))
    text = rng.choice(["", " ", "-"]).join(parts)
    watch = watching.watch("content", HIDES, (), ceiling)
    found, told, at = [], [], 0
    for piece in cut(text, rng, longest):
        at += len(piece)
        decided = watch.feed(piece)
        assert len(text[decided.until : at].encode()) <= ceiling
        found += decided.found
        told.append(decided)
    found += watch.close().found
    once = watching.watch("content", HIDES, (), ceiling)
    assert joined(found) == joined([*once.feed(text).found, *once.close().found])
    assert watch.labels() == once.labels()
    whole, labels = watching.whole("content", text, HIDES, (), ceiling)
    assert (joined(found), labels) == (list(whole.found), watch.labels())


def joined(found):
    """Pieces of one mask put together, as an editor writes them."""
    put = []
    for one in found:
        if one.rule == "ceiling-continued":
            assert put[-1].end == one.start
            put[-1] = Detection(
                put[-1].start, one.end, *(getattr(put[-1], n) for n in ("entity", "kind", "score", "rule"))
            )
        else:
            put.append(one)
    return put


def test_beyond_the_ceiling_the_text_is_masked_from_where_it_may_have_begun(watching):
    run = "a" * 5000
    watch = watching.watch("content", (Selector(entities=("EMAIL_ADDRESS",)),), (), 1000)
    found, told = fed(watch, ["see ", *run, " bob@example.com "])
    mask = Detection(4, 5005, "UNDECIDED", DetectionKind.SECRET, 1.0, "ceiling")
    assert joined(found)[0] == mask
    assert joined(found)[1].entity == "EMAIL_ADDRESS"
    assert told[1000].until == 4
    assert told[1002].until == 1006
    assert Label("UNDECIDED", DetectionKind.SECRET, 1, 1.0) in watch.labels()
    assert told[-1].ends_at is None
    ending = watching.watch("content", (), (Selector(entities=("UNDECIDED", "EMAIL_ADDRESS")),), 1000)
    assert fed(ending, [run])[1][-1].ends_at == 0


def test_what_nobody_asked_to_hide_is_never_masked(watching):
    watch = watching.watch("content", (Selector(entities=("GITHUB_TOKEN",)),), (), 1000)
    text = "a" * 5000 + " bob@example.com"
    assert fed(watch, cut(text, seeded(1), 40))[0] == ()
    assert [one.entity for one in watch.labels()] == ["EMAIL_ADDRESS", "URL"]


def test_memory_is_bounded(watching):
    watch = watching.watch("content", HIDES, (), 2000)
    for text in ("the and of it: ", "a" * 100, "x", "12 34-", "a b\n", "中文。", "-----BEGIN PRIVATE KEY-----"):
        for _ in range(500):
            watch.feed(text)
            assert len(watch._growing._window) < 20_000
            assert len(watch._growing._cursor.starts) < 200


# Arguments


def written(text, rng):
    """As the inside of a JSON string, with more escapes than needed."""
    return "".join(
        f"\\u{ord(one):04x}"
        if ord(one) < 0x10000 and rng.random() < 0.2
        else json.dumps(one, ensure_ascii=rng.random() < 0.5)[1:-1]
        for one in text
    )


@relaxed
@given(st.integers(0, 2**32), st.sampled_from([1, 3, 12, 200]))
def test_arguments_are_read_through_their_escapes(watching, detectors, expressions, seed, longest):
    rng = seeded(seed)
    rule = rng.choice(expressions)
    value = f'é\U0001f600 "my" {rng.choice(WORDS)} ' + matching(rule.text, rule.flags, rng, 20) + " \\ so"
    view = f'{{"a": "{value}", "n": 1}}'
    text = f'{{"a": "{written(value, rng)}", "n": 1}}'
    want = hidden(detectors, view, HIDES)
    found, _ = fed(watching.watch("arguments", HIDES, (), CEILING), cut(text, rng, longest))
    assert [(one.entity, one.rule) for one in found] == [(one.entity, one.rule) for one in want]
    redacted = redact_text(text, found)
    if all(one.start >= 7 and one.end <= len(view) - 11 for one in want):
        inside = [Detection(o.start - 7, o.end - 7, o.entity, o.kind, o.score, o.rule) for o in want]
        assert json.loads(redacted)["a"] == redact_text(value, inside)
    assert watching.whole("arguments", text, HIDES, (), CEILING)[0].found == found


def test_a_piece_of_an_escape_waits(watching):
    watch = watching.watch("arguments", HIDES, (), CEILING)
    assert watch.feed('{"a": " \\').until == 8
    assert watch.feed("ud83d\\ude").until == 8
    assert watch.feed("00 ").until == 21
    assert watch.feed("\\u00").until == 21
    assert watch.close().until == 25


# Late detectors


class Dots:
    """Flags the third dot."""

    def __init__(self):
        self.seen = 0

    def feed(self, text):
        before, self.seen = self.seen, self.seen + text.count(".")
        return [Flag("DOTS", DetectionKind.OUTPUT, 0.9, "dots")] if before < 3 <= self.seen else []

    def close(self):
        return ()


def test_a_late_detector_labels_or_ends_where_text_has_gone(detectors):
    watching = Watching(detectors, late=[lambda kind: Dots() if kind == "content" else None])
    watch = watching.watch("content", HIDES, (), CEILING)
    assert fed(watch, ["a. ", "b. ", "c. ", "d "])[1][-1].ends_at is None
    assert watch.labels() == (Label("DOTS", DetectionKind.OUTPUT, 1, 0.9),)
    ending = watching.watch("content", HIDES, (Selector(kinds=("output",)),), CEILING)
    told = fed(ending, ["a. ", "b. ", "c. ", "d "])[1]
    assert [(decided.until, decided.ends_at) for decided in told] == [(3, None), (6, None), (9, 9), (9, 9), (9, 9)]
    assert fed(watching.watch("reasoning", HIDES, EVERYTHING, CEILING), ["..."])[1][-1].ends_at is None


# All together


def test_a_failing_detector_raises_and_tells_no_text(detectors, monkeypatch):
    def fails(match, *_):
        raise ValueError(match.group())

    watch = Watching(detectors).watch("content", HIDES, (), CEILING)
    monkeypatch.setattr("appliance.inspect.detect.families.judged", fails)
    with pytest.raises(DetectorFailure) as failure:
        fed(watch, ["mail dave@example.com "])
    assert "dave" not in str(failure.value)
    assert failure.value.__suppress_context__


def test_one_automaton_serves_all_watches_of_a_choice(watching):
    watches = [watching.watch("content", HIDES, (), CEILING) for _ in range(3)]
    assert len({id(watch._growing._rules) for watch in watches}) == 1
    for number in range(20):
        watching.watch("content", (Selector(entities=(PERSONAL[number % 12],)), Selector(kinds=("x" * number,))), (), 9)
    assert len(watching._rules) <= 8


@pytest.mark.shared
def test_dataset(watching, detectors):
    if not DATASETS.is_dir():
        pytest.skip("../shared/data/datasets is not beside this checkout")
    rng = seeded(4)
    for path in sorted(DATASETS.glob("*.jsonl")):
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        for line in lines if EVERY_TEXT else rng.sample(lines, 40):
            text = json.loads(line)["text"][:100_000]
            assert_as_whole(watching, detectors, text, cut(text, rng, rng.choice([4, 4, 300])))
