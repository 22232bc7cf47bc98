"""A column as a cell of a CSV file. Pure: names and types in, SQL expressions out.

Rules: numbers and times stay as they are; text that a spreadsheet could take for a formula gets a quotation mark before
it (OWASP, CSV Injection; wide forms and leading blanks included); control characters become U+FFFD, so that no cell
breaks a line or acts on a terminal; lists and structures are JSON.
"""

from typing import Final

OPTIONS: Final = "(FORMAT csv, HEADER, NEW_LINE '\\r\\n')"  # RFC 4180; DuckDB writes UTF-8
_FORMULA: Final = "^[\\t\\r\\n]|^\\s*[=+@\uff1d\uff0b\uff0d\uff20-]"
_CONTROLS: Final = "[\\x00-\\x1f\\x7f-\\x9f]"


def name(text: str) -> str:
    """A name quoted for SQL."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


def cell(column: str, kind: str) -> str:
    """The expression for a column of type `kind` (as DuckDB writes it), named like the column."""
    text = _as_text(name(column), kind)
    if text is None:
        return name(column)
    flat = f"regexp_replace({text}, '{_CONTROLS}', chr(65533), 'g')"
    safe = f"CASE WHEN regexp_matches({text}, '{_FORMULA}') THEN '''' || {flat} ELSE {flat} END"
    return f"{safe} AS {name(column)}"


def _as_text(column: str, kind: str) -> str | None:
    """The text of a column that holds any, or None."""
    if kind in {"VARCHAR", "JSON"} or kind.startswith("ENUM"):
        return f"CAST({column} AS VARCHAR)"
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)" if kind == "BLOB" else None
