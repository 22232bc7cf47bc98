"""What a pseudonymised export shows of each column. Pure: names and types in, SQL expressions out.

Rules: text is left out unless its column stands here, so a new column never leaks; numbers stay, times are cut to whole
seconds. Digests of persons, and whatever else could be joined with the store or another export, are keyed anew with a
key that lives as long as the export is being made. Words that the operator chose (routes, rules, departments) stay only
when they are frequent, plain, and hold no known person's name or address. What a client may write as it likes stays
only in words of ours: a model's name when it is made of the words that providers use, a program's when it is known,
a method when HTTP knows it. Other appliances, whose names tell of places and people, are keyed wherever they stand.
Hosts and services stay when the catalogue names them. The names of parameters are fixed: `$key` (hexadecimal text),
`$public` (names of the catalogue).
"""

import hashlib
import re
from collections.abc import Callable
from typing import Final

import msgspec

from appliance.store.wire import peer_of_producer, peer_producer

MAX_WORDS: Final = 1_000  # different values of a column of free words that are judged; the rarer ones go
REMOVED: Final = "(removed)"
_PLAIN: Final = "[[:word:]][[:word:] ./:+&-]{0,99}"
_ADDRESS: Final = r"(^|[^0-9])[0-9]{1,3}(\.[0-9]{1,3}){3}([^0-9]|$)|[0-9a-fA-F]{0,4}:[0-9a-fA-F]{0,4}:"
# Names of public models: a family, then only numbers and the words that providers add.
_FAMILIES: Final = (
    "chatgpt|claude|codestral|cohere|command|dall-e|deepseek|devstral|embed|gemini|gemma|gpt|grok|llama|magistral|"
    "ministral|mistral|mixtral|moonshot|kimi|nova|o[0-9]|phi|pixtral|qwen|qwq|rerank|sonar|text-embedding|titan|tts|"
    "whisper|glm"
)
_MODEL_WORDS: Final = (
    "[0-9]{1,8}[a-z]?|[0-9]+x[0-9]+b|[vrke][0-9]+|[0-9]+(\\.[0-9]+)+b?|a[0-9]+b|ada|audio|chat|code|coder|codex|deep|"
    "embed|embedding|english|exp|experimental|fast|flash|haiku|image|instant|instruct|it|large|latest|lite|live|maverick|"
    "max|medium|micro|mini|multilingual|nano|nemo|oss|plus|premier|preview|pro|r|realtime|reasoner|reasoning|research|"
    "scout|search|small|sonnet|opus|thinking|tiny|transcribe|tts|turbo|ultra|versatile|vision|vl"
)
_MAKERS: Final = "models|meta|meta-llama|openai|anthropic|google|mistralai|deepseek|deepseek-ai|qwen"
_MODEL: Final = f"(({_MAKERS})[/.])?({_FAMILIES})[0-9.]{{0,4}}([-_.:]({_MODEL_WORDS})){{0,8}}"
_METHODS: Final = "CONNECT|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT|TRACE"  # RFC 9110 and 5789
# Programs as they name themselves: discovery/known/clients.json, and what speaks HTTP for everybody.
_PROGRAMS: Final = (
    "(async)?(azure)?openai|(async)?anthropic(bedrock|vertex)?|(async)?groq|(async)?cohere|aider|ai-sdk|aiohttp|"
    "axios|chrome|claude-(cli|code)|cline|codex_[a-z_]{1,20}|continue|curl|deno|bun|edge|firefox|geminicli|go-http-client|"
    "google-genai-sdk|githubcopilot|got|huggingface_hub|java|java-http-client|langchain(-[a-z]{1,10})?|litellm|"
    "llama-index(-[a-z]{1,10})?|mistral-client-(python|go|typescript)|mozilla|node|node-fetch|okhttp|ollama(-(js|python))?|"
    "opencode|openrouter|postmanruntime|pydantic-ai|python|python-httpx|python-requests|python-urllib(3)?|reqwest|roo-code|"
    "smolagents|undici|wget"
)
_RELEASE: Final = r"[0-9]{1,4}(\.[0-9]{1,4}){0,2}([-.]?(a|alpha|b|beta|rc|dev|post)[-.]?[0-9]{0,4})?"
_SHORT: Final = 3  # a shorter name is looked for as a whole only

_OURS: Final = "[a-z]{1,12}[0-9]{0,4}"  # how processes are called

type Mask = Callable[["Where", str], str]  # an expression for the quoted column


class Where(msgspec.Struct, frozen=True):
    """Names, as SQL has them, of the table that the column stands in and of the table of clear names."""

    table: str
    persons: str


def _kept(_where: Where, column: str) -> str:
    return column


def _second(_where: Where, column: str) -> str:
    return f"floor({column})"


def _keyed(prefix: str) -> Mask:
    def mask(_where: Where, column: str) -> str:
        return key_expression(prefix, column)

    return mask


def _digest(_where: Where, column: str) -> str:
    """A digest of a person or an address, its prefix kept."""
    return f"left({column}, 2) || left(sha256($key || {column}), 16)"


def _digests(_where: Where, column: str) -> str:
    """The same of a list of them."""
    return f"list_transform({column}, lambda x: left(x, 2) || left(sha256($key || x), 16))"


def key_expression(prefix: str, value: str) -> str:
    """`value` (an expression) keyed: the same inside one export, different in the next; NULL stays NULL."""
    return f"'{prefix}' || left(sha256($key || {value}), 16)"


def _public(_where: Where, column: str) -> str:
    """Names of the catalogue as they are; of all others only that they are the same."""
    return f"CASE WHEN list_contains($public, lower({column})) THEN {column} ELSE {key_expression('h_', column)} END"


def _words(where: Where, column: str) -> str:
    # Statements are built from names of our own tables.
    common = f"SELECT {column} AS v FROM {where.table} WHERE {column} IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"  # noqa: S608 - our names
    plain = f"regexp_full_match(v, '{_PLAIN}') AND NOT regexp_matches(v, '{_ADDRESS}')"
    named = f"lower(v) = lower(value) OR (length(value) >= {_SHORT} AND contains(lower(v), lower(value)))"
    judged = (
        f"SELECT v FROM ({common} LIMIT {MAX_WORDS}) WHERE {plain} "  # noqa: S608 - our names
        f"AND NOT EXISTS (SELECT 1 FROM {where.persons} WHERE value <> '' AND ({named}))"
    )
    return f"CASE WHEN {column} IS NULL OR {column} IN ({judged}) THEN {column} ELSE '{REMOVED}' END"


def _model(_where: Where, column: str) -> str:
    """A public model as it is; of all others, which a client may name as it likes, only that they are the same."""
    # RE2 matches in time linear in the text.
    plain = f"regexp_full_match(lower({column}), '{_MODEL}') AND NOT regexp_matches({column}, '{_ADDRESS}')"
    return f"CASE WHEN {plain} THEN {column} ELSE {key_expression('m_', column)} END"


def _program(_where: Where, column: str) -> str:
    """A known program as it names itself; of all others only that they are the same."""
    known = f"regexp_full_match(lower({column}), '{_PROGRAMS}')"
    return f"CASE WHEN {known} THEN {column} ELSE {key_expression('b_', column)} END"


def _release(_where: Where, column: str) -> str:
    plain = f"regexp_full_match({column}, '{_RELEASE}')"
    return f"CASE WHEN {column} IS NULL OR {plain} THEN {column} ELSE '{REMOVED}' END"


def process_of(name: str, key: str) -> str:
    """What `_process` shows of one name."""
    peer = peer_of_producer(name)
    if peer is None:
        return name
    digest = hashlib.sha256((key + peer).encode()).hexdigest()[:16]
    return peer_producer(f"e_{digest}", _whole(name.rpartition(".")[2]))


def _whole(last: str) -> str:
    return last if re.fullmatch(_OURS, last) else "process"


def _process(_where: Where, column: str) -> str:
    """A process of this appliance by its name; of another appliance only that it is the same one."""
    peer = f"regexp_extract({column}, '^peer\\.(.+)\\.[^.]+$', 1)"
    last = f"regexp_extract({column}, '[^.]*$')"
    shown = f"CASE WHEN regexp_full_match({last}, '{_OURS}') THEN {last} ELSE 'process' END"
    other = f"'peer.' || {key_expression('e_', peer)} || '.' || {shown}"
    return f"CASE WHEN starts_with({column}, 'peer.') THEN {other} ELSE {column} END"


def _method(_where: Where, column: str) -> str:
    return f"CASE WHEN {column} IS NULL OR regexp_full_match({column}, '{_METHODS}') THEN {column} ELSE '{REMOVED}' END"


def _coverage(path: str, whole: str) -> Mask:
    """Of a record only how its body was covered: numbers, and reasons in words of ours. `whole` holds one `{}`."""

    def mask(_where: Where, column: str) -> str:
        found = f"json_extract({column}, '{path}')"
        plain = f"regexp_full_match(CAST({found} AS VARCHAR), '[]\\[{{}}\":,a-z0-9_]*')"
        return f"CASE WHEN {plain} THEN CAST({whole.format(found)} AS VARCHAR) END"

    return mask


def _scope(_where: Where, column: str) -> str:
    """Of a decision whom it binds, as pseudonyms."""

    def keyed(field: str, shown: str) -> str:
        named = f"from_json(json_extract({column}, '$.scope.{field}'), '[\"VARCHAR\"]')"
        return f"'{field}', list_transform(coalesce({named}, []), lambda x: {shown})"

    digest = "left(x, 2) || left(sha256($key || x), 16)"
    parts = (keyed("principals", digest), keyed("groups", key_expression("g_", "x")), keyed("clients", digest))
    return f"CAST(json_object('scope', json_object({', '.join(parts)})) AS VARCHAR)"


def _nothing(_where: Where, _column: str) -> str:
    return "NULL"


# Columns by name, wherever they stand.
_ANYWHERE: Final[dict[str, Mask]] = {
    **dict.fromkeys(
        (
            "identity_method", "category", "surface", "listener", "api", "disposition",
            "effective", "stage", "outcome", "decision", "role", "severity", "note", "kind", "state", "governance",
            "leg", "seen", "transport", "before", "after", "cause", "account", "key_shape",
        ),
        _kept,
    ),
    **dict.fromkeys(("producer", "worker"), _process),
    **dict.fromkeys(("route", "department", "rule", "held"), _words),
    "client_name": _program,
    "client_version": _release,
    **dict.fromkeys(("model", "model_served"), _model),
    "method": _method,
    **dict.fromkeys(("service", "served", "subject", "name", "owner", "host", "contradicts"), _public),
    "principal": _digest,
    "client": _digest,
    "finding": _keyed("f_"),
    "sensor": _keyed("s_"),
    "source": _keyed("s_"),
    "author": _keyed("u_"),
    "exchange": _keyed("x_"),
    "conversation": _keyed("c_"),
    "virtual_key": _keyed("k_"),
    "key_fingerprint": _keyed("k_"),
    "account_id": _keyed("o_"),
    "body_digest": _keyed(""),
    "sent_digest": _keyed(""),
    **dict.fromkeys(("ts", "until", "taken", "first_seen", "last_seen", "bypass_last", "touched", "expires"), _second),
    **dict.fromkeys(("seq", "epoch"), _nothing),
}  # fmt: skip

# Columns whose meaning depends on the table.
_IN_TABLE: Final[dict[tuple[str, str], Mask]] = {
    ("exchange_open", "body"): _coverage(
        "$.event.facts.coverage", "json_object('event', json_object('facts', json_object('coverage', {})))"
    ),
    ("exchange_close", "body"): _coverage("$.event.coverage", "json_object('event', json_object('coverage', {}))"),
    ("exchange_open", "entities"): _kept,
    ("exchange_close", "answer_entities"): _kept,
    ("exchange_close", "late_entities"): _kept,
    ("decisions", "body"): _scope,
    ("refusals", "reason"): _kept,
    **dict.fromkeys(
        (("detector_sums", name) for name in ("names", "texts", "found", "seconds", "failed", "late")), _kept
    ),
    ("detector_sums", "since"): _second,
    **dict.fromkeys((("packet_losses", name) for name in ("seconds", "dropped", "passed")), _kept),
    **dict.fromkeys((("feedback", name) for name in ("entity", "verdict")), _kept),
    **{
        (table, column): mask
        for table in ("hosts", "host_records")
        for column, mask in (
            ("address", _digest),
            ("mac", _digest),
            ("names", _digests),
            ("told_by", _kept),
            ("vendor", _kept),
        )
    },
    ("findings", "id"): _keyed("f_"),
    ("finding_parties", "digest"): _digest,
}

# Tables whose rows have a number of their own, which is given anew.
_EVENTS: Final = frozenset(
    {
        "exchange_open",
        "exchange_close",
        "refusals",
        "notices",
        "tunnels",
        "observations",
        "detector_sums",
        "host_records",
        "packet_losses",
    }
)

# Tables that a pseudonymised export does without, beside the clear names.
WITHHELD: Final = frozenset({"unplaced"})


_NUMBERS: Final = frozenset(
    {
        "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
        "UBIGINT", "FLOAT", "DOUBLE", "TIMESTAMP",
    }
)  # fmt: skip


def masked(table: str, column: str, kind: str, place: str, persons: str) -> str:
    """The expression, of the same type, for a column of type `kind` (as DuckDB writes it).

    `place` and `persons`: how SQL names the table, and the table of clear names.
    """
    quoted = f'"{column}"'
    mask = _IN_TABLE.get((table, column)) or _ANYWHERE.get(column)
    if mask is not None:
        shown = mask(Where(place, persons), quoted)
    elif column == "n":
        shown = "row_number() OVER ()" if table in _EVENTS else "NULL"
    else:
        shown = quoted if kind in _NUMBERS or kind.startswith("DECIMAL") else "NULL"
    return f"CAST({shown} AS {kind})"
