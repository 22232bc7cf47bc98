"""What a file would change, and that writing it means exactly that, or nothing."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.config import yaml_source
from appliance.config.catalogue import load_catalogue
from appliance.config.catalogue_update import UPDATED, show, update
from appliance.model.errors import OperatorError

COMING = """\
services:
  - {id: house, name: House, owner: Corp, category: assistant, domains: [.llm.corp.example]}
change:
  notion: {shared_host: false, confidence: 0.9}
remove: [phind]
"""


def file(folder: Path, text: str, name: str = "coming.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_the_difference_is_told_and_nothing_written(tmp_path: Path) -> None:
    own = file(tmp_path, "# mine\n", "own.yaml")
    told = update(file(tmp_path, COMING), own)
    assert told.text().splitlines() == [
        "+ house: .llm.corp.example",
        "- phind: .phind.com",
        "~ notion.shared_host: true -> false",
        "~ notion.confidence: 0.95 -> 0.9",
        f"1 added, 1 changed, 1 removed; catalogue {load_catalogue().version} -> {told.after}",
    ]
    assert told.written is None
    assert own.read_text() == "# mine\n"


def test_what_is_written_means_the_difference_and_twice_is_once(tmp_path: Path) -> None:
    own = file(tmp_path, "# mine\n# and this\nchange:\n  openai: {also: [ai.corp.example]}\n", "own.yaml")
    own.chmod(0o640)
    told = update(file(tmp_path, COMING), own, apply=True)
    assert told.written == str(own)
    assert own.read_text().startswith("# mine\n# and this\nservices:")
    assert own.stat().st_mode & 0o777 == 0o640
    assert load_catalogue(own).version == told.after
    assert load_catalogue(own).match("ai.corp.example").id == "openai"
    again = update(tmp_path / "coming.yaml", own, apply=True)
    assert "nothing changes" in again.text()
    assert load_catalogue(own).version == told.after
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coming.yaml", "own.yaml"]


def test_later_updates_go_over_earlier_ones(tmp_path: Path) -> None:
    own = file(tmp_path, "", "own.yaml")
    update(file(tmp_path, COMING), own, apply=True)
    back = (
        "services:\n  - {id: phind, name: Phind, owner: Phind, category: search, domains: [.phind.com]}\n"
        "change:\n  house: {confidence: 0.4}\n  notion: {confidence: 0.3}\n"
    )
    update(file(tmp_path, back, "back.yaml"), own, apply=True)
    now = load_catalogue(own)
    assert now.match("phind.com").id == "phind"
    assert now.services["house"].confidence == 0.4
    assert (now.services["notion"].confidence, now.services["notion"].shared_host) == (0.3, False)
    update(file(tmp_path, "remove: [house]\n", "gone.yaml"), own, apply=True)
    assert "house" not in load_catalogue(own).services


def test_in_a_folder_updates_have_a_file_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "own.d"
    folder.mkdir()
    file(folder, "change:\n  openai: {also: [ai.corp.example]}\n", "1.yaml")
    told = update(file(tmp_path, COMING), folder, apply=True)
    assert told.written == str(folder / UPDATED)
    assert load_catalogue(folder).version == told.after
    clash = file(tmp_path, "change:\n  openai: {confidence: 0.2}\n", "clash.yaml")
    with pytest.raises(OperatorError, match=r"openai stands twice"):
        update(clash, folder, apply=True)
    assert load_catalogue(folder).version == told.after


@pytest.mark.parametrize(
    "text",
    [
        "services:\n  - {id: x, name: X, owner: X, category: c, domains: [.chatgpt.com]}\n",
        "services:\n  - {id: x, name: X, owner: X, category: c, domains: [localhost]}\n",
        "remove: [nobody_knows]\n",
        "services: {}\n",
        "[",
    ],
)
def test_bad_files_are_refused_whole(tmp_path: Path, text: str) -> None:
    own = file(tmp_path, "remove: [phind]\n", "own.yaml")
    with pytest.raises(OperatorError, match=r"coming\.yaml:\d"):
        update(file(tmp_path, text), own, apply=True)
    assert own.read_text() == "remove: [phind]\n"


def test_without_an_override_there_is_nothing_to_write_to(tmp_path: Path) -> None:
    coming = file(tmp_path, COMING)
    assert update(coming, None).added
    with pytest.raises(OperatorError, match=r"catalogue\.override"):
        update(coming, None, apply=True)


def test_a_folder_that_cannot_be_written_changes_nothing(tmp_path: Path, monkeypatch) -> None:
    own = file(tmp_path, "", "own.yaml")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("appliance.config.catalogue_update.os.fsync", full)
    with pytest.raises(OperatorError, match=r"own\.yaml: cannot be written \(No space left"):
        update(file(tmp_path, COMING), own, apply=True)
    assert own.read_text() == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coming.yaml", "own.yaml"]


def test_what_lies_within_another_owners_name_is_noted(tmp_path: Path) -> None:
    text = "services:\n  - {id: x, name: X, owner: Corp, category: c, domains: [corp.openai.azure.com]}\n"
    (note,) = update(file(tmp_path, text), None).overlaps
    assert note == "corp.openai.azure.com (Corp) lies within .openai.azure.com (Microsoft)"


def test_why_a_host_is_matched(tmp_path: Path) -> None:
    own = file(tmp_path, COMING, "own.yaml")
    found = show("x.API.openai.com.", None)
    assert (found.service.id, found.entry, found.also) == (
        "openai",
        ".api.openai.com",
        ((".openai.com", "openai_web"),),
    )
    assert "discovery/catalogue/model_api.json:" in found.place
    name, _, line = found.place.partition(":")
    assert '"id": "openai"' in (Path(__file__).parents[3] / name).read_text().splitlines()[int(line) - 1]
    assert show("v.llm.corp.example", own).place == f"{own}:2"
    assert "fits bedrock-runtime" in show("bedrock-runtime.eu-west-1.amazonaws.com", None).why
    assert "itself" in show("api.anthropic.com", None).why
    assert show("phind.com", own).service is None


_IDS = st.sampled_from(["phind", "notion", "grok", "house", "shed"])
_NEW = st.fixed_dictionaries(
    {"confidence": st.sampled_from([0.1, 0.5])},
    optional={"also": st.just(["ai.corp.example"]), "shared_host": st.booleans()},
)


@st.composite
def _files(draw) -> dict[str, object]:
    ids = draw(st.lists(_IDS, unique=True, max_size=4))
    made: dict[str, object] = {"services": [], "change": {}, "remove": []}
    for name in ids:
        kind = draw(st.sampled_from(["services", "change", "remove"]))
        if kind == "services":
            one = {"id": name, "name": name, "owner": "Corp", "category": "c", "domains": [f".{name}.corp.example"]}
            made["services"].append(one)
        elif kind == "change":
            made["change"][name] = draw(_NEW)
        else:
            made["remove"].append(name)
    return made


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_files(), min_size=1, max_size=3))
def test_any_row_of_updates_reads_back_as_what_was_told(tmp_path: Path, row) -> None:
    own = file(tmp_path, "", "own.yaml")
    for made in row:
        before = load_catalogue(own).version
        coming = file(tmp_path, yaml_source.render(made))
        try:
            told = update(coming, own, apply=True)
        except OperatorError:
            assert load_catalogue(own).version == before
        else:
            assert load_catalogue(own).version == told.after
