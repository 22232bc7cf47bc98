"""Names and values that belong to Cohere's formats themselves.

Sources: cohere-python 7.3, `types/*`, `v2/types/*`, `v2/raw_client.py`, `raw_base_client.py` (v1).

Rules: as in anthropic_words.py.
"""

from typing import Final

from appliance.inspect.segments import known_names, words

NAMES: Final = known_names("""
    model messages role content type text thinking image_url url detail document data id tool_calls function name
    arguments tool_plan tool_call_id citations tools description parameters strict_tools documents citation_options mode
    response_format json_schema schema safety_mode max_tokens stop_sequences temperature seed frequency_penalty
    presence_penalty k p logprobs tool_choice token_budget priority stream properties required items
    message chat_history preamble conversation_id prompt_truncation connectors search_queries_only citation_quality
    force_single_step raw_prompting tool_results call outputs user_id site continue_on_failure options
    texts inputs images input_type embedding_types truncate output_dimension max_tokens_per_doc query top_n
    return_documents rank_fields max_chunks_per_doc content
    index delta finish_reason usage billed_units input_tokens output_tokens search_units classifications tokens
    cached_tokens sources start end tool_output content_index error
    event_type is_finished generation_id response_id response meta api_version version tool_call_delta
    parameter_definitions is_search_required search_queries search_results text_generation warnings
    embeddings response_type float int8 uint8 binary ubinary base64 results relevance_score is_experimental
    image_tokens token_ids
""")
"""Keys, raw bytes to name."""
ANSWER_NAMES: Final = {raw: name for raw, name in NAMES.items() if name != "logprobs"}
"""The same for answers, in which the place of log probabilities must be known."""

ROLES: Final = frozenset({"system", "user", "assistant", "tool", "developer"})
OLD_ROLES: Final = {"USER": "user", "CHATBOT": "assistant", "SYSTEM": "system", "TOOL": "tool"}
_TYPES = """
    text thinking image_url document function tool json_object enabled disabled auto low high
    message-start message-end content-start content-delta content-end tool-plan-delta tool-call-start tool-call-delta
    tool-call-end citation-start citation-end TEXT_CONTENT THINKING_CONTENT PLAN
    object string number integer boolean array null
"""
_OLD_EVENTS = """
    stream-start search-queries-generation search-results text-generation citation-generation tool-calls-generation
    stream-end tool-calls-chunk debug
"""
VALUES: Final[dict[str, frozenset[str]]] = {
    "role": ROLES | frozenset(OLD_ROLES),
    "type": frozenset(_TYPES.split()),
    "event_type": frozenset(_OLD_EVENTS.split()),
    "finish_reason": words("COMPLETE STOP_SEQUENCE MAX_TOKENS TOOL_CALL ERROR TIMEOUT ERROR_LIMIT ERROR_TOXIC"),
    "input_type": words("search_document search_query classification clustering image"),
    "truncate": frozenset({"NONE", "START", "END"}),
    "safety_mode": frozenset({"CONTEXTUAL", "STRICT", "OFF", "NONE"}),
    "response_type": frozenset({"embeddings_floats", "embeddings_by_type"}),
    "detail": frozenset({"auto", "low", "high"}),
    "tool_choice": frozenset({"REQUIRED", "NONE"}),
}
"""By the name of their key."""

CHANNELS: Final = {
    "thinking": "reasoning",
    "tool_plan": "reasoning",
    "arguments": "arguments",
    "name": "name",
    "description": "description",
    "id": "metadata",
    "tool_call_id": "metadata",
    "generation_id": "metadata",
    "response_id": "metadata",
    "conversation_id": "metadata",
}
"""The channel of a string, by the name of its key; content otherwise."""


def is_word(path: list[str], text: str) -> bool:
    """Whether a string is one of the format's own; what stands in a call's parameters is the caller's."""
    return text in VALUES.get(path[-1], ()) and "parameters" not in path[:-1]


def channel_of(path: list[str]) -> str:
    """What a string is by where it stands."""
    return "arguments" if "parameters" in path[:-1] else CHANNELS.get(path[-1], "content")
