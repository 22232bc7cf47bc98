"""Names and values that belong to the Gemini format itself: structure, never text of a person.

Sources: googleapis `google/ai/generativelanguage/v1beta/*.proto`, `google/cloud/aiplatform/v1/*.proto`; google-genai
`types.py` (2.x); JSON Schema's and OpenAPI's type names.

Rules: protobuf's JSON form lets a writer choose between lowerCamelCase and snake_case, so each name is known in both
and called by the first; a word stands here only if it is fixed by the format.
"""

import re
from collections.abc import Mapping

from appliance.inspect.segments import words

_CAMEL = """
    contents content parts role text thought thoughtSignature inlineData mimeType data displayName fileData fileUri
    functionCall functionResponse name args id response executableCode code language codeExecutionResult outcome output
    videoMetadata startOffset endOffset fps systemInstruction tools functionDeclarations description parameters
    parametersJsonSchema responseJsonSchema behavior googleSearch googleSearchRetrieval codeExecution urlContext
    mcpServers streamableHttpTransport url headers timeout sseReadTimeout terminateOnClose toolConfig
    functionCallingConfig mode allowedFunctionNames retrievalConfig safetySettings category threshold generationConfig
    stopSequences responseMimeType responseSchema responseModalities candidateCount maxOutputTokens temperature topP
    topK seed presencePenalty frequencyPenalty responseLogprobs logprobs enableEnhancedCivicAnswers speechConfig
    voiceConfig
    prebuiltVoiceConfig voiceName languageCode thinkingConfig includeThoughts thinkingBudget thinkingLevel
    mediaResolution imageConfig aspectRatio cachedContent labels model
    generateContentRequest request requests project userPromptId batch inputConfig metadata key
    taskType title outputDimensionality embedContentConfig embedding embeddings values shape statistics
    type format nullable enum items maxItems minItems properties required minProperties maxProperties minLength
    maxLength pattern example anyOf propertyOrdering default minimum maximum additionalProperties
    candidates finishReason finishMessage safetyRatings probability probabilityScore severity severityScore blocked
    citationMetadata citationSources citations startIndex endIndex uri license tokenCount groundingAttributions
    groundingMetadata groundingChunks web groundingSupports segment partIndex groundingChunkIndices confidenceScores
    webSearchQueries searchEntryPoint renderedContent sdkBlob retrievalMetadata avgLogprobs index
    urlContextMetadata urlMetadata retrievedUrl urlRetrievalStatus promptFeedback blockReason blockReasonMessage
    usageMetadata promptTokenCount cachedContentTokenCount candidatesTokenCount toolUsePromptTokenCount
    thoughtsTokenCount totalTokenCount promptTokensDetails cacheTokensDetails candidatesTokensDetails
    toolUsePromptTokensDetails modality trafficType modelVersion responseId createTime traceId totalTokens
    totalBillableCharacters error message status details reason domain partialArgs jsonPath stringValue numberValue
    boolValue nullValue willContinue responseTokenCount responseTokensDetails
    setup clientContent turns turnComplete realtimeInput mediaChunks audio video audioStreamEnd activityStart
    activityEnd
    toolResponse functionResponses willContinue scheduling realtimeInputConfig automaticActivityDetection disabled
    activityHandling turnCoverage inputAudioTranscription outputAudioTranscription sessionResumption handle transparent
    contextWindowCompression slidingWindow triggerTokens targetTokens proactivity proactiveAudio
    setupComplete serverContent modelTurn generationComplete interrupted inputTranscription outputTranscription finished
    toolCall functionCalls toolCallCancellation ids goAway timeLeft sessionResumptionUpdate newHandle resumable
    waitingForInput turnCompleteReason
"""


def _snake(name: str) -> str:
    """`maxOutputTokens` -> `max_output_tokens`."""
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name)


def _both(names: str) -> Mapping[bytes, str]:
    return {form.encode(): name for name in names.split() for form in (name, _snake(name))}


SNAKE = {name: _snake(name) for name in _CAMEL.split()}
"""The second way of writing each name."""
NAMES = _both(_CAMEL)
"""Keys, raw bytes to the name in lowerCamelCase."""

ROLES = {"user": "user", "model": "assistant", "function": "tool", "tool": "tool", "system": "system"}
"""Roles of a content, and what segments call them."""

_TYPES = """
    TYPE_UNSPECIFIED STRING NUMBER INTEGER BOOLEAN ARRAY OBJECT NULL
    string number integer boolean array object null type.googleapis.com/google.rpc.ErrorInfo
"""
_FINISH = """
    FINISH_REASON_UNSPECIFIED STOP MAX_TOKENS SAFETY RECITATION LANGUAGE OTHER BLOCKLIST PROHIBITED_CONTENT SPII
    MALFORMED_FUNCTION_CALL IMAGE_SAFETY IMAGE_PROHIBITED_CONTENT IMAGE_OTHER NO_IMAGE IMAGE_RECITATION
    UNEXPECTED_TOOL_CALL TOO_MANY_TOOL_CALLS MISSING_THOUGHT_SIGNATURE MALFORMED_RESPONSE MODEL_ARMOR
"""
_HARM = """
    HARM_CATEGORY_UNSPECIFIED HARM_CATEGORY_HATE_SPEECH HARM_CATEGORY_DANGEROUS_CONTENT HARM_CATEGORY_HARASSMENT
    HARM_CATEGORY_SEXUALLY_EXPLICIT HARM_CATEGORY_CIVIC_INTEGRITY HARM_CATEGORY_JAILBREAK
"""
_BLOCK = """
    HARM_BLOCK_THRESHOLD_UNSPECIFIED BLOCK_LOW_AND_ABOVE BLOCK_MEDIUM_AND_ABOVE BLOCK_ONLY_HIGH BLOCK_NONE OFF
"""
_MODALITY = "MODALITY_UNSPECIFIED TEXT IMAGE AUDIO VIDEO DOCUMENT"
_STATUS = """
    INVALID_ARGUMENT FAILED_PRECONDITION PERMISSION_DENIED NOT_FOUND RESOURCE_EXHAUSTED UNAUTHENTICATED CANCELLED
    INTERNAL UNAVAILABLE DEADLINE_EXCEEDED UNKNOWN OUT_OF_RANGE UNIMPLEMENTED ABORTED ALREADY_EXISTS
"""
_TASKS = """
    TASK_TYPE_UNSPECIFIED RETRIEVAL_QUERY RETRIEVAL_DOCUMENT SEMANTIC_SIMILARITY CLASSIFICATION CLUSTERING
    QUESTION_ANSWERING FACT_VERIFICATION CODE_RETRIEVAL_QUERY
"""
VALUES: dict[str, frozenset[str]] = {
    "role": frozenset(ROLES),
    "type": words(_TYPES),
    "@type": words(_TYPES),
    "finishReason": words(_FINISH),
    "blockReason": words("BLOCK_REASON_UNSPECIFIED SAFETY OTHER BLOCKLIST PROHIBITED_CONTENT IMAGE_SAFETY"),
    "category": words(_HARM),
    "threshold": words(_BLOCK),
    "probability": words("HARM_PROBABILITY_UNSPECIFIED NEGLIGIBLE LOW MEDIUM HIGH"),
    "severity": words(
        "HARM_SEVERITY_UNSPECIFIED HARM_SEVERITY_NEGLIGIBLE HARM_SEVERITY_LOW HARM_SEVERITY_MEDIUM HARM_SEVERITY_HIGH"
    ),
    "modality": words(_MODALITY),
    "responseModalities": words(_MODALITY),
    "language": words("LANGUAGE_UNSPECIFIED PYTHON"),
    "outcome": words("OUTCOME_UNSPECIFIED OUTCOME_OK OUTCOME_FAILED OUTCOME_DEADLINE_EXCEEDED"),
    "mode": words("MODE_UNSPECIFIED AUTO ANY NONE VALIDATED"),
    "trafficType": words("TRAFFIC_TYPE_UNSPECIFIED ON_DEMAND PROVISIONED_THROUGHPUT"),
    "status": words(_STATUS),
    "taskType": words(_TASKS),
    "responseMimeType": words("text/plain application/json text/x.enum"),
    "thinkingLevel": words("THINKING_LEVEL_UNSPECIFIED MINIMAL LOW MEDIUM HIGH"),
    "urlRetrievalStatus": words("URL_RETRIEVAL_STATUS_UNSPECIFIED URL_RETRIEVAL_STATUS_SUCCESS"),
}
"""By the name of their key; of an array's elements by that of the array."""
