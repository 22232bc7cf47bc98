"""Items of OpenAI's responses and realtime APIs: who says them, which of their strings are words, media or ciphers.

Sources: openai-python `types/responses/*`, `types/realtime/*`, `types/beta/realtime/*` (openai 3.x).

Rules: as in openai_words.py: a word stands here only if it is fixed by the format. What an item is decides the
role, and the name of the member the channel.
"""

from appliance.inspect.dialects.fields import objects, table, texts
from appliance.inspect.dialects.openai_request import ROLES, role_of
from appliance.inspect.dialects.openai_words import NAMES as CHAT_NAMES
from appliance.inspect.jsonspans import StringSpan
from appliance.inspect.media import data_url, is_base64
from appliance.inspect.segments import Place, known_names, words

NAMES = {
    **CHAT_NAMES,
    **known_names("""
    instructions previous_response_id conversation include max_output_tokens max_tool_calls background truncation
    context_management compact_threshold prompt variables version tool_usage effort generate_summary text format
    verbosity moderation output status incomplete_details reason created_at completed_at output_text annotations
    item_id output_index content_index summary_index command_index sequence_number annotation_index annotation part
    item response call_id server_label server_url server_description connector_id tunnel_id authorization headers
    allowed_tools tool_names require_approval always never read_only approval_request_id approve output_tokens
    input_tokens input_tokens_details output_tokens_details input_token_details output_token_details
    cached_tokens_details cache_write_tokens_details ttl_30m_tokens ttl_12h_tokens encrypted_content queries query
    results action actions commands command stdout stderr outcome exit_code outputs logs container_id container
    partial_image_b64 partial_image_index background output_format quality size revised_prompt result start_index
    end_index title url pending_safety_checks acknowledged_safety_checks operation diff path environment env
    timeout_ms max_output_length working_directory created_by caller caller_id phase namespace tools input_schema
    filters vector_store_ids max_num_results ranking_options ranker score_threshold score attributes file_url
    search_context_size user_location city country region timezone display_height display_width execution
    prompt_cache_options prompt_cache_retention prompt_cache_breakpoint mode ttl steer stream_id generate
    event_id session response_id conversation_id previous_item_id audio_end_ms audio_start_ms transcript transcription
    language turn_detection threshold prefix_padding_ms silence_duration_ms create_response interrupt_response eagerness
    idle_timeout_ms noise_reduction rate speed output_modalities modalities input_audio_format output_audio_format
    input_audio_transcription input_audio_noise_reduction max_response_output_tokens tracing workflow_name group_id
    client_secret value expires_after anchor seconds rate_limits remaining reset_seconds limit total_tokens usage
    status_details billing payer event end start speaker languages required_input received_at
    """),
}
"""Keys, raw bytes to name; those of chat among them, since tools and parts are the same there."""

_ITEMS = """
    message function_call function_call_output custom_tool_call custom_tool_call_output reasoning item_reference
    file_search_call web_search_call computer_call computer_call_output image_generation_call code_interpreter_call
    local_shell_call local_shell_call_output shell_call shell_call_output apply_patch_call apply_patch_call_output
    mcp_call mcp_list_tools mcp_approval_request mcp_approval_response compaction tool_search_call tool_search_output
    additional_tools program program_output
"""
_PARTS = """
    input_text input_image input_file input_audio output_text output_audio refusal reasoning_text summary_text text
    audio     computer_screenshot file_citation url_citation container_file_citation file_path logs image
"""
_TOOLS = """
    function custom mcp web_search web_search_preview file_search code_interpreter image_generation local_shell shell
    computer_use_preview computer apply_patch tool_search namespace programmatic_tool_calling grammar auto
    object string number integer boolean array null json_schema json_object
"""
_ACTIONS = """
    search open_page find_in_page url click double_click drag keypress move screenshot scroll type wait exec exit
    timeout
    create_file delete_file update_file direct realtime transcription server_vad semantic_vad near_field far_field
    tokens duration audio/pcm audio/pcmu audio/pcma
"""
_ERRORS = """
    error invalid_request_error server_error rate_limit_error authentication_error permission_error
"""
_STATUS = words("""
    in_progress completed incomplete failed cancelled queued searching generating interpreting calling
""")
VALUES: dict[str, frozenset[str]] = {
    "role": ROLES,
    "type": words(f"{_ITEMS} {_PARTS} {_TOOLS} {_ACTIONS} {_ERRORS}"),
    "status": _STATUS,
    "object": frozenset({
        *("response", "response.compaction", "response.input_tokens", "realtime.response", "realtime.item"),
        *("realtime.session", "realtime.conversation", "realtime.transcription_session"),
    }),
    "phase": frozenset({"commentary", "final_answer"}),
    "reason": words("""
        max_output_tokens max_messages content_filter steered turn_detected client_cancelled
    """),
    "tool_choice": frozenset({"auto", "none", "required"}),
    "truncation": frozenset({"auto", "disabled"}),
    "detail": frozenset({"auto", "low", "high", "original"}),
    "effort": frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"}),
    "verbosity": frozenset({"low", "medium", "high"}),
    "service_tier": frozenset({"auto", "default", "flex", "scale", "priority", "fast"}),
    "require_approval": frozenset({"always", "never"}),
}  # fmt: skip
"""By the name of their key."""

CHANNELS = {
    "arguments": "arguments",
    "name": "name",
    "filename": "name",
    "server_label": "name",
    "description": "description",
    "server_description": "description",
    **dict.fromkeys(
        words("""
        id call_id item_id file_id container_id approval_request_id status type object authorization server_url
        connector_id tunnel_id event_id response_id previous_item_id role namespace encrypted_content model
    """),
        "metadata",
    ),
}
"""The channel of a string inside an item, by the name of its member; content otherwise."""


def speaker(item: object) -> str:
    """The role of an item, in the words of segments."""
    if not isinstance(item, dict):
        return "unknown"
    kind = item.get("type")
    if not isinstance(kind, str) or kind == "message":
        return role_of(item.get("role"))
    if kind.endswith("_output") or kind == "mcp_list_tools":
        return "tool"
    if kind.endswith("_call") or kind in ("reasoning", "mcp_approval_request", "program", "compaction"):
        return "assistant"
    return "user" if kind in ("mcp_approval_response", *_BARE_PARTS) else "unknown"


_BARE_PARTS = ("input_text", "input_image", "input_file", "input_audio")


class Voices:
    """Who says each item of a list, by its place in the list."""

    def __init__(self, items: object, otherwise: str = "unknown") -> None:
        listed = items if isinstance(items, list) else []
        self._roles = [speaker(item) for item in listed]
        self._reasoning = [table(item).get("type") == "reasoning" for item in listed]
        self._otherwise = otherwise

    def place(self, path: list[str], at: int, span: StringSpan) -> Place | None:
        """What a string below an item is; `path[at]` is the item's place. None: a word of the format."""
        place = path[at] if len(path) > at else ""
        number = int(place) if place.isdecimal() and len(place) < 6 else len(self._roles)  # noqa: PLR2004 - MAX_STRINGS
        if number >= len(self._roles):
            return place_in(path, span, self._otherwise, reasoning=False)
        if len(path) == at + 1:  # the item is a bare text
            return Place("user", "content")
        return place_in(path, span, self._roles[number], self._reasoning[number])


def place_in(path: list[str], span: StringSpan, role: str, reasoning: bool) -> Place | None:
    """What a string inside an item is; `path`: its pointer, split. None: a word of the format."""
    if span.text in VALUES.get(path[-1], ()):
        return None
    channel = CHANNELS.get(path[-1], "reasoning" if reasoning else "content")
    return Place(role, channel, blind_in(path, span.text))


def finish_of(response: dict[str, object]) -> tuple[str, ...]:
    """Why a response ended: what it is incomplete or cancelled for, or its status."""
    for name in ("incomplete_details", "status_details"):
        reason = table(response.get(name)).get("reason")
        if isinstance(reason, str) and reason:
            return (reason,)
    status = response.get("status")
    return (status,) if isinstance(status, str) and status not in ("in_progress", "queued", "") else ()


def blind_in(path: list[str], text: str) -> str | None:
    """Why a string cannot be read, by the member it stands in; None: it is text."""
    match path[-2:]:
        case [_, "image_url" | "file_url" | "url"]:
            return data_url(text)
        case [_, "file_data"]:
            return data_url(text) or ("file" if is_base64(text) else None)
        case [_, "audio"] | ["input_audio" | "audio", "data"]:
            return "audio" if is_base64(text) else None
        case [_, "result" | "partial_image_b64"]:
            return "image" if is_base64(text) else None
        case [_, "encrypted_content"]:
            return "encrypted" if is_base64(text) else None
    return None


def declared(path: list[str]) -> Place:
    """What a string of a tool that is declared is."""
    return Place("developer", "name" if path[-1] in ("name", "server_label") else "description")


def called(item: object) -> str | None:
    """The name of the function that an item asks the client to run; None: it asks nothing of the client."""
    if isinstance(item, dict) and item.get("type") in ("function_call", "custom_tool_call"):
        name = item.get("name")
        return name if isinstance(name, str) else None
    return None


def called_in(items: object) -> tuple[str, ...]:
    """Names of all functions that items ask for, each once."""
    return tuple(dict.fromkeys(texts(called(item) for item in objects(items))))
