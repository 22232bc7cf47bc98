"""Names and values that belong to AWS Bedrock's formats themselves, and what their fields are.

Sources: botocore 1.43, `data/bedrock-runtime/2023-09-30/service-2.json` (Converse, guardrails, counting); the model
parameters of Amazon, AI21, Cohere, DeepSeek, Meta, Mistral and OpenAI in the Bedrock user guide.

Rules: as in anthropic_words.py.
"""

import re
from typing import Final

from appliance.inspect.dialects.anthropic_words import NAMES as ANTHROPIC_NAMES
from appliance.inspect.dialects.anthropic_words import VALUES as ANTHROPIC_VALUES
from appliance.inspect.dialects.anthropic_words import blind as anthropic_blind
from appliance.inspect.media import data_url, is_base64
from appliance.inspect.segments import known_names, words

NAMES: Final = known_names("""
    messages role content text image format source bytes s3Location uri bucketOwner document name context citations
    enabled video audio toolUse toolUseId input type toolResult json status searchResult title guardContent qualifiers
    cachePoint ttl reasoningContent reasoningText signature redactedContent citationsContent sourceContent location web
    url domain documentChar documentPage documentChunk searchResultLocation documentIndex searchResultIndex start end
    system inferenceConfig maxTokens temperature topP topK stopSequences toolConfig tools toolSpec description
    inputSchema strict systemTool toolChoice auto any tool guardrailConfig guardrailIdentifier guardrailVersion trace
    additionalModelRequestFields promptVariables additionalModelResponseFieldPaths requestMetadata performanceConfig
    latency serviceTier outputConfig textFormat structure jsonSchema schema properties required items
    output message stopReason usage inputTokens outputTokens totalTokens cacheReadInputTokens cacheWriteInputTokens
    cacheDetails metrics latencyMs additionalModelResponseFields promptRouter invokedModelId
    contentBlockIndex delta citation p error
    modelId modelInput outputDataConfig s3OutputDataConfig s3Uri kmsKeyId tags key value clientRequestToken
    invocationArn invokeModel body converse action outputs assessments guardrailCoverage textCharacters guarded
    total outputScope
    messageStart contentBlockStart contentBlockDelta contentBlockStop messageStop metadata schemaVersion
""")
"""Keys of Converse and of the calls beside it."""
INVOKE_NAMES: Final = {
    **ANTHROPIC_NAMES,
    **NAMES,
    **known_names("""
        inputText textGenerationConfig maxTokenCount inputTextTokenCount results tokenCount outputText completionReason
        totalOutputTextTokenCount embedding embeddings inputImage dimensions normalize taskType textToImageParams
        prompt max_gen_len images generation prompt_token_count generation_token_count outputs choices finish_reason
        index delta tool_calls function arguments reasoning_content reasoning refusal object created prompt_tokens
        completion_tokens total_tokens chat_history preamble documents generations is_finished event_type p k
        amazon-bedrock-invocationMetrics inputTokenCount outputTokenCount cacheReadInputTokenCount
        cacheWriteInputTokenCount invocationLatency firstByteLatency input_type texts query
    """),
}
"""Keys of what models take and give in their own formats."""
VALUES: Final[dict[str, frozenset[str]]] = {
    **ANTHROPIC_VALUES,
    "format": words("""
        png jpeg gif webp pdf csv doc docx xls xlsx html txt md mkv mov mp4 webm flv mpeg mpg three_gp mp3 wav
    """),
    "role": ANTHROPIC_VALUES["role"] | {"tool", "developer", "USER", "CHATBOT", "SYSTEM", "TOOL"},
    "type": ANTHROPIC_VALUES["type"]
    | {"default", "flex", "reserved", "function", "text_chunk", "image_url", "text-generation", "stream-end"},
    "status": frozenset({"success", "error"}),
    "latency": frozenset({"standard", "optimized"}),
    "trace": frozenset({"enabled", "disabled", "enabled_full"}),
    "stopReason": words("end_turn tool_use max_tokens stop_sequence guardrail_intervened content_filtered"),
    "stop_reason": ANTHROPIC_VALUES["stop_reason"] | {"stop", "length", "tool_calls"},
    "finish_reason": frozenset({"stop", "length", "tool_calls", "COMPLETE", "MAX_TOKENS", "ERROR", "STOP_SEQUENCE"}),
    "completionReason": frozenset({"FINISH", "FINISHED", "LENGTH", "CONTENT_FILTERED", "STOP_CRITERIA_MET"}),
    "object": frozenset({"chat.completion", "chat.completion.chunk", "text_completion"}),
    "event_type": frozenset({"text-generation", "stream-start", "stream-end"}),
    "schemaVersion": frozenset({"messages-v1"}),
    "action": frozenset({"NONE", "GUARDRAIL_INTERVENED"}),
    "source": frozenset({"INPUT", "OUTPUT"}),
}
"""By the name of their key."""
PADDING: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
"""Bedrock puts a beginning of this as `p` into events, so that their length tells nothing."""
PADDED: Final = re.compile("".join(f"(?:{letter}" for letter in PADDING).encode() + b")?" * len(PADDING))
"""Any beginning of it."""

_CHANNELS = {
    "name": "name",
    "title": "name",
    "description": "description",
    "arguments": "arguments",
    "id": "metadata",
    "toolUseId": "metadata",
    "tool_use_id": "metadata",
    "tool_call_id": "metadata",
    "uri": "metadata",
    "url": "metadata",
    "model": "metadata",
    "thinking": "reasoning",
    "reasoning_content": "reasoning",
    "reasoning": "reasoning",
    "partial_json": "arguments",
}
_REASONING = frozenset({"reasoningContent", "reasoningText"})
_MEDIA = {"image": "image", "images": "image", "inputImage": "image", "audio": "audio", "video": "video"}


def is_word(path: list[str], text: str) -> bool:
    """Whether a string is one of the format's own; what stands below an `input` is the caller's."""
    last = path[-1]
    if last == "p" and text and PADDING.startswith(text):
        return True
    return text in VALUES.get(last, ()) and "input" not in path[:-1]


def channel_of(path: list[str]) -> str:
    """What a string is by where it stands."""
    if "input" in path[:-1]:
        return "arguments"
    return "reasoning" if not _REASONING.isdisjoint(path) else _CHANNELS.get(path[-1], "content")


def blind(document: object, path: list[str], text: str) -> str | None:
    """Why a string cannot be read, None where it is text."""
    last = path[-1]
    if last == "redactedContent":
        return "encrypted" if is_base64(text) else None
    if last in {"bytes", "inputImage"} or path[-2:-1] == ["images"]:
        named = [name for name in reversed(path) if name in _MEDIA]
        return (_MEDIA[named[0]] if named else "file") if is_base64(text) else None
    return data_url(text) if text.startswith("data:") else anthropic_blind(document, path, text)
