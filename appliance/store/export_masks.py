"""What a pseudonymised export shows of each column. Pure: names and types in, SQL expressions out.

Rules: text is left out unless its column stands here, so a new column never leaks; numbers stay, times are cut to whole
seconds. Digests of persons, and whatever else could be joined with the store or another export, are keyed anew with a
key that lives as long as the export is being made. Words that the operator chose (routes, rules, departments) stay only
when they are frequent, plain, and hold no known person's name or address. What a client may write as it likes stays
only in words of ours: a model's name when it is made of the words that providers use, a method when HTTP knows it.
Hosts and services stay when the catalogue names them. The names of parameters are fixed: `$key` (hexadecimal text),
`$public` (names of the catalogue).
"""

from collections.abc import Callable
from typing import Final

import msgspec

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
_SHORT: Final = 3  # a shorter name is looked for as a whole only

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
            "producer", "worker", "identity_method", "category", "surface", "listener", "api", "disposition",
            "effective", "stage", "outcome", "decision", "role", "severity", "note", "kind", "state", "governance",
            "leg", "seen", "transport", "before", "after", "cause",
        ),
        _kept,
    ),
    **dict.fromkeys(("route", "department", "rule"), _words),
    **dict.fromkeys(("model", "model_served"), _model),
    "method": _method,
    **dict.fromkeys(("service", "subject", "name", "owner", "host", "contradicts"), _public),
    "principal": _digest,
    "client": _digest,
    "finding": _keyed("f_"),
    "sensor": _keyed("s_"),
    "source": _keyed("s_"),
    "author": _keyed("u_"),
    "exchange": _keyed("x_"),
    "conversation": _keyed("c_"),
    "virtual_key": _keyed("k_"),
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
