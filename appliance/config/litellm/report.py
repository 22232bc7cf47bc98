"""The report of an import, for people: counts, what has no counterpart and why, what became what, what is left to do.

Rules: pure; no value of the source stands in it, and names are inert already (account.py).
"""

from collections.abc import Iterator, Sequence

from appliance.config.litellm.account import Line, Outcome
from appliance.config.litellm.imported import Imported, counted


def report(found: Imported) -> str:
    """Markdown that reads as plain text."""
    counts = counted(found.lines)
    head = ", ".join(f"{count} {name}" for name, count in counts.items())
    parts = [
        "# Import from LiteLLM",
        f"{sum(counts.values())} values of the source: {head}. Names of models: {found.models}.",
    ]
    parts += _section("Before clients are moved", (f"* {word}" for word in found.cautions))
    parts += _section("Keys to be held", (f"* gnomon keys add {name} --provider {service}  ({where})"
                                          for name, service, where in found.held))  # fmt: skip
    parts += _section("Keys to be minted", (f"* {one.was}: owner {one.owner}" for one in found.keys))
    for outcome in (Outcome.NONE, Outcome.TRANSLATED, Outcome.TAKEN):
        parts += _section(outcome.value.capitalize(), _lines(found.lines, outcome))
    return "\n\n".join(parts) + "\n"


def _section(title: str, lines: Iterator[str]) -> list[str]:
    told = "\n".join(lines)
    return [f"## {title}\n\n{told}"] if told else []


def _lines(lines: Sequence[Line], outcome: Outcome) -> Iterator[str]:
    for line in lines:
        if line.outcome is outcome:
            many = f" ({line.values} values)" if line.values > 1 else ""
            yield f"* `{line.place}`{many}: {line.words or outcome.value}"
