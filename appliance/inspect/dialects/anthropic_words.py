"""Names and values that belong to the Anthropic Messages format itself, and what its fields are.

Sources: anthropic-sdk-python 2.12, `types/*` and `types/beta/*` (message params, content blocks, stream events).

Rules: a word stands here only if it is fixed by the format; a word that is missing costs one scan of a short text, a
word too many hides what somebody wrote.
"""

from appliance.inspect.dialects import fields
from appliance.inspect.media import is_base64
from appliance.inspect.segments import known_names, words

NAMES = known_names("""
    type text role content model system messages max_tokens stream temperature top_k top_p stop_sequences thinking
    signature data source media_type file_id url title context citations enabled budget_tokens display cache_control
    ttl tools name description input_schema tool_choice disable_parallel_tool_use input id tool_use_id is_error
    properties required additionalProperties items enum anyOf mcp_servers authorization_token tool_configuration
    allowed_tools metadata user_id service_tier container skills skill_id version betas anthropic_version
    anthropic_beta output_config output_format effort format schema context_management edits custom_id params requests
    message index delta content_block usage partial_json stop_reason stop_sequence stop_details error request_id result
    input_tokens output_tokens cache_creation_input_tokens cache_read_input_tokens cache_creation
    ephemeral_5m_input_tokens ephemeral_1h_input_tokens output_tokens_details thinking_tokens server_tool_use
    web_search_requests web_fetch_requests inference_geo speed
    citation cited_text document_index document_title start_char_index end_char_index start_page_number end_page_number
    start_block_index end_block_index search_result_index encrypted_index encrypted_content page_age retrieved_at
    stdout stderr return_code error_code server_name max_uses allowed_domains blocked_domains user_location
    processing_status request_counts processing succeeded errored canceled expired created_at expires_at ended_at
    cancel_initiated_at archived_at results_url
""")
"""Keys, raw bytes to name."""

ROLES = frozenset({"system", "user", "assistant"})

_TYPES = """
    text image document search_result thinking redacted_thinking tool_use tool_result server_tool_use
    web_search_tool_result web_fetch_tool_result code_execution_tool_result bash_code_execution_tool_result
    text_editor_code_execution_tool_result tool_search_tool_result mcp_tool_use mcp_tool_result container_upload
    compaction base64 url file content ephemeral message error custom auto any tool none enabled disabled adaptive
    message_start message_delta message_stop content_block_start content_block_delta content_block_stop ping
    text_delta thinking_delta signature_delta input_json_delta citations_delta compaction_delta
    char_location page_location content_block_location search_result_location web_search_result_location
    web_search_result web_fetch_result code_execution_result code_execution_output bash_code_execution_result
    web_search_tool_result_error succeeded errored canceled expired message_batch json_schema mcp_toolset
    object string number integer boolean array null
    invalid_request_error authentication_error permission_error not_found_error request_too_large rate_limit_error
    api_error overloaded_error billing_error timeout_error
"""
VALUES: dict[str, frozenset[str]] = {
    "type": frozenset(_TYPES.split()),
    "role": ROLES,
    "media_type": frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "application/pdf", "text/plain"}),
    "stop_reason": words("end_turn max_tokens stop_sequence tool_use pause_turn refusal model_context_window_exceeded"),
    "service_tier": frozenset({"auto", "standard", "standard_only", "priority", "batch"}),
    "processing_status": frozenset({"in_progress", "canceling", "ended"}),
    "ttl": frozenset({"5m", "1h"}),
}
"""By the name of their key."""

CHANNELS = {
    "thinking": "reasoning",
    "partial_json": "arguments",
    "name": "name",
    "server_name": "name",
    "title": "name",
    "document_title": "name",
    "description": "description",
    "id": "metadata",
    "tool_use_id": "metadata",
    "file_id": "metadata",
    "url": "metadata",
    "custom_id": "metadata",
    "request_id": "metadata",
    "model": "metadata",
}
"""The channel of a string, by the name of its key; content otherwise."""

_SEALED = {
    "signature": "signature",
    "encrypted_content": "encrypted",
    "encrypted_index": "encrypted",
    "encrypted_stdout": "encrypted",
}
_MEDIA = {"image": "image", "audio": "audio", "video": "video"}


def channel_of(path: list[str], start: int) -> str:
    """What the string at `path` is; what stands below an `input` from `start` on is an argument of a call."""
    return "arguments" if "input" in path[start:-1] else CHANNELS.get(path[-1], "content")


def blind(document: object, path: list[str], text: str) -> str | None:
    """Why the string at `path` cannot be read, None where it is text. Only base64 through and through is opaque."""
    last = path[-1]
    if last in _SEALED:
        return _SEALED[last] if is_base64(text) else None
    if last != "data" or not is_base64(text):
        return None
    around = fields.table(fields.at(document, path[1:-1]))
    if around.get("type") == "redacted_thinking":
        return "encrypted"
    kind = fields.text(around.get("media_type")) or ""
    return _MEDIA.get(kind.partition("/")[0].lower(), "file")
