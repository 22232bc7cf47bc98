"""Package names in answers: what is read as one, what is not, and what a filter says of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.inspect.detect.order import detectors
from appliance.inspect.detect.settings import PLAIN, Settings
from appliance.inspect.looking import Looked
from appliance.inspect.output.packages import UnknownPackages
from appliance.inspect.output.packages_known import MISSES, NPM, PYPI, Known, made_of, normal, read, written
from appliance.inspect.output.packages_named import MOST, named_in
from appliance.model.names import Source

KNOWN = (
    made_of(PYPI, ["requests", "PyYAML", "ruamel.yaml", "uvicorn", "numpy"]),
    made_of(NPM, ["react", "@types/node", "lodash", "JSONStream"]),
)


def told(text, known=KNOWN):
    found = UnknownPackages(known).find(Looked(text, Source.ANSWER, lambda _: ()), 0.0)
    return {(text[one.start : one.end], one.rule.removeprefix("packages:"), one.score) for one in found}


def names(text):
    return [one.name for one in named_in(text)]


def fenced(body, info=""):
    return f"Do this:\n\n```{info}\n{body}\n```\nThat is all."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run `pip install requests zebra-quux` first", ["requests", "zebra-quux"]),
        (fenced("$ python3 -m pip install -U --no-cache-dir zebra-quux==1.2", "bash"), ["zebra-quux"]),
        (fenced("pip3 install 'zebra_quux[all]>=2.0' \"numpy<3\""), ["zebra_quux", "numpy"]),
        (fenced("pip install \\\n    zebra-quux \\\n    numpy && python app.py quuux"), ["zebra-quux", "numpy"]),
        (fenced("RUN apt-get install curl && pip install zebra-quux", "dockerfile"), ["zebra-quux"]),
        (fenced("uv add zebra-quux --group dev\npoetry add zq-two@^1.0\npipx install zq-three"), None),
        (fenced("npm install --save-dev @zebra/quux@1.2.3 zq"), ["@zebra/quux", "zq"]),
        (fenced("yarn add zq-one\npnpm i zq-two\nbun add zq-three"), ["zq-one", "zq-two", "zq-three"]),
        (fenced("requests==2.31.0\nzebra-quux[x]>=1.0  # why\n\n-r more.txt\nnumpy", "requirements.txt"), None),
        (fenced('{"name": "zq", "dependencies": {"react": "^18.0.0", "zq-lib": "1.x"}}', "json"), ["react", "zq-lib"]),
        (
            fenced('[project]\ndependencies = [\n "uvicorn[standard]>=0.2",\n "zq-lib",\n]', "toml"),
            ["uvicorn", "zq-lib"],
        ),
        (fenced('[tool.poetry.dependencies]\npython = "^3.12"\nzq-lib = "^1"\n[build]\nx = "y"', "toml"), ["zq-lib"]),
        (fenced("import a1 from 'zq-lib'\nconst b = require(\"zq-two\")\nimport 'fs'", "ts"), ["zq-lib", "zq-two"]),
    ],
)
def test_names_are_read_where_they_are_certain(text, expected):
    expected = expected or (
        ["zebra-quux", "zq-two", "zq-three"] if "uv add" in text else ["requests", "zebra-quux", "numpy"]
    )
    assert names(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "You should pip install whatever you like, and npm install more.",
        fenced("pip install -r requirements.txt -c limits.txt -e ./here ."),
        fenced("pip install git+https://example.com/a.git ./wheel.whl https://example.com/b.tar.gz ~/c ../d"),
        fenced("pip install --index-url https://pypi.example.com/simple acme-internal"),
        fenced("npm install --registry=https://npm.example.com @acme/internal"),
        fenced("pip install <package> your-package my_package package-name $NAME {name} ${X} foo example-lib ..."),
        fenced("pip install json sqlite3 asyncio"),
        fenced("npm install\nnpm install user/repository file:../x github:user/x"),
        fenced("pip install from source\n# pip uninstall zebra"),
        fenced("import pandas as pd\nfrom acme.models import User", "python"),
        fenced("import x from './local'\nimport y from '@/alias'\nimport z from 'node:fs'\nrequire('path')", "js"),
        fenced("x == 1\ny = 2\nprint(x)"),
        fenced("apple\npear\nplum"),
        fenced("apple\npear==1.0\nplum==2.0\ncherry\nquince", "requirements.txt"),
        fenced('{"dependencies": {"acme": "workspace:*", "b": "file:../b", "c": "git+ssh://x"}}', "json"),
        "dependencies: `react` and `zebra-quux`",
    ],
)
def test_what_may_be_something_else_is_not_read(text):
    assert names(text) == []


def test_what_no_list_has_is_told_once_and_known_names_are_not():
    text = (
        fenced("pip install requests pyyaml Ruamel_Yaml zebra-quux zebra_quux") + " `npm i lodash react @types/nodes`"
    )
    assert told(text) == {("zebra-quux", "pypi", 0.6), ("@types/nodes", "npm", 0.6)}


def test_what_is_sure_outweighs_what_is_likely():
    text = fenced("import a from 'zq-lib'", "js") + fenced("npm install zq-lib") + fenced("require('zq-two')", "js")
    assert told(text) == {("zq-lib", "npm", 0.6), ("zq-two", "npm", 0.4)}


def test_of_a_registry_without_a_list_nothing_is_said():
    text = "`pip install zebra-quux` `npm i zebra-quux`"
    assert told(text, ()) == set()
    assert told(text, KNOWN[1:]) == {("zebra-quux", "npm", 0.6)}


def test_it_stands_among_the_detectors_of_answers_and_its_list_is_part_of_their_version():
    made = next(one for one in detectors(Settings(packages=KNOWN)) if isinstance(one, UnknownPackages))
    assert (made.sources, made.detector_class) == (frozenset({Source.ANSWER}), "topic")
    assert len({PLAIN.digest(), Settings(packages=KNOWN).digest(), Settings(packages=KNOWN[:1]).digest()}) == 3


def test_a_text_of_endless_names_is_bounded():
    assert len(names(fenced("pip install " + " ".join(f"zq-{n}x" for n in range(90)) + "\n") * 9)) == MOST


@given(st.text(max_size=400))
def test_any_text_is_read_and_names_stand_where_they_are_told(text):
    for source in (text, f"```\npip install {text}\n```", f"```toml\n{text}\n```", f"`npm i {text}`"):
        for one in named_in(source):
            assert source[one.start : one.end] == one.name


@pytest.mark.parametrize(
    ("ecosystem", "one", "other", "same"),
    [
        (PYPI, "Ruamel.YAML", "ruamel__yaml", True),
        (PYPI, "a-b", "ab", False),
        (NPM, "JSONStream", "jsonstream", True),
        (NPM, "a.b", "a-b", False),
        (NPM, "@a/b", "b", False),
    ],
)
def test_names_are_compared_as_their_registry_does(ecosystem, one, other, same):
    assert (normal(ecosystem, one) == normal(ecosystem, other)) is same


def test_every_name_of_the_list_is_known_and_few_others_are():
    some = [f"pkg-{number}" for number in range(3000)]
    known = made_of(PYPI, some)
    assert all(known.holds(name) for name in some)
    assert len(known.bits) == 2 * len(some)
    wrong = sum(known.holds(f"other-{number}") for number in range(20_000))
    assert wrong < 20_000 * MISSES * 4
    assert MISSES < 0.0005


def test_a_filter_comes_back_from_its_file():
    assert read(written(KNOWN)) == KNOWN
    assert "bits" not in repr(KNOWN[0])
    assert repr(Known(PYPI, 3, b"xxxxxx")) == "Known('pypi', 3 names)"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda _: b"", "no file of package names"),
        (lambda data: b"{}" + data, "no file of package names"),
        (lambda data: data[:-1], "cut short"),
        (lambda data: data + b"\0", "damaged"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "damaged"),
        (lambda data: data.replace(b'"parts"', b'"party"'), "head is damaged"),
        (lambda data: data.replace(b'"npm"', b'"cpan"'), "known are pypi, npm"),
        (lambda data: data.replace(b'"npm"', b'"pypi"'), "each once"),
        (lambda _: written([Known(PYPI, 0, b"")]), "damaged"),
    ],
)
def test_a_file_that_is_none_is_refused_whole(spoil, words):
    with pytest.raises(ValueError, match=words):
        read(spoil(written(KNOWN)))
