"""Names, values and places of the strings of OpenAI's smaller APIs.

Sources: openai-python `types/*.py` (openai 3.x).

Rules: a word stands here only if it is fixed by the format; what is not named is text of role unknown.
"""

from typing import Final

from appliance.inspect.jsonspans import StringSpan
from appliance.inspect.media import data_url, is_base64
from appliance.inspect.segments import Place, known_names, words

NAMES = known_names("""
    input model encoding_format dimensions user object data embedding index usage prompt_tokens total_tokens
    input_tokens output_tokens input_tokens_details output_tokens_details text_tokens image_tokens audio_tokens
    type text image_url url id results flagged categories category_scores category_applied_input_types
    prompt n size quality style response_format background moderation output_compression output_format partial_images
    stream created b64_json revised_prompt image mask input_fidelity partial_image_index created_at
    voice instructions speed stream_format language duration segments words start end logprobs include delta audio
    input_file_id endpoint completion_window metadata output_file_id error_file_id status request_counts total completed
    failed errors expires_at in_progress_at finalizing_at completed_at failed_at expired_at cancelling_at cancelled_at
    training_file validation_file hyperparameters n_epochs batch_size learning_rate_multiplier beta suffix seed method
    supervised dpo reinforcement grader integrations wandb project name entity tags fine_tuned_model organization_id
    result_files trained_tokens estimated_finish finished_at
    file_ids file_id chunking_strategy static max_chunk_size_tokens chunk_overlap_tokens expires_after anchor days
    attributes files query filters key value max_num_results ranking_options ranker score_threshold rewrite_query
    search_query content score filename has_more next_page file_counts in_progress cancelled usage_bytes last_active_at
    vector_store_id bytes purpose mime_type part_ids md5 error message param code seconds
""")
"""Keys, raw bytes to name."""

_SIZES = words("auto 256x256 512x512 1024x1024 1024x1536 1536x1024 1024x1792 1792x1024")
_STATES = words("""
    validating failed in_progress finalizing completed expired cancelling cancelled queued running succeeded
    pending paused uploaded processed
""")
VALUES: Final[dict[str, frozenset[str]]] = {
    "encoding_format": frozenset({"float", "base64"}),
    "object": words("""
        list embedding batch file fine_tuning.job upload upload.part vector_store vector_store.file
        vector_store.files_batch vector_store.search_results.page
    """),
    "type": words("text image_url auto static supervised dpo reinforcement wandb tokens duration eq"),
    "completion_window": frozenset({"24h"}),
    "purpose": frozenset({"assistants", "batch", "fine-tune", "vision", "user_data", "evals"}),
    "response_format": words("url b64_json json text srt verbose_json vtt mp3 opus aac flac wav pcm"),
    "stream_format": frozenset({"sse", "audio"}),
    "size": _SIZES,
    "quality": words("auto low medium high standard hd"),
    "status": _STATES,
}
"""By the name of their key."""

_METADATA: Final = Place("unknown", "metadata")
_METADATA_NAMES: Final = words("""
    model id created_at user voice language input_file_id output_file_id error_file_id training_file
    validation_file fine_tuned_model organization_id file_id vector_store_id mime_type md5 endpoint
""")
_BLIND: Final = {"embedding": "embedding", "b64_json": "image", "audio": "audio"}


def place(span: StringSpan, *, of_request: bool) -> Place | None:  # noqa: PLR0911 - one line for each kind
    """What a string is; None: a word of the format."""
    path = span.pointer.split("/")
    key = path[-1]
    if span.text in VALUES.get(key, ()):
        return None
    top = path[1] if len(path) > 1 else ""
    if key in _BLIND and is_base64(span.text):
        return Place("unknown", "content", _BLIND[key])
    if path[-2:] == ["image_url", "url"]:
        return Place("user", "content", data_url(span.text))
    if of_request and top in {"input", "prompt", "query"}:
        return Place("user", "content")
    if of_request and top == "instructions":
        return Place("system", "content")
    if key in _METADATA_NAMES or top in {"metadata", "file_ids", "error"}:
        return _METADATA
    if key in {"filename", "name"}:
        return Place("unknown", "name")
    return Place("unknown" if of_request else "assistant", "content")
