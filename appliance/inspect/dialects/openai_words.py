"""Names and values that belong to the Chat Completions format itself: structure, never text of a person.

Sources: openai-python `types/chat/*`, `types/completion_usage.py` (openai 3.x); JSON Schema's type names.

Rules: a word stands here only if it is fixed by the format; a word that is missing costs one scan of a short text, a
word too many hides what somebody wrote.
"""

from appliance.inspect.segments import known_names

NAMES = known_names("""
    messages role content type text image_url url detail input_audio data format file file_data file_id filename
    refusal name tool_calls tool_call_id id function arguments function_call tools functions description
    parameters strict properties required additionalProperties items enum anyOf model stream stream_options
    include_usage include_obfuscation max_tokens max_completion_tokens temperature top_p n stop seed user
    frequency_penalty presence_penalty logit_bias logprobs top_logprobs response_format json_schema schema
    prediction metadata store service_tier reasoning_effort modalities audio voice parallel_tool_calls
    tool_choice safety_identifier prompt_cache_key verbosity web_search_options reasoning_content
    choices index message finish_reason usage prompt_tokens completion_tokens total_tokens object created
    prompt_tokens_details cached_tokens cache_write_tokens completion_tokens_details reasoning_tokens audio_tokens
    accepted_prediction_tokens rejected_prediction_tokens system_fingerprint annotations delta
    image_tokens text_tokens custom
""")
"""Keys, raw bytes to name."""

ROLES = frozenset({"system", "user", "assistant", "tool", "developer"})
"""Roles of a message, as segments call them (`function` is the old name of `tool`)."""

_TYPES = """
    text image_url input_audio file refusal function custom json_schema json_object content
    object string number integer boolean array null
"""
VALUES: dict[str, frozenset[str]] = {
    "role": ROLES | {"function"},
    "type": frozenset(_TYPES.split()),
    "finish_reason": frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"}),
    "object": frozenset({"chat.completion", "chat.completion.chunk"}),
}
"""By the name of their key."""

CHANNELS = {
    "arguments": "arguments",
    "name": "name",
    "filename": "name",
    "description": "description",
    "reasoning": "reasoning",
    "reasoning_content": "reasoning",
    "tool_call_id": "metadata",
    "id": "metadata",
}
"""The channel of a string inside a message, by the name of its key; content otherwise."""
