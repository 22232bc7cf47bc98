"""docs/CONFORMANCE.md: what is read from the captures of others, kind by kind, with a reason for every miss.

`python tests/discovery/captures_page.py [FILE]` prints the recall of each kind and, with FILE, writes the page.
Exit 1: a target is missed, or something has no reason.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from captures_compared import (
    KINDS,
    NAMES,
    PCAPS,
    Compared,
    adjudications,
    captures,
    compared,
    disagreements,
    frames,
    told_of,
    weird,
)

from discovery.cadence import NOTE
from discovery.engine import Engine

RULE_OF_THREE = 3  # of n without a hit, 3 / n bounds the rate with 95 % confidence
TARGETS = {"tls_sni": 1.0, "quic_sni": 1.0, "alpn": 0.99, "ja3": 0.99, "ja4": 0.99, "dns": 0.98, "http": 0.98}
WORDS = {
    "tls_sni": "TLS server names",
    "quic_sni": "QUIC server names",
    "alpn": "protocols offered (ALPN)",
    "ja3": "JA3",
    "ja4": "JA4",
    "dns": "names asked for (DNS, mDNS, LLMNR)",
    "http": "HTTP hosts",
}
_HEAD = """# Conformance: what others read from the same captures

Written by `make conformance` (`tests/discovery/captures_page.py`); a test holds this page against the run. A fact is a
value in a flow of a capture: tshark 4.0.17 tells it (JA4: nfstream 6.6), or the authors of the capture publish it, by
file, and no tool does. `extra` is what we read and nobody tells: of names there may be none.
"""


def recall() -> Iterator[tuple[str, Compared]]:
    """Every kind in order."""
    sides = compared()
    yield from ((kind, sides[kind]) for kind in KINDS)


def page() -> str:
    """The whole page."""
    packets = sum(len(frames(path)) for path in captures())
    parts = [_HEAD, f"{len(captures())} captures of nine projects, {packets:,} packets.", "", *_table(), "", *_misses()]
    parts += [
        "",
        *_listed("extra", "What only we read"),
        "",
        *_listed("misfiled", "What the list of captures misfiles"),
    ]
    parts += ["", *_verdicts(), "", *_odd(), "", *_rhythm()]
    return "\n".join(parts) + "\n"


def _table() -> Iterator[str]:
    yield "| kind | facts | found | missed | recall | target | extra | left with a disagreement |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|"
    for kind, side in recall():
        numbers = (len(side.wanted), len(side.found), len(side.missed), f"{side.recall:.1%}", f"{TARGETS[kind]:.0%}")
        cells = " | ".join(map(str, (*numbers, len(side.extra), len(side.left))))
        yield f"| {WORDS[kind]} | {cells} |"


def _misses() -> Iterator[str]:
    yield from ("## What is missed", "")
    reasons = told_of("missed")
    for kind, side in recall():
        for place in sorted({fact.apart for fact in side.missed}):
            flows = sum(fact.apart == place for fact in side.missed)
            times = f", in {flows} flows" if flows > 1 else ""
            yield f"- {WORDS[kind]}, `{place[1]}`: `{place[2]}`{times}: {reasons.get(place, '**no reason is told**')}"


def _listed(section: str, title: str) -> Iterator[str]:
    yield from (f"## {title}", "")
    for (kind, file, value), why in sorted(told_of(section).items()):
        yield f"- {WORDS[kind]}, `{file}`: `{value}`: {why}"


def _verdicts() -> Iterator[str]:
    yield from ("## Where the sources disagree", "", "These values leave the count, whoever is right.", "")
    yield from ("| capture | about | values | right | why |", "|---|---|---|---|---|")
    known = {(one["file"], one["what"]): one for one in adjudications()["disagreement"]}
    reasons = adjudications()["reasons"]
    for row in disagreements():
        verdict = known.get((row.file, row.what), {"right": "**open**", "why": ""})
        values = ", ".join(f"`{value}`" for value in (*row.values, *verdict.get("also", ())))
        why = reasons.get(verdict["why"], verdict["why"])  # type: ignore[attr-defined]
        yield f"| `{row.file}` | {row.what} | {values} | {verdict['right']} | {why} |"


def _odd() -> Iterator[str]:
    yield from ("## What could not be read", "", "Counted as `weird` while these captures were read.", "")
    for file, counts in weird().items():
        yield f"- `{file}`: " + ", ".join(f"`{word}` {count}" for word, count in sorted(counts.items()))


def _rhythm() -> Iterator[str]:
    yield from ("## The rhythm of answers", "")
    connections, hints = rhythms()
    rate = f"{RULE_OF_THREE / connections:.1%}"
    yield f"`sensor.cadence` looks at {connections} TLS connections of these captures, those in which a client sends"
    yield f"data, and hints at {hints}. None of them is known to be an answer of a model, so that the rate of false"
    yield f"hints is at most {rate} with 95 % confidence. Few of them are long."


def rhythms() -> tuple[int, int]:
    """Connections of all captures whose answers' rhythm was looked at, and how many were taken for a model's."""
    connections = hints = 0
    for path in captures():
        engine = Engine(cadence=True)
        rows = [row for frame in frames(path) for row in engine.feed(*frame)]
        hints += sum(row.notes[:1] != () and row.notes[0].startswith(NOTE) for row in rows)
        connections += len(engine._cadence or ())
    return connections, hints


def faults() -> list[str]:
    """What is not as it should be: targets, reasons that lack, reasons for nothing, verdicts."""
    found = []
    for kind, side in recall():
        if side.recall < TARGETS[kind]:
            found.append(
                f"{WORDS[kind]}: {side.recall:.2%} of {len(side.wanted)} found, wanted are {TARGETS[kind]:.0%}"
            )
        if kind in NAMES:
            found += [f"invented: {fact}" for fact in side.extra]
    sides = compared().values()
    for section, now in (
        ("missed", {fact.apart for side in sides for fact in side.missed}),
        ("extra", {fact.apart for side in sides for fact in side.extra}),
    ):
        found += [f"{section} without a reason: {fact}" for fact in now - set(told_of(section))]
        found += [f"told as {section}, and is not: {fact}" for fact in set(told_of(section)) - now]
    rows, known = disagreements(), adjudications()["disagreement"]
    pairs = {(one["file"], one["what"]) for one in known}
    found += [f"without a verdict: {row.file}, {row.what}" for row in rows if (row.file, row.what) not in pairs]
    found += [f"a verdict on nothing: {pair}" for pair in pairs - {(row.file, row.what) for row in rows}]
    return sorted(found)


def main() -> int:
    """Print the table; write the page where a file is named."""
    if not PCAPS.is_dir():
        sys.stdout.write("conformance: skipped, ../shared/data/pcaps is not there\n")
        return 0
    sys.stdout.write("\n".join(_table()) + "\n")
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    for fault in faults():
        sys.stdout.write(f"conformance: {fault}\n")
    return 1 if faults() else 0


if __name__ == "__main__":
    sys.exit(main())
