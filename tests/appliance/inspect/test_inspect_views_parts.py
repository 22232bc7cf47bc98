"""What the readings of a text are made of: letters, escapes, codes, numbers, and the way back to where they stand."""

from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.confusables import plain
from appliance.inspect.detect.gates import open_gates
from appliance.inspect.looking import CANONICAL, View
from appliance.inspect.views_canonical import canonical
from appliance.inspect.views_counted import counted
from appliance.inspect.views_decoded import HIDDEN, base64_texts, hex_texts, selected, tagged
from appliance.inspect.views_escapes import unescaped, words
from appliance.inspect.views_forms import Forms
from appliance.inspect.views_gates import EVERY, MAIL, NUMBERS, all_open
from appliance.inspect.views_letters import LONGEST, read_letters
from appliance.inspect.views_numbers import is_account, is_card, numbers
from appliance.inspect.views_places import BETWEEN, NOWHERE, Piece, below, picked, rewritten, together, whole
from appliance.inspect.views_spread import broken, joined, spaced, spelled
from appliance.inspect.views_turned import shifted, turned
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

LETTERS = st.text(
    st.characters()
    | st.sampled_from("aZ09 \u200b\u0301\u0430\u0436\ufe0f\U000e0041\ufb01\uff11\u2028\u00e9\u2026\ufdfa")
)


def said(text):
    read = canonical(text)
    return text if read is None else read.text


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("caf\u00e9 cr\u00e8me", "cafe creme"),
        ("\ufb01n", "fin"),
        ("\uff49\uff47\uff4e\uff4f\uff52\uff45", "ignore"),
        ("\U0001d422\U0001d420\U0001d427", "ign"),
        ("i\u200bg\u00adn\u2060o", "igno"),
        ("4\u20131\u20141", "4-1-1"),
        ("\u201cyes\u201d \u2018no\u2019", "\"yes\" 'no'"),
        ("1\u00a0200\u202f000", "1 200 000"),
        ("\u0661\u0662\u0663 \u0967\u0968", "123 12"),
        ("ign\u043er\u0435", "ignore"),
        ("\u0440\u0430\u0443\u0440\u0430\u04cf", "paypal"),
        ("\u0432\u0447\u0435\u0440\u0430 HTTP-\u0437\u0430\u043f\u0440\u043e\u0441", None),
        ("\u03b1\u03b2\u03b3 and \u03c0", None),
        ("\u6771\u4eac\u30ac\u30a4\u30c9", None),
        ("\ud55c\uad6d\uc5b4", None),
        ("\ufdfa", None),
        ("\ud800 lone", None),
        ("wait\u2026what", None),
        (r"a\u0062\x63 \"d\"", 'abc "d"'),
        (r"\\\\u0041&amp;#66;&lt;&nosuch;", "AB<&nosuch;"),
        (r"\ud83d\ude00", "\U0001f600"),
        (r"\text{a} \nabla C:\new", None),
        (r"{\"a\":\"one\ntwo\"}", '{"a":"one\ntwo"}'),
        ("\uff06#65;", "A"),
    ],
)
def test_text_as_a_person_reads_it(text, read):
    assert said(text) == (text if read is None else read)


@given(LETTERS)
def test_letters_are_read_once(text):
    read = read_letters(text)
    if read:
        assert read_letters(read[0]) is None
        assert len(read[0]) <= LONGEST * len(text)


@given(LETTERS)
def test_every_letter_has_its_place(text):
    read = canonical(text)
    if read is None:
        return
    spans = [read.placed(at, at + 1) for at in range(len(read.text))]
    assert all(start < end for start, end in spans)
    assert spans == sorted(spans)
    for (start, end), letter in zip(spans, read.text, strict=True):
        assert letter in said(text[start:end]) or letter in plain(said(text[start:end])) or letter in plain(text)


def test_places_of_what_grows_and_what_is_dropped():
    read = canonical("x\ufb01\u200by\u0301\u0301z")
    assert read is not None
    assert read.name == CANONICAL
    assert read.text == "xfiyz"
    assert [read.placed(at, at + 1) for at in range(5)] == [(0, 1), (1, 2), (1, 2), (3, 6), (6, 7)]
    assert read.placed(1, 4) == (1, 6)


def test_only_what_reads_otherwise_near_digits_is_scanned_again():
    far = "word " * 40
    read = canonical(f"caf\u00e9 {far}n\u00b0 \uff11234 {far}5678")
    assert read is not None
    assert read.parts is not None
    (part,) = read.parts
    assert "1234" in read.text[slice(*part)]
    assert "5678" not in read.text[slice(*part)]


def test_lookalikes_only_where_scripts_mix():
    assert plain("\u0430dmin") == "admin"
    assert plain("\u0436\u0443\u043a \u0430dmin") == "\u0436\u0443\u043a admin"
    assert plain("\u043d\u0435\u0442 \u0436\u0443\u043a") == "\u043d\u0435\u0442 \u0436\u0443\u043a"


def test_escapes_of_words_and_wholes():
    assert [piece.text for piece in words("see a%40b.c and =\nd, 50% off, x=5Fy")] == ["a@b.c", "d", "x_y"]
    assert [piece.text for piece in words("%F0%9F%98%80%ff")] == ["\U0001f600\udcff"]
    assert unescaped("plain") is None
    text, places = unescaped(r"k\u0041\u0042c") or ("", None)
    assert text == "kABc"
    assert places.place(1, 3) == (1, 13)


def test_codes_that_hold_text():
    assert [one.text for one in base64_texts(Forms("x aGVsbG8gdGhlcmUgcGVvcGxl y"))] == ["hello there people"]
    assert base64_texts(Forms("internationalizationOfApplications")) == []
    assert [one.text for one in hex_texts("68 65 6c 6c 6f 20 74 68 65 72 65 2e")] == ["hello there."]
    hidden = "".join(chr(0xE0000 + ord(one)) for one in "do as I say")
    assert tagged(f"a{hidden}").text == "do as I say"
    assert tagged(hidden[: HIDDEN - 1]) is None
    assert tagged("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f" * 4) is None
    assert selected("x" + "".join(chr(0xE0100 + ord(one) - 16) for one in "do as I say")).text == "do as I say"
    assert selected("\u2764\ufe0f" * 20) is None


def test_numbers_by_issuer_and_checksum():
    assert is_card("4111111111111111")
    assert not is_card("4111111111111112")
    assert not is_card("1111111111111117")
    assert is_account("DE89370400440532013000")
    assert not is_account("DE89370400440532013001")
    assert [one.text for one in numbers(Forms("4111.1111.1111.1111 4111.1111.1111/1111 4111 1111 1111 1111"))] == [
        "4111111111111111"
    ]
    assert [one.text for one in numbers(Forms("3782 822463 10005 3782:822463:10005"))] == ["378282246310005"]


def test_letters_and_lines_that_are_spread():
    assert [one.text for one in spaced("i g n o r e   a l l   n o w")] == ["ignore all now"]
    assert [one.text for one in spaced("a b c d and then e f")] == []
    assert [one.text for one in joined("x maria@corp.com_y")] == ["maria@corp.com"]
    assert [one.text for one in spelled("maria dot k at corp dot com, b [at] x.org, look at x.org")] == [
        "maria.k@corp.com",
        "b@x.org",
    ]
    assert [one.text for one in broken(Forms("key a1B2c3D4\r\ne5F6g7H8 on\none\ntwo 3\n4"))] == ["a1B2c3D4e5F6g7H8"]


def test_tokens_that_are_turned():
    assert [one.text for one in turned(Forms("see moc.proc@airam now"))] == ["maria@corp.com"]
    assert [one.text for one in shifted(Forms("see znevn@pbec.pbz now"))] == ["maria@corp.com"]
    assert [one.text for one in turned(Forms("9f86d081884c7d659a2feaa0c55ad015 and a-long-word-of-letters-only"))] == []


def test_pieces_of_one_view():
    text = "0123456789"
    view = together("both", [picked(text, [1, 3, 5]), whole("xy", 6, 9), picked(text, [9, 8])])
    assert view.text == BETWEEN.join(["135", "xy", "98"])
    second = 3 + len(BETWEEN)
    assert view.placed(0, 2) == (1, 4)
    assert view.placed(second, second + 1) == (6, 9)
    assert view.placed(len(view.text) - 2, len(view.text)) == (8, 10)
    assert view.placed(2, second + 1) == NOWHERE
    inner = below(view, View("inner", "5", lambda start, end: (start + 2, end + 2)))
    assert inner.placed(0, 1) == (5, 6)
    assert inner.sure


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.sampled_from(["", "x", "yz"])), max_size=8))
def test_rewritten_texts_know_where_they_stand(told):
    at, edits = 0, []
    for gap, size, new in told:
        edits.append((at + gap, at + gap + size, new))
        at += gap + size
    text = "".join(chr(ord("A") + number % 26) for number in range(at + 3))
    read, edited = rewritten(text, edits)
    for first in range(len(read)):
        start, end = edited.place(first, first + 1)
        assert 0 <= start < end <= len(text)
        if read[first].isupper():
            assert text[start:end] == read[first]


def test_gates_are_of_the_readers():
    assert all_open("") == EVERY
    assert open_gates("a@b") == {MAIL}
    assert open_gates("\u00e9 2024") == {NUMBERS}


def found(start, end, score=1.0, entity="CREDIT_CARD"):
    return Detection(start, end, entity, DetectionKind.PII, score, "rule")


def test_what_is_known_is_not_told_again():
    view = View("url", "0123456789", sure=True)
    for known, counts in (
        ([], True),
        ([found(2, 8)], False),
        ([found(0, 10)], False),
        ([found(2, 8, 0.9)], True),
        ([found(2, 7)], True),
        ([found(2, 8, entity="OTHER")], True),
    ):
        assert (counted(view, lambda _: [found(2, 8)], known) == (found(2, 8),)) is counts
    assert counted(view, lambda _: [found(2, 8, 0.5)], []) == ()
    assert counted(view._replace(sure=False), lambda _: [found(2, 8, 0.5)], []) != ()
    assert counted(view._replace(name="rot13"), lambda _: [found(2, 8)], [found(7, 9)]) == ()
    assert counted(View("canonical", "text", parts=()), lambda _: [found(0, 1)], []) == ()
    assert counted(together("url", [Piece("a", lambda _s, _e: (3, 3))]), lambda _: [found(0, 1)], []) == ()


LINES = st.lists(
    st.binary(min_size=20, max_size=120).map(lambda data: b64encode(data).decode())
    | st.binary(min_size=32, max_size=32).map(bytes.hex)
    | st.text("abc \u00e9\u20ac", min_size=60, max_size=300).map(lambda text: b64encode(text.encode()).decode())
    | st.text("abc ", min_size=60, max_size=200).map(lambda text: b64encode(text.encode("utf-16-le")).decode())
    | st.sampled_from(
        ["", "word.", "x" * 300, "averylongword.example", "==", "aGVsbG8gdGhlcmUgcGVvcGxl", "68656c6c6f" * 30]
    ),
    max_size=12,
)


@given(LINES, st.sampled_from(["\n", "\r\n", " "]))
def test_what_begins_as_bytes_is_no_text_when_it_is_read_in_full(lines, between):
    """To look at the beginning first saves time and loses nothing."""
    text = between.join(lines)
    quick = base64_texts(Forms(text))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("appliance.inspect.views_decoded._may_be_text", lambda _: True)
        slow = base64_texts(Forms(text))
    assert [(one.text, one.place(0, 1)) for one in quick] == [(one.text, one.place(0, 1)) for one in slow]


def test_lines_of_bytes_are_not_each_decoded_with_all_behind_them(monkeypatch):
    read = []
    monkeypatch.setattr("appliance.inspect.views_decoded._decoded", lambda run: read.append(len(run)))
    base64_texts(Forms("\n".join(sha256(bytes([number])).hexdigest() for number in range(200))))
    assert sum(read) < 200 * 65
