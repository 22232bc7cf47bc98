"""Every snippet of docs/howto/governance.md, read as the program would read it."""

import re
from pathlib import Path

import pytest

from appliance.cli import main
from appliance.config.load import load

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "governance.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
PEM = "-----BEGIN CERTIFICATE-----\n"


def first_key(text: str) -> str:
    return text.partition(":")[0]


def laid_down(folder: Path, text: str) -> str:
    """The snippet with its files in `folder`, where they are."""
    for name in re.findall(r"/etc/gnomon/([\w.-]+)", text):
        path = folder / name
        path.write_text({"members.yaml": "{}\n", "prices.yaml": "models: []\n"}.get(name, ""))
        path.chmod(0o600)
    return text.replace("/etc/gnomon", str(folder))


def test_the_page_has_snippets_of_each_kind():
    kinds = [first_key(block) for block in BLOCKS]
    assert {"rules", "models", "identity", "budgets", "providers", "gateway", "accounts", "role", "peers"} <= {
        *kinds,
        *(first_key(line) for block in BLOCKS for line in block.splitlines()),
    }


@pytest.mark.parametrize("block", BLOCKS, ids=first_key)
def test_every_snippet_is_taken(block, tmp_path, capsys):
    path = tmp_path / "snippet.yaml"
    path.write_text(laid_down(tmp_path, block))
    kind = first_key(block)
    if kind == "rules":
        assert main(["policy", "check", str(path)]) == 0, capsys.readouterr().err
        if "tests:" in block:
            assert main(["policy", "test", str(path)]) == 0, capsys.readouterr()
    elif kind == "models":
        assert main(["prices", "check", str(path)]) == 0, capsys.readouterr().err
    else:
        load(path)
