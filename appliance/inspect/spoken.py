"""Which strings of an answer are words that a person reads, by where they stand in it.

Rules: pure; a list of what is words, not of what is none, so that a call, a search or a member that nobody knows yet is
no words. Sources: the API references of the dialects; items of OpenAI's Responses (`openai.types.responses`).
"""

from collections.abc import Sequence
from typing import Final

_MEMBERS: Final = frozenset(
    """
    content text refusal reasoning reasoning_content thinking transcript completion generation outputText response
    parts value
""".split()  # noqa: SIM905 - a table reads better
)
_PIECES: Final = frozenset({"delta", "v"})
"""Members that hold a piece of whatever their channel is."""
_CHANNELS: Final = frozenset({"content", "refusal", "reasoning", "summary", "transcript", "text"})
# What below these stands is done, searched, run or linked to.
_APART: Final = frozenset(
    """
    action annotations arguments args citation citationMetadata citations code codeExecutionResult command documents
    executableCode executed_tools function functionCall functionResponse function_call grounding groundingMetadata
    images input metadata operation search_results sources toolResult toolUse tool_call tool_calls tool_use
""".split()  # noqa: SIM905 - a table reads better
)


def is_spoken(path: Sequence[str], channel: str | None = None) -> bool:
    """Whether the string at `path`, a pointer that was split, is words. `channel`: which growing text it is part of."""
    named = [step for step in path if step and not step.isdecimal()]
    if not named or not _APART.isdisjoint(named):
        return False
    if named[-1] in _PIECES:
        return channel is not None and not _CHANNELS.isdisjoint(channel.split("/"))
    return named[-1] in _MEMBERS
