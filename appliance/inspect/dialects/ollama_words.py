"""Names and values that belong to Ollama's own API: structure, never text of a person.

Sources: ollama `docs/api.md`, `api/types.go` (0.12); ollama-python `_types.py` (0.6.3).

Rules: a word stands here only if it is fixed by the format.
"""

from appliance.inspect.segments import known_names, words

NAMES = known_names("""
    model messages role content thinking images tool_calls tool_name tool_call_id id function index name arguments tools
    type description parameters required properties items enum prompt suffix system template stream raw format
    options keep_alive think truncate shift dimensions input width height steps
    top_logprobs
    num_keep seed num_predict top_k top_p min_p typical_p repeat_last_n temperature repeat_penalty presence_penalty
    frequency_penalty mirostat mirostat_tau mirostat_eta penalize_newline stop numa num_ctx num_batch num_gpu main_gpu
    low_vram vocab_only use_mmap use_mlock num_thread
    created_at message response done done_reason total_duration load_duration prompt_eval_count prompt_eval_duration
    eval_count eval_duration embeddings embedding error remote_model remote_host
""")
"""Keys, raw bytes to name; without `context` and `logprobs`, which ollama_events must see."""

ROLES = frozenset({"system", "user", "assistant", "tool"})
VALUES: dict[str, frozenset[str]] = {
    "role": ROLES,
    "type": words("function object string number integer boolean array null"),
    "format": frozenset({"json"}),
    "think": frozenset({"low", "medium", "high"}),
    "done_reason": frozenset({"stop", "length", "load", "unload"}),
}
"""By the name of their key."""
