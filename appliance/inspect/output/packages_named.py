"""Which packages a text tells somebody to install: commands, requirements and manifests in its code.

Owns: places of names in code. Rules: pure, linear, bounded; only what is certain to be a package's name: an install
command, lines of a requirements file, dependencies of package.json and pyproject.toml, and (less certain) what
JavaScript imports, since Node takes a bare name for a package. What Python imports is not read: modules have other
names than the packages they come in, and a program's own modules look alike. A command that names another index or
registry, a path, an address, a placeholder tells nothing.
"""

import re
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from appliance.inspect.output.packages_known import NPM, PYPI

MOST: Final = 200
"""Names of one text that are looked at."""
SURE, LIKELY = 0.6, 0.4


class Named(NamedTuple):
    """A name at its place in the text; `score`: how sure it is that a package is meant."""

    ecosystem: str
    name: str
    start: int
    end: int
    score: float


class _Code(NamedTuple):
    """`info`: the word behind a fence, in lower case; None: code in a line."""

    start: int
    end: int
    info: str | None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_CODE = re.compile(
    r"^[ \t>]{0,12}(?P<fence>```|~~~)[`~]{0,9}(?P<info>[^\n`]{0,100})\n"
    r"(?P<body>.{0,65536}?)(?:^[ \t>]{0,12}(?P=fence)|\Z)"
    r"|(?<!`)`(?P<line>[^`\n]{4,400})`(?!`)",
    re.DOTALL | re.MULTILINE,
)
_B = r"[ \t]{1,4}"
_COMMAND = re.compile(
    rf"(?<![\w./-])(?:(?P<pypi>pip[0-9.]{{0,5}}{_B}install|uv{_B}(?:add|tool{_B}install)|(?:poetry|pdm){_B}add|"
    rf"(?:pipx|pipenv){_B}install)|(?P<npm>(?:npm|pnpm|bun){_B}(?:install|i|add)|yarn{_B}(?:global{_B})?add))"
    r"(?P<rest>[ \t](?:[^\n;&|`#\\]|\\\r?\n|\\[^\n]){1,1000})"
)
_WORD = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|[^\s\\\"']+")
_INDEX = re.compile(r"(?:-i|--index|--index-url|--extra-index-url|-f|--find-links|--registry|--source|--repo)(?:=|\Z)")
_VALUED = _words("""
    -r --requirement -c --constraint -t --target -e --editable -G --group --python -p --prefix --root --platform -w
    --workspace --filter -C --dir --cwd --extra --optional --abi --implementation --python-version --proxy --cert
""")
_PYPI = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,100}[A-Za-z0-9])?)(?:\[[\w,. -]{0,100}\])?(?:[=<>~!@;].*)?\Z"
)
_NPM = re.compile(
    r"(?P<name>(?:@[a-z0-9~-][a-z0-9._~-]{0,100}/)?[a-z0-9~-][a-z0-9._~-]{0,100})(?:@[^\s/:]{1,40})?\Z", re.IGNORECASE
)
_SHAPES = {PYPI: _PYPI, NPM: _NPM}
_NO_NAME = re.compile(r"[<>{}$*]|\.\.\.|\A[./~]|://|\Agit\+|\.(?:whl|gz|zip|tgz|txt|toml|git)\Z|\Agithub:")
_SAMPLE = re.compile(
    r"(?:your|my|some|any|the|this|that|example|sample|other|another)(?:[-_.].*|\Z)|.*[-_.](?:name|here)\Z|"
    r"(?:package|library|lib|module|dependency|plugin|dep|pkg|app|project)s?(?:[-_.]?(?:name|[0-9a-z]))?\Z|"
    r"my(?:package|lib|library|module|app|project|plugin)|foo|bar|baz|qux|foobar|name|x{1,5}|[a-z]|the|it",
    re.IGNORECASE,
)
_LINE = re.compile(
    r"^[ \t]{0,8}(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,100})(?:\[[\w,. -]{0,100}\])?[ \t]{0,4}"
    r"(?P<version>(?:==|>=|~=|<=|!=|<|>)[ \t]{0,4}[0-9][^\n]{0,200})?[ \t]{0,8}(?:[;#][^\n]{0,400})?\r?$",
    re.MULTILINE,
)
_ASIDE = re.compile(r"[ \t]{0,8}(?:#[^\n]{0,400}|-[^\n]{0,400})?\r?\Z")
_DEPENDENCIES = re.compile(r"\"(?:dev|peer|optional)?[dD]ependencies\"\s{0,20}:\s{0,20}\{(?P<pairs>[^{}]{0,20000})\}")
_PAIR = re.compile(
    r"\"(?P<name>[^\"\s]{1,214})\"\s{0,20}:\s{0,20}\"(?:[\^~<>=v ]{0,4}[0-9xX*][^\"]{0,60}|latest|next|)\""
)
_LIST = re.compile(
    r"^[ \t]{0,8}(?:[\w-]{0,30}dependencies|requires)[ \t]{0,8}=[ \t]{0,8}\["
    r"(?P<items>(?:\"[^\"\n]{0,200}\"|'[^'\n]{0,200}'|[^\[\]\"']++){0,600})\]",
    re.MULTILINE,
)
_ITEM = re.compile(r"\"(?P<double>[^\"\n]{1,200})\"|'(?P<single>[^'\n]{1,200})'")
_TABLE = re.compile(
    r"^\[tool\.poetry\.(?:[\w.-]{1,60}\.)?(?:dev-)?dependencies\][ \t]{0,8}\n"
    r"(?P<rows>(?:(?!\[)[^\n]{0,400}\n?){0,300})",
    re.MULTILINE,
)
_ROW = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,100})[ \t]{0,8}=[ \t]{0,8}[\"{]", re.MULTILINE)
_IMPORTED = re.compile(
    r"(?:\brequire\([ \t]{0,4}|^[ \t]{0,12}import[ \t]{1,4}(?:[^\"'\n;]{1,200}?[ \t]from[ \t]{1,4})?"
    r"|^[ \t]{0,12}\}[ \t]{1,4}from[ \t]{1,4})[\"'](?P<name>[a-z0-9][a-z0-9._-]{0,100})[\"']",
    re.MULTILINE,
)
_PROSE = _words("from for in on with via using then of as before after and or to into")
_SCRIPTS = frozenset({"js", "jsx", "ts", "tsx", "javascript", "typescript", "mjs", "cjs", "node", "vue", "svelte"})
_PLAIN = frozenset({"", "text", "txt", "plaintext", "plain", "requirements", "requirements.txt", "pip-requirements"})
_NODE = _words("""
    assert async_hooks buffer child_process cluster console constants crypto dgram diagnostics_channel dns domain
    events fs http http2 https inspector module net os path perf_hooks process punycode querystring readline repl
    sea sqlite stream string_decoder sys test timers tls trace_events tty url util v8 vm wasi worker_threads zlib
""")


def named_in(text: str) -> Iterator[Named]:
    """At most `MOST` names, in no order; the same name may come again."""
    if "`" in text or "~~~" in text:
        yield from islice((one for code in _codes(text) for one in _of(text, code) if not _is_sample(one)), MOST)


def _codes(text: str) -> Iterator[_Code]:
    for match in _CODE.finditer(text):
        if match["line"] is not None:
            yield _Code(*match.span("line"), None)
        else:
            words = match["info"].split()
            yield _Code(*match.span("body"), words[0].strip("{}.").lower() if words else "")


def _of(text: str, code: _Code) -> Iterator[Named]:
    yield from _commands(text, code)
    if code.info is None:
        return
    if code.info in _SCRIPTS:
        for match in _IMPORTED.finditer(text, code.start, code.end):
            yield Named(NPM, match["name"], *match.span("name"), LIKELY)
    elif code.info in {"json", "jsonc", "json5", ""} and "ependencies" in text[code.start : code.end]:
        for found in _DEPENDENCIES.finditer(text, code.start, code.end):
            for match in _PAIR.finditer(text, *found.span("pairs")):
                yield from _name(NPM, match["name"], match.start("name"))
    elif code.info in {"toml", "ini", "cfg"}:
        yield from _toml(text, code)
    if code.info in _PLAIN:
        yield from _requirements(text, code)


def _commands(text: str, code: _Code) -> Iterator[Named]:
    for match in _COMMAND.finditer(text, code.start, code.end):
        ecosystem, at = PYPI if match["pypi"] else NPM, match.start("rest")
        words = [
            (word[0].strip("\"'"), at + word.start() + (word[0][0] in "\"'")) for word in _WORD.finditer(match["rest"])
        ]
        if any(_INDEX.match(word) for word, _ in words):
            continue  # a place of its own has names of its own
        values = False
        for word, place in words:
            if word.lower() in _PROSE:
                break
            if values or word.startswith("-"):
                values = word in _VALUED and not values
                continue
            yield from _name(ecosystem, word, place)


def _name(ecosystem: str, word: str, place: int) -> Iterator[Named]:
    """The name that a word begins with, where it is one."""
    match = _SHAPES[ecosystem].match(word)
    written = match["name"] if match else ""
    if match and not _NO_NAME.search(written) and "://" not in word and " @ " not in word:
        yield Named(ecosystem, written, place, place + len(written), SURE)


def _requirements(text: str, code: _Code) -> Iterator[Named]:
    """Lines of which every one is a requirement, and most say which version."""
    lines = [line for line in text[code.start : code.end].split("\n") if not _ASIDE.match(line)]
    found = list(_LINE.finditer(text, code.start, code.end))
    versions = sum(match["version"] is not None for match in found)
    if len(found) == len(lines) and versions * 2 > len(lines) and (versions > 1 or code.info not in {"", "text"}):
        for match in found:
            yield Named(PYPI, match["name"], *match.span("name"), SURE)


def _toml(text: str, code: _Code) -> Iterator[Named]:
    for found in _LIST.finditer(text, code.start, code.end):
        for item in _ITEM.finditer(text, *found.span("items")):
            group = "double" if item["double"] is not None else "single"
            yield from _name(PYPI, item[group], item.start(group))
    for found in _TABLE.finditer(text, code.start, code.end):
        for row in _ROW.finditer(text, *found.span("rows")):
            yield Named(PYPI, row["name"], *row.span("name"), SURE)


def _is_sample(one: Named) -> bool:
    """A placeholder, or what comes with the language."""
    if _SAMPLE.fullmatch(one.name):
        return True
    return one.name in _NODE if one.ecosystem == NPM else one.name.lower() in sys.stdlib_module_names | {"python"}
