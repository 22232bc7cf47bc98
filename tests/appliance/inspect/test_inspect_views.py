"""Readings of a text: what is disguised is found where it stands, and what is not disguised is left alone."""

import base64
import codecs
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_detectors import detectors

from appliance.inspect.detect.gates import open_gates
from appliance.inspect.detect.order import views
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspector
from appliance.inspect.looking import CANONICAL
from appliance.inspect.views import DEPTH, GROWTH
from appliance.inspect.views import views as with_every_gate
from appliance.inspect.views_counted import counted

KEY = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
MAIL = "maria.keller@corp-mail.com"
CARD = "4111111111111111"
IBAN = "DE89370400440532013000"
ADDRESS = "192.168.14.17"
VALUES = {
    "GITHUB_TOKEN": KEY,
    "EMAIL_ADDRESS": MAIL,
    "CREDIT_CARD": CARD,
    "IBAN_CODE": IBAN,
    "IP_ADDRESS": ADDRESS,
}
SHARED = Path(__file__).parents[4] / "shared" / "data" / "datasets" / "injection.jsonl"
CALL = Call("POST", "/v1/chat/completions", "application/json")
HOMOGLYPHS = str.maketrans(
    "aeopcxyi", "\u0430\u0435\u043e\u0440\u0441\u0445\u0443\u0456"
)  # Cyrillic letters that look the same


def each(way):
    return lambda value: "".join(way(one) for one in value)


def digits(first):
    return lambda value: value.translate({ord("0") + number: first + number for number in range(10)})


def coded(text):
    return base64.b64encode(text.encode()).decode()


def halves(by):
    return lambda value: value[: len(value) // 2] + by + value[len(value) // 2 :]


def fours(by):
    return lambda value: by.join(value[at : at + 4] for at in range(0, len(value), 4))


ALL = frozenset(VALUES)
NO_MACHINE = ALL - {"IP_ADDRESS"}
NUMBERS = frozenset({"CREDIT_CARD", "IBAN_CODE"})
# What is done to a value, and for which values it is seen through.
WAYS = {
    "zero width": ("\u200b".join, ALL),
    "soft hyphen": ("\u00ad".join, ALL),
    "word joiner": ("\u2060".join, ALL),
    "tags between": ("\U000e0041".join, ALL),
    "selectors between": ("\ufe0f".join, ALL),
    "full width": (each(lambda one: chr(ord(one) + 0xFEE0)), ALL),
    "Arabic digits": (digits(0x660), ALL),
    "Devanagari digits": (digits(0x966), ALL),
    "bold digits": (digits(0x1D7CE), ALL),
    "combining marks": (each(lambda one: one + "\u0301"), ALL),
    "heaps of marks": (each(lambda one: one + "\u0301\u0327\u0489\u0336"), ALL),
    "homoglyphs": (lambda value: value.translate(HOMOGLYPHS), ALL),
    "JSON": (each(lambda one: f"\\u{ord(one):04x}"), ALL),
    "JSON in JSON": (each(lambda one: f"\\\\\\u{ord(one):04X}"), ALL),
    "JavaScript": (each(lambda one: f"\\x{ord(one):02x}"), ALL),
    "braces": (each(lambda one: f"\\u{{{ord(one):x}}}"), ALL),
    "RTF": (each(lambda one: f"\\'{ord(one):02x}"), ALL),
    "decimal": (each(lambda one: f"&#{ord(one)};"), ALL),
    "hexadecimal": (each(lambda one: f"&#x{ord(one):02X};"), ALL),
    "doubled entities": (each(lambda one: f"&amp;#x{ord(one):02X};"), ALL),
    "link": (each(lambda one: f"%{ord(one):02x}"), ALL),
    "link in link": (each(lambda one: f"%25{ord(one):02x}"), ALL),
    "full-width link": (each(lambda one: f"\uff05{ord(one):02x}"), ALL),
    "base64": (lambda value: coded(f"it is {value}, is it not"), ALL),
    "base64 alone": (coded, ALL),
    "base64 for links": (lambda value: base64.urlsafe_b64encode(f"{value} ~~~???".encode()).decode().rstrip("="), ALL),
    "base64 in three layers": (lambda value: coded(coded(coded(f"it is {value}"))), ALL),
    "base64 of escapes": (lambda value: coded("".join(f"%{ord(one):02x}" for one in value)), ALL),
    "base64 of wide letters": (lambda value: base64.b64encode(value.encode("utf-16-le")).decode(), ALL),
    "hex": (lambda value: value.encode().hex(), ALL),
    "hex bytes": (lambda value: value.encode().hex(" "), ALL),
    "hex in a program": (lambda value: ", ".join(f"0x{ord(one):02x}" for one in value), ALL),
    "spaced": (" ".join, ALL),
    "wide spaced": ("   ".join, ALL),
    "dots between": (".".join, ALL),
    "strokes between": ("|".join, ALL),
    "line end": (halves("\n"), ALL),
    "network line end": (halves("\r\n"), ALL),
    "dotted groups": (fours("."), NUMBERS),
    "groups with underscores": (fours("_"), NUMBERS),
    "groups in lines": (fours("\n"), NUMBERS),
    "reversed": (lambda value: value[::-1], NO_MACHINE),
    "rot13": (lambda value: codecs.encode(value, "rot13"), ALL),
    "words": (lambda value: value.replace("@", " at ").replace(".", " dot "), ALL),
    "brackets": (lambda value: value.replace("@", "[at]").replace(".", "[dot]"), ALL),
    "tags": (each(lambda one: chr(0xE0000 + ord(one))), ALL),
    "variation selectors": (each(lambda one: chr(0xE0100 + ord(one) - 16)), ALL),
}
CASES = [(way, entity) for way, (_, entities) in WAYS.items() for entity in sorted(entities)]


@pytest.mark.parametrize(("way", "entity"), CASES)
def test_a_disguised_value_is_found_as_a_whole_and_once(way, entity):
    said = WAYS[way][0](VALUES[entity])
    text = f"look: \u00e9\U0001f600 ( {said} ) and go"
    found = [one for one in detectors().scan(text) if one.entity == entity]
    assert [text[one.start : one.end] for one in found] == [said]


@pytest.mark.parametrize("entity", sorted(NO_MACHINE))
def test_an_underscore_on_both_sides_hides_nothing(entity):
    text = f"name x_{VALUES[entity]}_y"
    (found,) = {(one.start, one.end) for one in detectors().scan(text) if one.entity == entity}
    assert VALUES[entity] in text[slice(*found)]


@pytest.mark.parametrize("entity", sorted(NO_MACHINE))
def test_a_turned_direction_of_writing_is_followed(entity):
    text = f"it reads \u202e{VALUES[entity][::-1]}\u202c here"
    assert entity in {one.entity for one in detectors().scan(text)}


def test_what_is_hidden_goes_as_a_whole_from_a_body():
    said = "".join(f"\\u{ord(one):04x}" for one in KEY)
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"k: {said}!"}]}).encode()
    edited = Inspector(detectors()).request(CALL, None, body, None).edited(lambda found: found.entity == "GITHUB_TOKEN")
    assert json.loads(edited.body)["messages"][0]["content"] == "k: <GITHUB_TOKEN>!"


def test_a_mark_behind_the_last_letter_goes_with_it_and_a_joiner_does_not():
    for behind, left in (("\u0301\u0327", ""), ("\u200d", "\u200d")):
        text = f"\u200b{CARD[:8]}\u200b{CARD[8:]}{behind}."
        (one,) = [one for one in detectors().scan(text) if one.entity == "CREDIT_CARD"]
        assert (text[: one.start], text[one.end :]) == ("\u200b", f"{left}.")


def test_base64_over_several_lines_is_one():
    lines = coded(f"the key is {KEY}, and there is more " * 3)
    text = "mail:\n\n" + "\r\n".join(lines[at : at + 76] for at in range(0, len(lines), 76)) + "\n\nbye"
    places = {(one.start, one.end) for one in detectors().scan(text) if one.entity == "GITHUB_TOKEN"}
    (place,) = places
    assert (text[: place[0]], text[place[1] :]) == ("mail:\n\n", "\n\nbye")


def test_an_address_in_a_link_is_the_address_alone():
    text = f"https://x.test/a%20b?to={MAIL.replace('@', '%40')}&n=1"
    (one,) = [found for found in detectors().scan(text) if found.entity == "EMAIL_ADDRESS"]
    assert text[one.start : one.end] == "to=" + MAIL.replace("@", "%40")


def test_what_stands_in_two_pieces_is_in_neither():
    text = " ".join(f"%{ord(one):02x}" for one in CARD)
    assert [one for one in detectors().scan(text) if one.entity == "CREDIT_CARD"] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        " " * 60,
        "an ordinary sentence, 100% fine & good = true",
        "https://x.test/a%20b%2Fc?d=2024-10-21T10%3A00%3A00&e=%E2%82%AC",
        "caf\\u00e9 &amp; na\\u00efve &nbsp; &#8217;",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "com.example.application.configuration.SpringBootAutoConfigurationImportSelector",
        coded("an ordinary sentence about nothing at all, long enough to be looked into"),
        "look at the dot com bubble, then look at example.com and at home.",
        "1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6\n6 5 4 3 2 1 0 9 8 7 6 5 4 3 2 1",
        "id_1234567890123456 and 1700000000000 and 1 700 000 000 000",
        "\u041f\u0440\u0438\u0448\u043b\u0438\u0442\u0435 \u043e\u0442\u0447\u0451\u0442 \u0434\u043e 12.03.2024",
        "| a | b | c |\n|---|---|---|\n| 1 | 2 | 3 |",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ],
)
def test_ordinary_writing_says_nothing_more(text):
    said = detectors().exact(text)
    assert [one for view in views(text) for one in counted(view, detectors().exact, said) if one.entity != "URL"] == []


def test_ascii_prose_has_no_views():
    assert views("The report of 12 March was read, e.g. by two people (see above); nobody was surprised.\n" * 20) == []


MIXED = st.text(
    st.characters() | st.sampled_from("%\\u0&#;4=AZaz1@./+-_ \n\t\u200b\u0301\u0430\ufe0f\U000e0041\ufb01\u202e"),
    max_size=300,
)


@given(MIXED)
def test_any_text_is_read_and_every_place_is_inside(text):
    room = GROWTH * len(text)
    for view in views(text):
        room -= 0 if view.name == CANONICAL else len(view.text)
        last = (0, 0)
        for at in range(0, len(view.text), 7):
            start, end = view.placed(at, min(at + 3, len(view.text)))
            assert 0 <= start <= end <= len(text)
            if view.name == CANONICAL:
                assert start >= last[0]
                assert end >= last[1]
                last = (start, end)
    assert room >= -4096


@given(MIXED)
def test_gates_keep_nothing_out(text):
    def told(made):
        return [(view.name, view.text, view.parts) for view in made]

    assert told(views(text)) == told(with_every_gate(text))


WORD = "A1b2C3d4E5f6G7h8I9j0"
TRICKY = (
    *("a b c d e f g h i j", "4.1.1.1.1.1.1.1", "x [at] y dot com", "ab cd ef 01 23 45 67 89 ab cd ef 01", WORD),
    *("moc.liam@airam", "airam@znvy.pbz", "_4111111111111111", "DE89-3704-0044-0532-0130-00", "4111\n1111\n1111\n1111"),
    *("=40", "=\nx", "\\'41", "%41", "a@b.com_c", "1 dot 2 dot 3 dot 4", "0x41, 0x42, 0x43, 0x44, 0x45, 0x46"),
    *("1[.]2[.]3[.]4", "11", "\u00e9", "\n", " ", "@", "a1\nb2", coded("some text of some length")),
)


@given(st.lists(st.sampled_from(TRICKY), max_size=12), st.sampled_from(["", " ", "\n", "\r\n", ",", "_"]))
def test_gates_keep_nothing_out_of_what_they_are_for(parts, by):
    text = by.join(parts)
    assert [view.text for view in views(text)] == [view.text for view in with_every_gate(text)]


def test_a_closed_gate_is_the_rule():
    assert open_gates("The report was read by two people; nobody was surprised.") == frozenset()


def test_codes_in_codes_end():
    text = f"the key is {KEY}"
    for _ in range(DEPTH + 1):
        text = coded(text)
    assert [one for one in detectors().scan(text) if one.entity == "GITHUB_TOKEN"] == []
    assert len([view for view in views(text) if view.name == "base64"]) == DEPTH


def test_nothing_is_undone_beyond_the_room(monkeypatch):
    text = f"{coded('some text of some length')} {coded('some text of some length')}"
    assert {view.name for view in views(text)} >= {"base64", "rot13"}
    monkeypatch.setattr("appliance.inspect.views.GROWTH", 1)
    monkeypatch.setattr("appliance.inspect.views._ROOM", 0)
    assert [view.name for view in views(text)] == ["base64"]


@pytest.mark.parametrize(
    "part",
    [
        *(
            "a",
            "1",
            "\u0301",
            "\u200b",
            "a\u0301",
            "\ufdfa",
            "\\",
            "\\u0041",
            "&amp;",
            "%41",
            "=\n",
            "a b ",
            "1.",
            "@\n",
        ),
        *("a at ", "(at)", "1\n", "4111.", "DE89.3704.", WORD, "0x41, ", "\U000e0041", "\ufe0f", "\ud800", "moc.a@"),
    ],
)
def test_floods_are_bounded(part):
    text = (part * 100_000)[:100_000]
    made = views(text)
    assert sum(len(view.text) for view in made) <= 2 * GROWTH * len(text) + 4096
    assert len(made) < 32


def test_ordinary_prompts_say_nothing_more():
    if not SHARED.exists():
        pytest.skip("the shared data sets are not here")
    with SHARED.open(encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["label"] == 0]
    more = []
    for row in rows[::40]:
        said = detectors().exact(row["text"])
        more += [one for view in views(row["text"]) for one in counted(view, detectors().exact, said)]
    assert more == []
