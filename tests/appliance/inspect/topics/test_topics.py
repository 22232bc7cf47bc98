"""What texts are about: subjects, code, labels, and what a call is for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.looking import Looked
from appliance.inspect.topics import MAX_CHARS
from appliance.inspect.topics.classes import LEAST, SOURCE_CODE, Topics
from appliance.inspect.topics.code import code_score
from appliance.inspect.topics.lexicon import STRONG, USES, WEAK
from appliance.inspect.topics.sensitivity import LEVELS, UNKNOWN, Sensitivity
from appliance.inspect.topics.uses import AGENT, use_of
from appliance.inspect.view import RequestView
from appliance.model.detection import Segment
from appliance.model.names import Source

GUID = "1a2b3c4d-1111-2222-3333-444455556666"
TEXTS = {
    "LEGAL": "This agreement and its indemnification clause: governing law is that of New York, severability applies.",
    "FINANCIAL": "Attached is the income statement; working capital fell and accounts receivable grew with revenue.",
    "HR": "Her performance review is due, and the severance in the employment contract must be settled, says payroll.",
    "HEALTH": "The patient presents with hypertension; discharge summary and lab results: dosage was doubled.",
    "CUSTOMER_DATA": "Kundennummer 4711, siehe Kundenliste: die Bestellhistorie und die Kundendaten sind im Anhang.",
    "PERSONAL_DATA": "Date of birth 1.2.1990, place of birth Bonn, passport number below, marital status: married.",
    "CREDENTIALS": "Here are the login credentials, the admin password and the ssh key of the service account.",
}
CODE = """import os

def main(path):
    for name in os.listdir(path):
        if name.endswith(".py"):
            print(name)
    return 0
"""


def looked(text):
    return Looked(text, Source.USER, lambda _: ())


def entities(text, detector=None):
    return {one.entity for one in (detector or Topics()).find(looked(text), 1e9)}


@pytest.mark.parametrize("entity", sorted(TEXTS))
def test_a_subject_is_told_by_its_words(entity):
    assert entities(TEXTS[entity]) == {entity}
    assert entity in entities(TEXTS[entity].upper()), "in any case"


def test_the_tables_name_the_same_subjects():
    assert STRONG.keys() == WEAK.keys() == TEXTS.keys()
    assert all(name.startswith("USE_") for name in USES)


@pytest.mark.parametrize(
    "text", ["Where is the contract?", "I am a patient man with a budget.", "short", "", "The weather is fine today."]
)
def test_a_single_word_is_no_subject(text):
    assert entities(text) == set()
    assert LEAST > 3, "not one strong word alone"


def test_code_is_told_by_the_shape_of_its_lines():
    assert entities(CODE) == {SOURCE_CODE}
    assert code_score("int main() {\n  return f(x);\n}\n" * 3) > 0.8
    assert code_score("SELECT a, b FROM t;\nUPDATE t SET a = 1;\nINSERT INTO t (a) VALUES (1);\n") > 0.5


@pytest.mark.parametrize(
    "text",
    [
        "First a sentence that says something; then another one.\n" * 5,
        '{\n  "name": "x",\n  "age": 3\n}\n',
        "- one\n- two\n- three (and more)\n- four\n",
        "",
    ],
)
def test_prose_lists_and_data_are_no_code(text):
    assert code_score(text) < 0.5


@pytest.mark.parametrize(
    ("text", "entity"),
    [
        ("TLP:RED\nplan of attack", "LABEL_RESTRICTED"),
        ("TLP: AMBER+STRICT", "LABEL_CONFIDENTIAL"),
        ("STRICTLY CONFIDENTIAL\n\nDear all", "LABEL_RESTRICTED"),
        ("Report\n- Vertraulich -\n", "LABEL_CONFIDENTIAL"),
        ("Classification: Internal use only\n", "LABEL_INTERNAL"),
        (f"true\nConfidential - HR\nMSIP_Label_{GUID}_Enabled\nMSIP_Label_{GUID}_Name", "LABEL_CONFIDENTIAL"),
        (f"MSIP_Label_{GUID}_SetDate", UNKNOWN),
    ],
)
def test_marks_and_labels_have_a_level(text, entity):
    assert entities(text, Sensitivity()) == {entity}


def test_the_site_says_what_a_label_means():
    assert entities(f"MSIP_Label_{GUID}_SetDate", Sensitivity({GUID.upper(): "internal"})) == {"LABEL_INTERNAL"}
    assert "internal" in LEVELS


@pytest.mark.parametrize(
    "text",
    [
        "secret: string",
        "  restricted: boolean",
        "# For internal use: keys",
        "this is confidential, please do not share it",
        "make it public",
        "a secret garden",
    ],
)
def test_prose_about_secrecy_carries_no_label(text):
    assert entities(text, Sensitivity()) == set()


def view(text, **more):
    segments = (Segment("system", "content", "translate", "/0", 0, 1), Segment("user", "content", text, "/1", 0, 1))
    return RequestView(segments=segments, **more)


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("Please refactor this Python function and add a unit test", "USE_CODING"),
        ("Übersetze das bitte", "USE_TRANSLATION"),
        ("summarize the key points of the minutes", "USE_SUMMARY"),
        ("what is the difference between a cat and a dog?", "USE_QUESTION"),
    ],
)
def test_what_a_call_is_for(text, use):
    assert [label.entity for label in use_of(view(text))] == [use]


def test_a_call_with_tools_is_an_agents():
    assert [label.entity for label in use_of(view("go on", tools_declared=("a", "b", "c")))] == [AGENT]
    assert use_of(view("hello there")) == ()
    assert use_of(RequestView()) == ()


@given(st.text(max_size=400))
def test_any_text_is_taken_and_places_lie_in_it(text):
    for detector in (Topics(), Sensitivity()):
        for one in detector.find(looked(text), 1e9):
            assert 0 <= one.start <= one.end <= len(text)
            assert 0 < one.score <= 1


def test_a_huge_text_is_looked_at_from_its_beginning():
    assert entities("x " * MAX_CHARS + TEXTS["LEGAL"]) == set()
