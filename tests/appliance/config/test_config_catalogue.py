"""Reading the catalogue: the operator's own entries, and contradictions."""

from pathlib import Path

import pytest

from appliance.config.catalogue import load_catalogue
from appliance.model.errors import OperatorError

ENTRY = "services:\n  - {id: %s, name: X, owner: X, category: assistant, domains: [%s]}\n"


def write(tmp_path: Path, text: str, name: str = "own.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def test_an_override_adds_and_replaces_by_id(tmp_path: Path) -> None:
    embedded = load_catalogue()
    own = load_catalogue(write(tmp_path, ENTRY % ("house_llm", ".llm.corp.example")))
    assert own.match("api.llm.corp.example") is own.services["house_llm"]
    assert len(own.services) == len(embedded.services) + 1
    assert own.version != embedded.version
    replaced = load_catalogue(write(tmp_path, ENTRY % ("phind", "phind.example")))
    assert replaced.match("phind.com") is None
    assert len(replaced.services) == len(embedded.services)


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    write(tmp_path, ENTRY % ("one", "one.example"), "1.yaml")
    write(tmp_path, ENTRY % ("two", "two.example"), "2.yaml")
    assert {"one", "two"} <= set(load_catalogue(tmp_path).services)


def test_the_version_depends_on_content_only(tmp_path: Path) -> None:
    first = load_catalogue(write(tmp_path, ENTRY % ("one", "one.example"), "a.yaml"))
    second = load_catalogue(write(tmp_path, "# moved\n" + ENTRY % ("one", "one.example"), "b.yaml"))
    assert first.version == second.version


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENTRY % ("x", "api.openai.com.example/path"), "domains.0: not a lower-case host name"),
        (ENTRY % ("x", "API.example"), "domains.0: not a lower-case"),
        (ENTRY % ("x", "localhost"), "domains.0: not a lower-case"),
        (ENTRY % ("X y", "a.example"), "id: lower-case letters"),
        (ENTRY % ("x", ".chatgpt.com"), ".chatgpt.com belongs to chatgpt already"),
        (ENTRY % ("x", "a.example, .a.example"), "a.example is covered by .a.example"),
        (ENTRY % ("x", ""), "needs a domain or a pattern"),
        (
            ENTRY % ("x", "a.example") + "  - {id: x, name: Y, owner: Y, category: c, domains: [b.example]}",
            "stands twice",
        ),
        (
            "services:\n  - {id: x, name: X, owner: X, category: c, patterns: ['a.*.example']}",
            "own.yaml:2: services.0.patterns.0",
        ),
        ("services:\n  - {id: x, name: X, owner: X, category: c, domain: [b.example]}", "did you mean 'domains'?"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(OperatorError) as caught:
        load_catalogue(write(tmp_path, text))
    assert said in str(caught.value)


def test_an_override_changes_fields_and_removes(tmp_path: Path) -> None:
    text = (
        "change:\n  openai: {also: [ai.corp.example], confidence: 0.5}\n  grok: {domains: [grok.example]}\n"
        "remove: [phind]\n"
    )
    own = load_catalogue(write(tmp_path, text))
    assert own.match("ai.corp.example") is own.match("api.openai.com") is own.services["openai"]
    assert own.services["openai"].confidence == 0.5
    assert own.services["openai"].dialect == "openai.chat"
    assert own.match("grok.com") is None
    assert own.match("phind.com") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("remove: [phimd]\n", "own.yaml:1: remove.0: no service 'phimd'; did you mean 'phind'?"),
        ("change:\n  opnai: {confidence: 1}\n", "own.yaml:2: change.opnai: no service 'opnai'; did you mean 'openai'?"),
        ("change:\n  openai: {confidence: 2}\n", "own.yaml:2: change.openai.confidence: must lie between 0 and 1"),
        ("change:\n  openai: {trains_on_data: maybe}\n", "not one of free_tier, no, opt_in, opt_out, yes"),
        ("change:\n  openai: {domians: [a.example]}\n", "did you mean 'domains'?"),
        ("change:\n  openai: {also: [A.example]}\n", "change.openai.domains: not a lower-case host name"),
        ("change:\n  openai: {also: [chatgpt.com]}\nremove: [openai]\n", "openai stands twice"),
        ("change:\n  openai: {also: [.chatgpt.com]}\n", ".chatgpt.com belongs to chatgpt already"),
        ("change:\n  openai: {jurisdiction: usa}\n", "two capital letters"),
        ("change:\n  openai: {retention_days: -1}\n", "must be 0 (not kept) or more"),
    ],
)
def test_faults_of_changes_are_told_at_their_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(OperatorError) as caught:
        load_catalogue(write(tmp_path, text))
    assert said in str(caught.value)


def test_across_the_files_of_a_folder_an_id_is_said_once(tmp_path: Path) -> None:
    write(tmp_path, "remove: [phind]\n", "1.yaml")
    write(tmp_path, "change:\n  phind: {confidence: 0.1}\n", "2.yaml")
    with pytest.raises(OperatorError, match=r"2\.yaml:2: phind stands twice, first at .*1\.yaml:1"):
        load_catalogue(tmp_path)
