"""Every bound of detection is on the page, and leaves the mark that the page promises."""

import base64
import re
from pathlib import Path

import pytest

from appliance.inspect.detect import dictionaries
from appliance.inspect.dialects import Call
from appliance.inspect.failure import OutOfTime
from appliance.inspect.inspection import Inspector
from appliance.inspect.looking import Looked
from appliance.inspect.output.patterns import Patterns
from appliance.inspect.views import views
from appliance.inspect.windows import look_whole
from appliance.model.detection import Coverage
from appliance.model.names import DetectionKind, Source
from appliance.policy.matching import unscanned_for

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "reference" / "coverage.md").read_text()
CALL = Call("POST", "/v1/chat/completions", "application/json")
BOUND = re.compile(r"^(_?(?:MAX|MOST|CAP|DEPTH|GROWTH|ROUNDS|WINDOW|TURNS)(?:_[A-Z]+)*) = [0-9(]", re.MULTILINE)
# Not of texts: sizes of our own files, of which too large ones are refused.
OWN = {"weights.py", "custom.py", "checks.py", "checksums.py"}
READ = ("views*.py", "uploads.py", "numbers.py", "injection/*.py", "output/*.py", "topics/*.py", "detect/*.py")


def bounds():
    inspect = ROOT / "appliance" / "inspect"
    for path in sorted(found for shape in READ for found in inspect.glob(shape)):
        module = path.parent.name if path.stem == "__init__" else path.stem
        yield from ((module, name) for name in BOUND.findall(path.read_text()) if path.name not in OWN)


@pytest.mark.parametrize(("module", "name"), list(bounds()))
def test_each_bound_is_on_the_page(module, name):
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and f"{module}." in line]
    told = any(re.search(rf"(?<![A-Z_]){name}(?![A-Z_])", row) for row in rows)
    told |= module == "views_spread" and name == "MAX_PIECES" and f"{module}.{name}" not in PAGE  # nobody uses it
    assert told, f"{module}.{name} is not in docs/reference/coverage.md"


def nested(text, times):
    for _ in range(times):
        text = base64.b64encode(text.encode()).decode()
    return text


MANY_URLS = " ".join(f"a%40b{number}" for number in range(10_001))
LOOKING = {"pii", "secret", "injection"}
CASES = {
    "codes in codes": (nested("mail maria@example.com now", 5), Source.USER, LOOKING),
    "codes in codes that are read": (nested("mail maria@example.com now", 3), Source.USER, set()),
    "pieces": (MANY_URLS, Source.USER, LOOKING),
    "tokens": (" ".join(f"aaaaaaaaaaaaaaaaaaaa{number}" for number in range(2_100)), Source.USER, {"views"}),
    "a long text": ("a word of prose and another " * 800, Source.USER, {"injection", "topic"}),
    "a long text of a system": ("a word of prose and another " * 800, Source.SYSTEM, set()),
    "comments": ("<!-- note --> " * 500, Source.TOOL, {"injection"}),
    "hidden": ("\U000e0041\U000e0042\U000e0043 and " * 40, Source.USER, {"hidden_text"}),
    "markdown": ("![a][b] " * 2_100 + "\n\n[b]: https://x.example/?d=1", Source.ANSWER, {"output"}),
    "an ordinary text": ("please write a letter to the council about the trees", Source.USER, set()),
}


@pytest.mark.parametrize("name", CASES)
def test_a_bound_that_was_met_leaves_its_mark(detectors, name):
    text, source, expected = CASES[name]
    seen = look_whole(detectors, text, source)
    assert expected <= set(seen.partial)
    if not expected:
        assert not LOOKING & set(seen.partial)
    again = look_whole(detectors, text, source)
    assert again.partial == seen.partial, "what is remembered keeps its marks"


def test_views_that_grow_say_so():
    few, many = (" ".join(f"kq{number:04}abcdefghjkmnp%41rs" for number in range(count)) for count in (20, 800))
    assert views(few).lacking == set()
    assert views(many).lacking >= LOOKING


def test_what_is_marked_reaches_the_record_and_the_rules(detectors):
    text = nested("mail maria@example.com now", 5)
    body = b'{"model":"m","messages":[{"role":"user","content":"' + text.encode() + b'"}]}'
    coverage = Inspector(detectors).request(CALL, None, body, "openai").coverage
    assert coverage.balanced
    assert coverage.partial == dict.fromkeys(("injection_partial", "pii_partial", "secret_partial", "views_partial"), 1)
    assert not coverage.complete
    assert unscanned_for(coverage, frozenset({"secret_partial"}))
    assert not unscanned_for(coverage, frozenset({"topic_partial"}))


def test_what_judges_whole_texts_is_seen_by_name_only():
    coverage = Coverage(10, 2, 8, partial={"injection_partial": 1, "topic_partial": 1, "views_partial": 2})
    assert coverage.complete
    assert unscanned_for(coverage, frozenset({"injection_partial"}))
    assert not Coverage(10, 2, 8, partial={"out_of_time": 1}).complete


def test_too_many_values_of_a_dictionary_are_kept_and_told(monkeypatch):
    monkeypatch.setattr(dictionaries, "_MOST_FOUND", 3)
    made = dictionaries.made("names", "X_NAME", DetectionKind.PII, b"k" * 32, ["zephyrine"])
    detector = dictionaries.Dictionaries([made])
    looked = Looked("zephyrine " * 9, Source.USER, lambda _: ())
    with pytest.raises(OutOfTime) as short:
        detector.find(looked, 1e12)
    assert (len(short.value.found), short.value.lacking) == (3, ("pii",))


def test_a_page_without_links_is_read_in_full_however_long():
    looked = Looked("word " * 20_000, Source.ANSWER, lambda _: ())
    assert list(Patterns().find(looked, 0.0)) == []
    assert looked.partial == set()
