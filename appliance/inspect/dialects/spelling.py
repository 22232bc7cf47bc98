"""A request whose keys are spelt in other letters than its dialect's: read as the server would, and told.

Theory: Go's encoding/json, and with it Ollama, LocalAI and most gateways written in Go, takes a key for a field's name
whatever the case of its letters (by Unicode's folding: with a long s, U+017F, too), as .NET's web defaults do; others
ignore such a key or refuse it. So `Model` beside `model` is two requests in one, and `Model` alone is one that only
some servers see. It is read with each such key in its proper spelling, and the problem says that readers differ.

Rules: pure; every byte of a value keeps its place; keys that are data (tool schemas, arguments, metadata) are left as
they are. Sources: Go `encoding/json` Unmarshal ("preferring exact matches but also accepting a case-insensitive
match"); System.Text.Json `JsonSerializerDefaults.Web`.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from appliance.inspect.jsonspans import Document, StringSpan, parse
from appliance.inspect.redact import apply

KEY_CASE: Final = "key_case"
DUPLICATE: Final = "duplicate_key"
_DATA_AT_TOP: Final = frozenset({
    *("metadata", "options", "format", "logit_bias", "labels", "variables", "chat_template_kwargs"),
})  # fmt: skip
_DATA: Final = _DATA_AT_TOP | {
    *("parameters", "properties", "patternProperties", "$defs", "definitions", "arguments", "args", "env", "headers"),
    *("schema", "input_schema", "inputSchema", "response", "responseSchema", "response_schema"),
    *("parametersJsonSchema", "responseJsonSchema", "extra_body"),
}  # fmt: skip
# What readers and editors ask for beside the names that a dialect takes for structure.
_BESIDE: Final = frozenset({
    *("logprobs", "top_logprobs", "context", "prompt", "include", "server_url", "connector_id", "tunnel_id"),
    *("responseLogprobs", "response_logprobs", "generation_config", "candidate_count", "function_declarations"),
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "budget_tokens", "system_instruction"),
})  # fmt: skip


class Asked(NamedTuple):
    """A request's document. `data`: its bytes with keys in their proper spelling, each value in its place."""

    document: Document
    data: bytes
    problem: str | None


class Spelling:
    """One dialect's names. `data`: names below which keys are data, beside those of all dialects."""

    def __init__(self, known: Mapping[bytes, str], data: Iterable[str] = ()) -> None:
        self._known = known
        names = {*known.values(), *_BESIDE}
        self._names = frozenset(names)
        self._folded = {name.casefold(): name for name in sorted(names, reverse=True)}
        self._data = _DATA.union(data)

    def parse(self, body: bytes) -> Asked:
        """Read a request. MalformedBody as `jsonspans.parse`."""
        document = parse(body, known=self._known)
        odd = [span for span in document.strings if span.is_key and self._is_odd(span)]
        if not odd:
            return Asked(document, body, DUPLICATE if document.duplicate_keys else None)
        data = apply(body, [(span.start, span.end + 1, self._proper(span)) for span in odd])
        return Asked(parse(data, known=self._known), data, KEY_CASE)

    def _is_odd(self, key: StringSpan) -> bool:
        proper = self._folded.get(key.text.casefold())
        if proper is None or key.text in self._names:
            return False
        above = key.pointer.split("/")[1:-1]
        return not above or (above[0] not in _DATA_AT_TOP and self._data.isdisjoint(above[1:]))

    def _proper(self, key: StringSpan) -> bytes:
        """The name, its quotation mark, and blanks up to where the old one ended: folding makes no name longer."""
        name = self._folded[key.text.casefold()].encode()
        return name + b'"' + b" " * (key.end - key.start - len(name))
