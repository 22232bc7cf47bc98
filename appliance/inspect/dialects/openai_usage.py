"""Tokens as services of the OpenAI family tell them.

Sources: openai-python `types/completion_usage.py`, `types/responses/response_usage.py`,
`types/realtime/realtime_response_usage.py` (openai 3.x); the API references of DeepSeek (prompt_cache_hit_tokens),
Moonshot (cached_tokens), xAI (total_tokens beside reasoning_tokens), Groq (x_groq), llama.cpp's server (timings).

Rules: as in usage.py.
"""

from typing import Final

from msgspec.structs import replace

from appliance.inspect.dialects import usage
from appliance.inspect.dialects.fields import count, table
from appliance.model.event import Usage

_INPUT: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUT: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details")
_USAGE: Final = usage.Names(
    received=("prompt_tokens", "input_tokens"),
    made=("completion_tokens", "output_tokens"),
    cached=(*(f"{details}/cached_tokens" for details in _INPUT), "prompt_cache_hit_tokens", "cached_tokens"),
    written=tuple(f"{details}/cache_write_tokens" for details in _INPUT),
    reasoning=tuple(f"{details}/reasoning_tokens" for details in _OUTPUT),
    sound_received=tuple(f"{details}/audio_tokens" for details in _INPUT),
    sound_made=tuple(f"{details}/audio_tokens" for details in _OUTPUT),
)
_TIMINGS: Final = usage.Names(("prompt_n",), ("predicted_n",), cached=("cache_n",), cache_beside=True)
"""llama.cpp: `prompt_n` are the tokens that were read anew, `cache_n` those that were not."""


def read_usage(value: object) -> Usage | None:
    """The `usage` object of chat, responses or realtime; None when there is none."""
    told = usage.read(value, _USAGE)
    if told is None or not told.reasoning_tokens:
        return told
    total = count(table(value).get("total_tokens"))
    beside = total == told.input_tokens + told.output_tokens + told.reasoning_tokens
    # Reasoning is inside; only xAI counts it beside `completion_tokens`, as its total shows.
    return replace(told, output_tokens=told.output_tokens + told.reasoning_tokens) if beside else told


def read_timings(value: object) -> Usage | None:
    """llama.cpp's `timings`."""
    return usage.read(value, _TIMINGS)
