"""What a text says below its letters: found where it stands, replaced there, and nothing found that is not said."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_detectors import detectors

from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspector
from appliance.inspect.revealing import scan_revealing

KEY = "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
MAIL = "maria.keller@corp-mail.com"
CALL = Call("POST", "/v1/chat/completions", "application/json")
NOTE = f"the key is {KEY}, and the text is long enough to be told from a word"


def coded(text):
    return base64.b64encode(text.encode()).decode()


WAYS = {
    "json": "".join(f"\\u{ord(one):04x}" for one in KEY),
    "json in json": "".join(f"\\\\\\u{ord(one):04X}" for one in KEY),
    "javascript": "".join(f"\\x{ord(one):02x}" for one in KEY),
    "rtf": "".join(f"\\'{ord(one):02x}" for one in KEY),
    "link": "".join(f"%{ord(one):02x}" for one in KEY),
    "decimal": "".join(f"&#{ord(one)};" for one in KEY),
    "hexadecimal": "".join(f"&#x{ord(one):02X};" for one in KEY),
    "one escape": KEY.replace("_", "%5F"),
    "mixed": KEY.replace("_", "&lowbar;").replace("B", "\\u0042"),
    "base64": coded(NOTE),
    "base64 of base64": coded(coded(NOTE)),
    "base64 in three layers": coded(coded(coded(NOTE))),
    "base64 for links": base64.urlsafe_b64encode(f"{NOTE} ~~~???".encode()).decode().rstrip("="),
    "base64 of escapes": coded("".join(f"%{ord(one):02x}" for one in KEY)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_is_found_where_it_is_written_and_goes_as_a_whole(way):
    content = f"look: é\U0001f600 ({WAYS[way]}) and = go"
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": content}]}).encode()
    inspection = Inspector(detectors()).request(CALL, None, body, None)
    assert [label.entity for label in inspection.labels if label.kind == "secret"] == ["GITHUB_TOKEN"]
    edited = inspection.edited(lambda found: found.entity == "GITHUB_TOKEN")
    left = json.loads(edited.body)["messages"][0]["content"]
    assert left == "look: é\U0001f600 (<GITHUB_TOKEN>) and = go"


def test_base64_over_several_lines_is_one():
    lines = coded(NOTE * 3)
    text = "mail:\n\n" + "\r\n".join(lines[at : at + 76] for at in range(0, len(lines), 76)) + "\n\nbye"
    (one, *_) = scan_revealing(detectors(), text)
    assert (one.entity, text[: one.start], text[one.end :]) == ("GITHUB_TOKEN", "mail:\n\n", "\n\nbye")


def test_an_address_in_a_link_is_the_address_alone():
    text = f"https://x.test/a%20b?to={MAIL.replace('@', '%40')}&n=1"
    (one,) = [found for found in scan_revealing(detectors(), text) if found.entity == "EMAIL_ADDRESS"]
    assert text[one.start : one.end] == "to=" + MAIL.replace("@", "%40")


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
    ],
)
def test_ordinary_writing_says_nothing_more(text):
    assert [one for one in scan_revealing(detectors(), text) if one.entity != "URL"] == []


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("%\\u0&#;4=AZaz/+-_ \n"), max_size=200))
def test_any_text_is_read_and_every_place_is_inside(text):
    for one in scan_revealing(detectors(), f"{text} {WAYS['mixed']} {text}"):
        assert 0 <= one.start < one.end <= 2 * len(text) + len(WAYS["mixed"]) + 2


def test_many_words_and_endless_escapes_are_bounded():
    for text in ("%41" * 200_000, "\\" * 400_000 + "u0041", "%41 " * 100_000, "=" * 300_000, "A" * 1_000_000):
        scan_revealing(detectors(), text)
