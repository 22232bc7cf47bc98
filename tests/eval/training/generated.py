"""Texts made from the grammars beside this file: attacks of the published families, ordinary texts in the same words.

Rules: seeded, so that the same grammar gives the same texts; no sentence of a data set stands in a grammar.
"""

import json
import random
import re
import tomllib
from pathlib import Path

FOLDER = Path(__file__).parent
ATTACKS = tomllib.loads((FOLDER / "attacks.toml").read_text("utf-8"))
ORDINARY = tomllib.loads((FOLDER / "ordinary.toml").read_text("utf-8"))
FOREIGN_SHARE = 0.2
_SHARED = ("harm", "topic", "tool", "mode", "rules", "prior", "reveal", "send", "encode", "host")
_WORDS = ORDINARY["words"] | {f"x{name}": ATTACKS["words"][name] for name in _SHARED}
_SLOT = re.compile(r"\{(\w+)\}")
_DEPTH = 6


def attacks(count: int, seed: int) -> list[str]:
    """`count` attacks, families in equal shares; `FOREIGN_SHARE` of them in other languages."""
    chance = random.Random(seed)  # noqa: S311 - a fixed seed, so that the weights can be made again
    made, seen = [], set()
    families = sorted(ATTACKS["families"])
    while len(made) < count:
        foreign = chance.random() < FOREIGN_SHARE
        if foreign:
            text = expand(chance.choice(ATTACKS["foreign"]), chance, ATTACKS["foreign_words"])
        else:
            frame = chance.choice(ATTACKS["families"][chance.choice(families)])
            text = cased(expand(frame, chance, ATTACKS["words"]), chance)
        if foreign or text not in seen:
            seen.add(text)
            made.append(text)
    return made


def ordinary(count: int, seed: int) -> list[str]:
    """`count` ordinary texts: one frame, two in a row, or a page, a mail, a log or a JSON record of many lines."""
    chance = random.Random(seed)  # noqa: S311 - the same
    frames = ORDINARY["families"]
    made, seen = [], set()
    families = sorted(frames)
    while len(made) < count:
        name = chance.choice(families)
        way = chance.random()
        if way < 0.62:
            text = cased(expand(chance.choice(frames[name]), chance, _WORDS), chance)
        elif way < 0.75:
            text = " ".join(expand(chance.choice(frames[chance.choice(families)]), chance, _WORDS) for _ in range(2))
        else:
            name, text = "page", page(chance)
        if text not in seen or name == "foreign":
            seen.add(text)
            made.append(text)
    return made


def page(chance: random.Random) -> str:
    """What a tool returns: 3 to 25 lines."""
    frames = ORDINARY["lines"]
    lines = [cased(expand(chance.choice(frames), chance, _WORDS), chance) for _ in range(chance.randrange(3, 25))]
    way = chance.random()
    if way < 0.25:
        return json.dumps([{"id": number, "text": line} for number, line in enumerate(lines)])
    if way < 0.4:
        return "<html><body>" + "".join(f"<p>{line}</p>" for line in lines) + "</body></html>"
    return ("\n" if way < 0.75 else " ").join(lines)


def expand(frame: str, chance: random.Random, words: dict[str, list[str]]) -> str:
    """A frame with every slot filled."""
    for _ in range(_DEPTH):
        if not _SLOT.search(frame):
            break
        frame = _SLOT.sub(lambda slot: chance.choice(words[slot[1]]) if slot[1] in words else slot[0], frame)
    return re.sub(r"  +", " ", frame).strip()


def cased(text: str, chance: random.Random) -> str:
    """As people write: mostly with a capital, now and then without, or shouting."""
    way = chance.random()
    if way < 0.6:
        return text[:1].upper() + text[1:]
    return text.upper() if way > 0.96 else text
