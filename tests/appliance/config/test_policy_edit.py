"""Suggestions as diffs of the file's own text."""

import shutil
import subprocess
from datetime import date

import pytest

from appliance.config import yaml_source
from appliance.config.policy_edit import diff_of
from appliance.config.policy_file import EMBEDDED, load_policy, parse_policy, read_document, text_of
from appliance.policy.suggesting import Word, applied, suggestions

WORDS = [Word("EMAIL_ADDRESS", "pii", "wrong", "openai", score) for score in (0.4, 0.5, 0.5, 0.5, 0.5)]
HOPELESS = [Word("EMAIL_ADDRESS", "pii", "wrong", "openai", 1.0)] * 6
UNTIL = date(2027, 6, 30)


def diffed(text, words=WORDS):
    document = yaml_source.parse(text.encode(), "policy.yaml")
    rules = parse_policy(document)
    made, _ = suggestions(rules, words, UNTIL)
    assert made
    return diff_of(document, text, rules, made), applied(rules, made)


FLOW = """rules:
- id: a
  match: {labels: {entities: [IBAN_CODE, EMAIL_ADDRESS], min_score: 0.1}}  # both
  then: {disposition: redact}
"""
BLOCK = """# first
rules:
  - id: a
    match:
      labels:
        entities:
          - EMAIL_ADDRESS # mails
          - 'IBAN_CODE'
    then: {disposition: block}

# cases
tests:
  - {name: x, request: {host: a.example}, expect: {disposition: allow}}
"""


@pytest.mark.skipif(shutil.which("patch") is None, reason="no patch(1) on this machine")
@pytest.mark.parametrize("words", [WORDS, HOPELESS])
@pytest.mark.parametrize("text", [text_of(None), FLOW, BLOCK])
def test_patch_makes_of_the_file_what_was_suggested(tmp_path, text, words):
    diff, expected = diffed(text, words)
    (tmp_path / "policy.yaml").write_text(text)
    (tmp_path / "p.diff").write_text("# a word before it\n" + diff)
    subprocess.run(["patch", "-s", "-p0", "policy.yaml", "p.diff"], cwd=tmp_path, check=True)
    assert load_policy(tmp_path / "policy.yaml") == expected
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        line for line in (tmp_path / "policy.yaml").read_text().splitlines() if line.startswith("#")
    ]


def test_a_threshold_is_changed_where_it_stands():
    text = (
        "rules:\n- {id: a, match: {labels: {min_score: .1, entities: [EMAIL_ADDRESS]}}, then: {disposition: block}}\n"
    )
    diff, _ = diffed(text)
    assert (
        "+- {id: a, match: {labels: {min_score: 0.51, entities: [EMAIL_ADDRESS]}}, then: {disposition: block}}" in diff
    )


@pytest.mark.parametrize(
    "text",
    [
        "rules: [{id: a, match: {labels: {entities: [EMAIL_ADDRESS]}}, then: {disposition: block}}]\n",
        "rules:\n- {id: a, match: {labels: {entities: [EMAIL_ADDRESS, X, EMAIL_ADDRESS]}}, then: {disposition: block}}",
    ],
)
def test_where_the_text_cannot_be_edited_there_is_no_diff(text):
    assert diffed(text)[0] is None


def test_the_embedded_policy_has_a_text():
    assert read_document(None).name == EMBEDDED
    assert parse_policy(yaml_source.parse(text_of(None).encode(), "x")) == load_policy()
