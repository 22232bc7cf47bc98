"""The pages against the program: commands, options, words, files and make targets are those that exist."""

import re
import shlex
from pathlib import Path

import pytest

from appliance.cli.parser import build
from appliance.cli.reference import commands, described, render_reference
from appliance.cli.vocabulary import explained, render_vocabulary, vocabularies
from appliance.config import schema
from appliance.config.load import load
from appliance.config.schema import Config, Section
from appliance.model.names import RefusalReason

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
WRITTEN_LATER = {"PERFORMANCE.md"}  # by `make bench`
GNOMON = re.compile(r"(?:\.venv/bin/|\$\(BIN\)/)?gnomon|(?:\$\(BIN\)/)?python -m appliance\.cli")
CODE = re.compile(r"```[a-z]*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
ENDS = {"|", "<", ">", ">>", "&&", "||", ";", "2>", "&"}
SUFFIXES = ("md", "yaml", "yml", "py", "toml", "json", "sql", "lock")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code_lines(text: str) -> list[str]:
    """Lines of code blocks, and what stands between single backticks."""
    found = (block or inline for block, inline in CODE.findall(text))
    return [line.strip() for piece in found for line in piece.splitlines()]


def gnomon_words(line: str) -> list[str] | None:
    """The arguments of a gnomon command line; None: it is none. Stops at a pipe, a redirection or a comment."""
    start = GNOMON.match(line)
    if start is None or line[start.end() : start.end() + 1] not in {"", " "}:
        return None
    words: list[str] = []
    for word in shlex.split(line[start.end() :], comments=True):
        if word in ENDS:
            break
        words.append(word)
    return words


def command_lines() -> list[tuple[str, str]]:
    """Every gnomon command that a reader or make would run as it stands: in the README, in the Makefile."""
    recipes = [line.strip().lstrip("@").removeprefix("exec ") for line in (ROOT / "Makefile").read_text().splitlines()]
    lines = {"README.md": code_lines((ROOT / "README.md").read_text()), "Makefile": recipes}
    return [(name, line) for name, found in lines.items() for line in found if gnomon_words(line)]


def mentions() -> list[tuple[str, str]]:
    """Every mention of a command elsewhere: perhaps without its arguments, or with a placeholder for them."""
    pages = [page for page in PAGES if page.name != "README.md"]
    found = [(name_of(page), line) for page in pages for line in re.findall(r"`([^`\n]+)`", page.read_text())]
    return sorted({(name, line) for name, line in found if gnomon_words(line)})


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_every_command_line_parses(page, line, capsys) -> None:
    try:
        options = build().parse_args(gnomon_words(line))
    except SystemExit:
        pytest.fail(f"{page}: {line}: {capsys.readouterr().err}")
    assert callable(options.run)


@pytest.mark.parametrize(("page", "line"), mentions())
def test_every_command_that_is_mentioned_exists(page, line) -> None:
    words = gnomon_words(line)
    named = [word for word in words if not word.startswith("-")]
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    known = {tuple(name.split()[1:]): parser for name, _, parser in commands()}
    paths = [path for path in known if path[: len(named)] == tuple(named[: len(path)])]
    assert paths, f"{page}: no such command"
    takes = {option for path in paths for option in known[path]._option_string_actions}
    assert options - takes == set(), page


def test_the_readme_shows_commands_at_all() -> None:
    assert len([line for page, line in command_lines() if page == "README.md"]) > 8


def test_the_page_of_commands_is_current() -> None:
    page = ROOT / "docs" / "reference" / "cli.md"
    assert page.read_text() == render_reference(), "run: python -m appliance.cli.reference > docs/reference/cli.md"


def test_every_command_and_option_has_words() -> None:
    bare = [words for words, told, _ in commands() if not told]
    bare += [f"{words} {form}" for words, _, parser in commands() for form, told in described(parser) if not told]
    assert bare == []
    assert {"gnomon up", "gnomon status", "gnomon down", "gnomon scan"} <= {words for words, _, _ in commands()}


def test_the_page_of_words_is_current() -> None:
    page = ROOT / "docs" / "reference" / "vocabulary.md"
    assert page.read_text() == render_vocabulary(), (
        "run: python -m appliance.cli.vocabulary > docs/reference/vocabulary.md"
    )


@pytest.mark.parametrize("vocabulary", list(vocabularies()), ids=lambda made: made.__name__)
def test_every_value_is_explained(vocabulary) -> None:
    words = explained(vocabulary)
    assert list(words) == [member.value for member in vocabulary]
    assert [value for value, told in words.items() if not told] == []


def test_every_refusal_says_what_the_client_gets() -> None:
    ends = re.compile(r"\b4\d\d\b|\b503\b|closed|grpc-status")
    assert [value for value, told in explained(RefusalReason).items() if not ends.search(told)] == []


def files_named(text: str) -> set[str]:
    """Paths between backticks or in links that can only mean a file of the project."""
    inline = {word for line in code_lines(text) for word in line.split()}
    links = {target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target}
    tops = ("appliance/", "addons/", "discovery/", "tui/", "tests/", "docs/", "pcaps/", ".ci/")
    plain = re.compile(r"[\w./-]+\Z")
    return {word for word in inline if word.startswith(tops) and plain.match(word)} | {link for link in links if link}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_page_names_exists(page) -> None:
    places = (ROOT, page.parent)
    missing = [name for name in files_named(page.read_text()) if not any((place / name).exists() for place in places)]
    assert sorted(name for name in missing if not name.endswith(tuple(WRITTEN_LATER))) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_that_a_page_names_exists(page) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {line.split()[1] for line in code_lines(page.read_text()) if re.match(r"make [a-z]", line)}
    assert named - targets == set()


def test_the_example_configuration_is_sound(tmp_path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    passwords = tmp_path / "htpasswd"
    passwords.write_text("")
    path = tmp_path / "gnomon.yaml"
    path.write_text(example.replace("/etc/gnomon/htpasswd", str(passwords)))
    assert load(path).workers == 2


def sections(record: type[Section] = Config) -> set[type[Section]]:
    """A section and all below it."""
    found = {record}
    for name in record.__struct_fields__:
        inner = re.findall(r"\w+", str(record.__annotations__[name]))
        for each in (vars(schema).get(word) for word in inner):
            if isinstance(each, type) and issubclass(each, Section) and each is not Section:
                found |= sections(each)
    return found


def test_every_key_of_the_configuration_is_read_by_something() -> None:
    """A key that nothing reads would be a promise that nobody keeps."""
    beside = {"schema.py", "load.py", "reference.py"}
    files = [
        path
        for top in ("appliance", "addons", "discovery")
        for path in (ROOT / top).rglob("*.py")
        if path.name not in beside
    ]
    text = "\n".join(path.read_text() for path in files)
    keys = {key for section in sections() for key in section.__struct_fields__}
    assert len(keys) > 40
    assert sorted(key for key in keys if not re.search(rf"\.{key}\b", text)) == []


def test_every_part_of_the_program_stands_in_the_map() -> None:
    """docs/ARCHITECTURE.md names every package, and every module of it by file name."""
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text()
    packages = {
        path.parent for top in ("appliance", "addons", "discovery", "tui") for path in (ROOT / top).rglob("*.py")
    }
    folders = {path.relative_to(ROOT).as_posix() for path in packages} - {"appliance"}
    assert sorted(folder for folder in folders if folder not in text) == []
    modules = {path for package in packages for path in package.glob("*.py") if not path.stem.startswith("__")}
    unnamed = {name_of(path) for path in modules if not re.search(rf"\b{path.stem}(\.py)?\b", text)}
    assert sorted(unnamed) == []


def test_decisions_are_numbered_without_gaps() -> None:
    text = (ROOT / "docs" / "DECISIONS.md").read_text()
    numbers = [int(number) for number in re.findall(r"^### (\d+)\. ", text, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 20
