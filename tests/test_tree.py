"""Rules for the tree as a whole: sizes, names, what each file says of itself, which tests it has, licences.

An exception is a line here with its reason; an exception that has become needless fails too where that can be told.
"""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PACKAGES = ("appliance", "addons", "discovery", "tui")
MAX_LINES, MAX_FUNCTION = 400, 60
NEEDS_A_TEST = 40  # lines; a shorter file is tested through its users
TOP_LEVEL = {
    *(".ci", ".gitignore", ".python-version", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md"),
    *("SECURITY.md", "docs", "pcaps", "pyproject.toml", "tests", "tools.lock", "uv.lock", *PACKAGES),
}
FORBIDDEN_NAMES = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"}
THIS = Path(__file__).name  # holds the words that it looks for

# Source file -> the test file that runs it through the interface of its package.
THROUGH = {
    "appliance/cli/migration.py": "tests/appliance/cli/test_cli_migration.py",
    "appliance/cli/routes.py": "tests/appliance/cli/test_cli_routes.py",
    "appliance/config/route_checks.py": "tests/appliance/config/test_config_route_checks.py",
    "appliance/identity/turns.py": "tests/appliance/identity/test_identity_authenticator.py",
    "discovery/dtls.py": "tests/discovery/test_discovery_dtls.py",
    "discovery/quic.py": "tests/discovery/test_discovery_quic.py",
    "discovery/assess.py": "tests/discovery/test_discovery_assess.py",
    "discovery/joining.py": "tests/discovery/test_discovery_assess.py",
    "discovery/plain.py": "tests/discovery/test_discovery_capture.py",
    "appliance/cli/catalogue.py": "tests/appliance/cli/test_cli_catalogue.py",
    "appliance/cli/hosts.py": "tests/appliance/cli/test_cli_hosts.py",
    "appliance/cli/held_keys.py": "tests/appliance/cli/test_cli_held_keys.py",
    "appliance/config/key_files.py": "tests/appliance/config/test_config_credentials.py",
    "addons/affording.py": "tests/addons/test_attempts_booked.py",
    "addons/answers.py": "tests/addons/test_worker_governs.py",
    "addons/conversing.py": "tests/addons/test_conversing.py",
    "addons/leading.py": "tests/addons/test_routing.py",
    "addons/hiding.py": "tests/addons/test_worker_governs.py",
    "addons/notices.py": "tests/addons/test_portal.py",
    "addons/remembering.py": "tests/addons/test_remembering.py",
    "addons/socket_calls.py": "tests/addons/test_websocket.py",
    "addons/upstream/__init__.py": "tests/addons/test_upstream.py",
    "addons/upstream/conversing.py": "tests/addons/test_upstream_h2.py",
    "addons/upstream/handler.py": "tests/addons/test_upstream.py",
    "addons/upstream/hooks.py": "tests/addons/test_upstream.py",
    "addons/upstream/layers.py": "tests/addons/test_upstream.py",
    "addons/upstream/master.py": "tests/addons/test_upstream.py",
    "addons/upstream/stream.py": "tests/addons/test_upstream.py",
    "addons/upstream/strict.py": "tests/system/test_hostile_clients.py",
    "addons/upstream/switched.py": "tests/addons/test_upstream_websocket.py",
    "addons/upstream/trying.py": "tests/addons/test_upstream.py",
    "addons/upstream/websocket.py": "tests/addons/test_upstream_websocket.py",
    "addons/upstream/wire.py": "tests/addons/test_upstream.py",
    "addons/websocket.py": "tests/addons/test_websocket.py",
    "appliance/route/translate/chat_said.py": "tests/appliance/route/translate/test_translate_answers.py",
    "appliance/route/translate/gemini_asked.py": "tests/appliance/route/translate/test_translate_requests.py",
    "appliance/route/translate/gemini_said.py": "tests/appliance/route/translate/test_translate_answers.py",
    "appliance/route/translate/messages_asked.py": "tests/appliance/route/translate/test_translate_requests.py",
    "appliance/route/translate/messages_said.py": "tests/appliance/route/translate/test_translate_answers.py",
    "appliance/route/translate/ollama_asked.py": "tests/appliance/route/translate/test_translate_requests.py",
    "appliance/route/translate/ollama_said.py": "tests/appliance/route/translate/test_translate_answers.py",
    "appliance/route/translate/responses_asked.py": "tests/appliance/route/translate/test_translate_requests.py",
    "appliance/route/translate/responses_said.py": "tests/appliance/route/translate/test_translate_answers.py",
    "appliance/route/translate/responses_written.py": "tests/appliance/route/translate/test_translate_answers.py",
    "appliance/route/translate/streaming.py": "tests/appliance/route/translate/test_translate_answers.py",
    "appliance/route/translate/translation.py": "tests/appliance/route/translate/test_translate_requests.py",
    "appliance/analyse/jobs.py": "tests/addons/test_analysing.py",
    "appliance/analyse/samples.py": "tests/addons/test_analysing.py",
    "appliance/analyse/process.py": "tests/addons/test_analysing.py",
    "appliance/peers/session.py": "tests/appliance/peers/test_peers_receiver.py",
    "appliance/peers/__main__.py": "tests/appliance/peers/test_peers_process.py",
    "appliance/bus/connection.py": "tests/appliance/bus/test_bus_sockets.py",
    "appliance/cli/__init__.py": "tests/appliance/cli/test_cli_main.py",
    "appliance/cli/calibrate.py": "tests/appliance/cli/test_cli_calibrate.py",
    "appliance/cli/dictionary.py": "tests/appliance/config/test_dictionary_files.py",
    "appliance/cli/eval.py": "tests/appliance/cli/test_cli_rules.py",
    "appliance/cli/rules.py": "tests/appliance/cli/test_cli_rules.py",
    "appliance/cli/scan.py": "tests/appliance/cli/test_cli_scan.py",
    "appliance/cli/ca.py": "tests/appliance/cli/test_cli_main.py",
    "appliance/cli/config.py": "tests/appliance/cli/test_cli_main.py",
    "appliance/cli/control.py": "tests/appliance/cli/test_cli_main.py",
    "appliance/cli/credential.py": "tests/appliance/cli/test_cli_credential.py",
    "appliance/cli/decide.py": "tests/appliance/cli/test_cli_decide.py",
    "appliance/cli/findings.py": "tests/appliance/cli/test_cli_decide.py",
    "appliance/cli/journal.py": "tests/appliance/cli/test_cli_main.py",
    "appliance/cli/neutrality.py": "tests/appliance/cli/test_cli_neutrality.py",
    "appliance/config/signals_checks.py": "tests/appliance/config/test_signals_checks.py",
    "appliance/observe/__main__.py": "tests/appliance/observe/test_observe_observer.py",
    "appliance/observe/observer.py": "tests/appliance/observe/test_observe_observer.py",
    "appliance/cli/importing.py": "tests/appliance/cli/test_cli_importing.py",
    "appliance/cli/keys.py": "tests/appliance/cli/test_cli_keys.py",
    "appliance/config/litellm/budgets.py": "tests/appliance/config/litellm/test_litellm_imported.py",
    "appliance/config/litellm/deployments.py": "tests/appliance/config/litellm/test_litellm_imported.py",
    "appliance/config/litellm/groups.py": "tests/appliance/config/litellm/test_litellm_imported.py",
    "appliance/config/litellm/holders.py": "tests/appliance/config/litellm/test_litellm_imported.py",
    "appliance/config/litellm/providers.py": "tests/appliance/config/litellm/test_litellm_imported.py",
    "appliance/config/litellm/settings.py": "tests/appliance/config/litellm/test_litellm_imported.py",
    "appliance/cli/policy.py": "tests/appliance/cli/test_cli_main.py",
    "appliance/cli/pseudonyms.py": "tests/appliance/cli/test_cli_pseudonyms.py",
    "appliance/cli/progress.py": "tests/appliance/cli/test_cli_replay.py",
    "appliance/cli/up.py": "tests/system/test_sdk.py",
    "appliance/config/conversion.py": "tests/appliance/config/test_config_load.py",
    "appliance/demo/people.py": "tests/system/test_demo.py",
    "appliance/demo/run.py": "tests/system/test_demo.py",
    "appliance/demo/scene.py": "tests/system/test_demo.py",
    "appliance/demo/sdk_client.py": "tests/system/test_demo.py",
    "appliance/export/governance.py": "tests/appliance/export/test_export_html.py",
    "appliance/export/fetch.py": "tests/appliance/cli/test_cli_export.py",
    "appliance/inspect/detect/context.py": "tests/appliance/inspect/detect/test_detect_equality.py",
    "appliance/inspect/detect/families.py": "tests/appliance/inspect/detect/test_viable.py",
    "appliance/inspect/detect/growing.py": "tests/appliance/inspect/detect/test_viable.py",
    "appliance/inspect/detect/lean.py": "tests/appliance/inspect/detect/test_detect_english.py",
    "appliance/inspect/detect/pii.py": "tests/appliance/inspect/detect/test_detect_equality.py",
    "appliance/inspect/detect/prefilter.py": "tests/appliance/inspect/detect/test_detect_equality.py",
    "appliance/inspect/detect/recognisers_named.py": "tests/appliance/inspect/detect/test_detect_recognisers.py",
    "appliance/inspect/detect/recognisers_national.py": "tests/appliance/inspect/detect/test_detect_recognisers.py",
    "appliance/inspect/detect/unlike.py": "tests/appliance/inspect/detect/test_detect_equality.py",
    "appliance/inspect/dialects/__init__.py": "tests/appliance/inspect/dialects/test_inspect_openai_chat.py",
    "appliance/inspect/dialects/anthropic_words.py": "tests/appliance/inspect/dialects/test_inspect_fixtures.py",
    "appliance/inspect/dialects/bedrock_words.py": "tests/appliance/inspect/dialects/test_inspect_fixtures.py",
    "appliance/inspect/dialects/chatgpt_web_events.py": "tests/appliance/inspect/dialects/test_inspect_chatgpt_web.py",
    "appliance/inspect/dialects/cohere_words.py": "tests/appliance/inspect/dialects/test_inspect_fixtures.py",
    "appliance/inspect/dialects/openai_request.py": "tests/appliance/inspect/dialects/test_inspect_openai_chat.py",
    "appliance/inspect/dialects/openai_responses_events.py": (
        "tests/appliance/inspect/dialects/test_inspect_fixtures.py"
    ),
    "appliance/inspect/dialects/openai_stream.py": "tests/appliance/inspect/dialects/test_inspect_openai_chat.py",
    "appliance/inspect/dialects/openai_words.py": "tests/appliance/inspect/dialects/test_inspect_openai_chat.py",
    "appliance/inspect/escapes.py": "tests/appliance/inspect/test_inspect_redact.py",
    "appliance/inspect/nested.py": "tests/appliance/inspect/test_inspect_redact.py",
    "appliance/journal/tail.py": "tests/appliance/journal/test_journal_writer.py",
    "addons/turning_away.py": "tests/addons/test_metering.py",
    "appliance/cli/prices.py": "tests/appliance/cli/test_cli_budgets.py",
    "appliance/config/budget_schema.py": "tests/appliance/config/test_config_budgets.py",
    "appliance/config/prices_schema.py": "tests/appliance/config/test_config_budgets.py",
    "appliance/ledger/site_prices.py": "tests/addons/test_metering.py",
    "appliance/ledger/ledger.py": "tests/appliance/ledger/test_ledger_counts.py",
    "appliance/ledger/table.py": "tests/appliance/ledger/test_ledger_counts.py",
    "appliance/model/pseudonym.py": "tests/test_model.py",
    "appliance/policy/answers.py": "tests/appliance/policy/test_policy_engine.py",
    "appliance/policy/decisions.py": "tests/appliance/policy/test_policy_engine.py",
    "appliance/policy/explain.py": "tests/appliance/policy/test_policy_engine.py",
    "appliance/policy/matching.py": "tests/appliance/policy/test_policy_engine.py",
    "appliance/standin/websocket.py": "tests/system/test_websocket_live.py",
    "appliance/store/connection.py": "tests/appliance/store/test_store_owner.py",
    "appliance/store/wal.py": "tests/appliance/store/test_store_owner.py",
    "appliance/store/writer.py": "tests/appliance/store/test_store_service.py",
    "appliance/supervisor/change.py": "tests/appliance/supervisor/test_supervisor_processes.py",
    "appliance/supervisor/preflight.py": "tests/system/test_bad_configuration.py",
    "appliance/supervisor/recovery.py": "tests/appliance/supervisor/test_supervisor_processes.py",
    "appliance/supervisor/service.py": "tests/appliance/supervisor/test_supervisor_processes.py",
    "tui/screens/ask.py": "tests/tui/screens/test_screens_findings.py",
    "tui/screens/deciding.py": "tests/tui/screens/test_screens_decide.py",
    "tui/screens/help.py": "tests/tui/screens/test_screens_findings.py",
    "tui/terminal.py": "tests/tui/test_tui_pty.py",
}
UNTESTED = {
    "discovery/bench_capture.py": "what `gnomon bench replay` reads",
    "appliance/bench/box.py": "the appliance that is measured",
    "appliance/bench/fanout.py": "a measurement: `make bench` runs it",
    "appliance/bench/route.py": "the same",
    "appliance/bench/stream.py": "the same",
    "appliance/bench/streaming.py": "the provider and the clients of that measurement",
    "appliance/bench/gateway.py": "a measurement: `make bench` runs it",
    "appliance/bench/load.py": "the client of that measurement",
    "appliance/bench/catalogue.py": "a measurement: `gnomon bench catalogue` runs it",
}
# Packages whose tests lie elsewhere than in the folder of the same name.
FOLDERS_ELSEWHERE = {
    "appliance/analyse": "tests/addons/test_analysing.py",
    "addons/upstream": "tests/addons",
    "appliance/bench": "run by `make bench`",
    "appliance/model": "tests/test_model.py",
    "appliance/standin": "checks what arrives, in every test of tests/system",
}

PERMISSIVE = (
    r"MIT|MIT-0|0?BSD|BSD-[23]-Clause|Apache(-|\s|Software\s|License,?\s)*(Version\s)?2\.0|Apache Software License|"
    r"ISC|ISC License( \(ISCL\))?|PSF-2\.0|Zlib|CC0-1\.0|CNRI-Python|(The )?MIT License( \(MIT\))?.*|BSD License"
)
LICENCE_EXCEPTIONS = {
    "scapy": "GPL-2.0-only; fixed by the product's outline, imported by discovery/capture.py alone (docs/DECISIONS.md)",
    "ldap3": "LGPL-3.0; mitmproxy brings it, used unchanged as a library by one file (docs/DECISIONS.md)",
    "urwid": "LGPL-2.1-only; mitmproxy's console brings it, never loaded",
    "certifi": "MPL-2.0; a list of certificates, used unchanged",
    "publicsuffix2": "MIT and MPL-2.0; the code is MIT, the list of suffixes is Mozilla's, used unchanged",
    "tqdm": "MPL-2.0 AND MIT; spaCy brings it, never loaded",
}
# No licence in the metadata; read in the LICENSE file inside the wheel.
LICENCE_READ = {"mitmproxy-rs": "MIT", "mitmproxy-linux": "MIT"}


@cache
def files() -> tuple[Path, ...]:
    """Tracked files, and new ones that git does not ignore."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git and a checkout to know the project's files")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout.split("\0")
    return tuple(path for name in sorted(set(names)) if name and (path := ROOT / name).is_file())


@cache
def sources() -> tuple[Path, ...]:
    return tuple(path for top in PACKAGES for path in sorted((ROOT / top).rglob("*.py")))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def texts() -> list[tuple[str, str]]:
    """Every text file of the project but the lock files, which must name their index, and this one."""
    found = []
    for path in files():
        if path.name not in {"uv.lock", THIS}:
            try:
                found.append((name_of(path), path.read_text()))
            except UnicodeDecodeError:
                continue
    return found


def test_the_top_level_is_the_project_and_nothing_else() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in files()} <= TOP_LEVEL


def test_every_source_file_says_what_it_is() -> None:
    assert [name_of(path) for path in sources() if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_files_and_functions_are_small() -> None:
    large = []
    for path in sources():
        text = path.read_text()
        if (lines := len(text.splitlines())) > MAX_LINES:
            large.append(f"{name_of(path)}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1
                if length > MAX_FUNCTION:
                    large.append(f"{name_of(path)}: {node.name} has {length} lines")
    assert large == []


def test_names_come_from_the_field() -> None:
    parts = {(name_of(path), part) for path in files() for part in (path.stem, *path.relative_to(ROOT).parts[:-1])}
    assert [name for name, part in parts if part.lower().strip("_") in FORBIDDEN_NAMES] == []


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("unfinished work", r"\b(TODO|FIXME|XXX)\b"),
        ("a path of one machine", r"(?<![\w./~$}>-])/(work|root|tmp|home)(/|\b)"),
        ("a registry's address", r"\b(pypi\.org|pythonhosted\.org|registry\.npmjs|proxy\.golang)\b"),
        ("a place outside the project", r"shared/reference|/brief/"),
    ],
)
def test_no_file_holds(what: str, pattern: str) -> None:
    word = re.compile(pattern)
    found = [
        f"{name}:{number}: {what}: {line.strip()[:80]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if word.search(line)
    ]
    assert found == []


@cache
def named_by_tests() -> frozenset[str]:
    """Dotted names that test files import, or hold as text (programs are started by name)."""
    names: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        if path.name == THIS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
            elif isinstance(node, ast.Import):
                names |= {each.name for each in node.names}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
    return frozenset(names)


def test_every_source_file_has_its_tests() -> None:
    orphans = []
    for path in sources():
        name, module = name_of(path), ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if len(path.read_text().splitlines()) <= NEEDS_A_TEST or module in named_by_tests():
            continue
        if name not in THROUGH and name not in UNTESTED:
            orphans.append(name)
    assert orphans == [], "write a test that imports it, or say in THROUGH which test runs it"


def test_exceptions_name_files_that_exist() -> None:
    named = [*THROUGH, *THROUGH.values(), *UNTESTED, *FOLDERS_ELSEWHERE]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_package_has_its_folder_of_tests() -> None:
    packages = {path.parent.relative_to(ROOT).as_posix() for path in sources() if path.name != "__init__.py"}
    missing = {package for package in packages if not any((ROOT / "tests" / package).glob("test_*.py"))}
    assert missing - {"appliance"} <= set(FOLDERS_ELSEWHERE)


def test_every_folder_of_tests_has_its_package() -> None:
    ours = [path for path in (ROOT / "tests").rglob("*") if path.is_dir() and path.name != "__pycache__"]
    beside = {"system", "data", "conformance", "property", "snapshot", "fuzz", "eval"}
    strays = [path for path in ours if path.relative_to(ROOT / "tests").parts[0] not in beside]
    strays = [path for path in strays if "fixtures" not in path.parts]
    assert [name_of(path) for path in strays if not (ROOT / path.relative_to(ROOT / "tests")).is_dir()] == []


def runtime_closure() -> set[str]:
    """Every distribution that the product's dependencies bring, in this environment."""
    roots = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    seen: set[str] = set()
    waiting = [Requirement(root) for root in roots]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if name in seen or not _holds(wanted, {""}):
            continue
        seen.add(name)
        brought = [Requirement(text) for text in importlib.metadata.requires(name) or ()]
        waiting += [each for each in brought if _holds(each, wanted.extras | {""})]
    return seen


def _holds(requirement: Requirement, extras: set[str]) -> bool:
    return requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


def licence_of(name: str) -> tuple[str, ...]:
    """What the metadata say, most exact first: expression, else classifiers, else the free text."""
    metadata = importlib.metadata.metadata(name)
    if expression := metadata.get("License-Expression"):
        return (expression,)
    classifiers = [each for each in metadata.get_all("Classifier", ()) if each.startswith("License ::")]
    if classifiers:
        return tuple(each.rpartition(" :: ")[2] for each in classifiers)
    return ((metadata.get("License") or LICENCE_READ.get(name, "")).partition("\n")[0],)


def permissive(licence: str) -> bool:
    """`A OR B`: one of them is; `A AND B`: all are."""
    choices = (choice.split(" AND ") for choice in licence.split(" OR "))
    return any(all(re.fullmatch(PERMISSIVE, part.strip()) for part in choice) for choice in choices)


def test_licences_of_what_runs_are_permissive() -> None:
    closure = runtime_closure()
    assert len(closure) > 50
    strict = {name for name in closure if not all(map(permissive, licence_of(name)))}
    told = {name: licence_of(name) for name in sorted(strict - set(LICENCE_EXCEPTIONS))}
    assert told == {}, "a licence that is not permissive needs a reason in LICENCE_EXCEPTIONS"
    assert set(LICENCE_EXCEPTIONS) - strict == set(), "these exceptions are no longer needed"
    assert licence_of("scapy") == ("GPL-2.0-only",)
