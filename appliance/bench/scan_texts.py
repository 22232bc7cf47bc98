"""Texts to scan: prose, code and what people paste into a prompt, seeded and each of them unique.

Rules: a text holds as many findings as it is asked for, of made-up people, numbers that pass their checksums and keys
of no owner; no text occurs twice in a run, so that no cache of detections helps.
"""

import json
import random
from collections.abc import Iterator, Sequence
from functools import cache

from appliance.bench.load import WORDS

ROLES = ("user", "assistant")
_CODE = (
    "def {a}_{b}(value: int, {a}: str = '') -> list[str]:\n    return [{a} for {a} in {b}.items() if {a} > {n}]\n",
    "for (const {a} of {b}) {{ if ({a}.length > {n}) {{ console.log(`{b}: ${{{a}}}`); }} }}\n",
    "SELECT {a}, count(*) FROM {b} WHERE {a}_id = {n} GROUP BY 1 ORDER BY 2 DESC;\n",
    '{{"{a}": {n}, "{b}": ["{a}", "{b}"], "ratio": 0.{n}}}\n',
)
_OF_A_TURN = (0,) * 9 + (1,)  # findings
_CARDS = ("4111 1111 1111 1111", "5500 0000 0000 0004", "340000000000009")
_IBANS = ("DE89 3704 0044 0532 0130 00", "GB33BUKB20201555555555", "FR1420041010050500013M02606")


@cache
def words() -> tuple[str, ...]:
    """What prose is made of."""
    return tuple(WORDS)


def texts(seed: int, size: int, findings: Sequence[int]) -> Iterator[str]:
    """Without end; each of `size` characters with a number of findings drawn from `findings`."""
    source = random.Random(seed)  # noqa: S311 - text for a load, not a secret
    while True:
        yield _text(source, size, source.choice(findings))


def conversation(source: random.Random, turns: int, size: int) -> list[dict[str, str]]:
    """Messages of a chat, each of `size` characters, the last the user's."""
    return [turn(source, size, ROLES[(turns - 1 - number) % 2]) for number in range(turns)]


def turn(source: random.Random, size: int, role: str = "user") -> dict[str, str]:
    """One message."""
    return {"role": role, "content": _text(source, size, source.choice(_OF_A_TURN))}


def body(messages: list[dict[str, str]]) -> bytes:
    """The request that a client sends."""
    return json.dumps({"model": "gpt-4o", "messages": messages, "stream": True}).encode()


def _text(source: random.Random, size: int, findings: int) -> str:
    placed = sorted(source.randrange(max(1, size - 80)) for _ in range(findings))
    parts: list[str] = []
    length = 0
    while length < size:
        if placed and placed[0] <= length:
            placed.pop(0)
            part = f" {_finding(source)} "
        elif source.random() < 0.02:  # noqa: PLR2004 - a line of code now and then
            part = source.choice(_CODE).format(a=_word(source), b=_word(source), n=source.randrange(10, 999))
        else:
            part = _word(source) + source.choice((" ",) * 12 + (", ", ". ", ".\n"))
        parts.append(part)
        length += len(part)
    return "".join(parts)[:size]


def _word(source: random.Random) -> str:
    return source.choice(words())


def _finding(source: random.Random) -> str:
    number = source.randrange(10**9)
    return source.choice(
        (
            f"{_word(source)}.{number}@example.org",
            f"call +49 30 {number % 10**7:07d}",
            f"phone 212-555-{number % 10**4:04d}",
            f"host 10.{number % 250}.{number // 250 % 250}.{number // 9 % 250}",
            f"https://www.example.com/{_word(source)}/{number}",
            f"key sk-proj-{source.randbytes(24).hex()}",
            source.choice(_CARDS),
            source.choice(_IBANS),
        )
    )
