"""Names and values that belong to Chat Completions and its family: structure, never text of a person.

Sources: openai-python `types/chat/*`, `types/completion*.py` (openai 3.x); JSON Schema's type names; the API references
of Azure OpenAI (filter results), Mistral (chunks), DeepSeek, Groq, OpenRouter, Perplexity; llama.cpp's and vLLM's
servers.

Rules: a word stands here only if it is fixed by the format; a word that is missing costs one scan of a short text, a
word too many hides what somebody wrote.
"""

import re

from appliance.inspect.jsonspans import StringSpan
from appliance.inspect.segments import known_names, words

PADDING = re.compile(r"[A-Za-z0-9]{0,512}\Z")
"""What `obfuscation` holds: random letters and digits that make events equally long."""

NAMES = known_names("""
    messages role content type text image_url url detail input_audio data format file file_data file_id filename
    refusal name tool_calls tool_call_id id function arguments function_call tools functions description
    parameters strict properties required additionalProperties items enum anyOf model stream stream_options
    include_usage include_obfuscation max_tokens max_completion_tokens temperature top_p n stop seed user
    frequency_penalty presence_penalty logit_bias top_logprobs response_format json_schema schema
    prediction metadata store service_tier reasoning_effort modalities audio voice parallel_tool_calls
    tool_choice safety_identifier prompt_cache_key verbosity web_search_options reasoning_content
    choices index message finish_reason usage prompt_tokens completion_tokens total_tokens object created
    prompt_tokens_details cached_tokens cache_write_tokens completion_tokens_details reasoning_tokens audio_tokens
    accepted_prediction_tokens rejected_prediction_tokens system_fingerprint annotations delta
    image_tokens text_tokens custom input obfuscation error code param transcript expires_at
    suffix echo best_of thinking reasoning reasoning_details summary signature
    prompt_filter_results content_filter_results content_filter_offsets prompt_index filtered severity detected
    hate self_harm sexual violence jailbreak protected_material_text protected_material_code start_offset end_offset
    check_offset x_groq queue_time prompt_time completion_time total_time citations search_results native_finish_reason
    prompt_cache_hit_tokens prompt_cache_miss_tokens timings prompt_n prompt_ms prompt_per_token_ms prompt_per_second
    predicted_n predicted_ms predicted_per_token_ms predicted_per_second cache_n stop_reason
""")
"""Keys, raw bytes to name. Not among them: `REPEATS`, so that they are found."""
REPEATS = words("logprobs completion_probabilities prompt_logprobs token_ids prompt_token_ids")
"""Keys whose values repeat text token by token (llama.cpp says `completion_probabilities`, vLLM the last three)."""


def is_repeat(key: StringSpan) -> bool:
    """Whether the value of a key repeats text."""
    return key.text in REPEATS


_TYPES = """
    text image_url input_audio file refusal function custom json_schema json_object content thinking
    object string number integer boolean array null reasoning.text reasoning.summary reasoning.encrypted
"""
_ROLES = frozenset({"system", "user", "assistant", "tool", "developer", "function"})
_FINISH = words("stop length tool_calls content_filter function_call eos_token stop_sequence")
VALUES: dict[str, frozenset[str]] = {
    "role": _ROLES,
    "type": words(_TYPES),
    "finish_reason": _FINISH,
    "native_finish_reason": _FINISH,
    "object": frozenset({"chat.completion", "chat.completion.chunk", "text_completion", "text_completion.chunk"}),
    "severity": frozenset({"safe", "low", "medium", "high"}),
    "service_tier": frozenset({"auto", "default", "flex", "scale", "priority", "fast"}),
}
"""By the name of their key."""

CHANNELS = {
    "arguments": "arguments",
    "name": "name",
    "filename": "name",
    "description": "description",
    "reasoning": "reasoning",
    "reasoning_content": "reasoning",
    "thinking": "reasoning",
    "tool_call_id": "metadata",
    "id": "metadata",
    "signature": "metadata",
}
"""The channel of a string inside a message, by the name of its key; content otherwise."""
