"""Whether a text is source code, in any language: by the shape of its lines.

Rules: pure; lines are judged one by one, so cost grows with the text; prose that quotes a line of code is prose.
"""

import re

_LINES = 60  # looked at: from the beginning, the middle and the end
_LEAST_LINES = 3
_FULL_LINES = 8  # from so many lines on the share alone counts
_MARKS = "{}();=<>"
_LEAST_MARKS = 0.015  # of all characters; prose has fewer, and is not looked at line by line
_LONGEST = 200
# What a line of code begins with, what stands in it, and what it ends with.
_BEGINS = re.compile(
    r"\s*(?:[})\]]+[;,]?\s*$"
    r"|(?:def|class|function|fn|func|public|private|static|import|from|package|using|#include|const|let|var)\b"
    r"|(?:if|for|while|elif|else|try|except|catch|switch|case|return|with|match)\b.*[:{(]\s*$"
    r"|(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER)\s.+\b(?:FROM|INTO|SET|TABLE|VIEW|INDEX)\b"
    r"|[\w.\]\[]+\s*(?:[-+*/|&]?=|:=|=>|->)\s*\S"
    r"|(?://|#(?!#)|/\*|\*|--|@\w)|<\/?[a-zA-Z][^>\n]{0,200}>\s*$)"
)
_OPERATORS = ("=>", "->", "::", "!=", "==", "&&", "||")
_CALL = re.compile(r"\w\([^)\n]{0,80}\)\s*(?:[;:{,.]|$)")
_ENDS = (";", "{")
_DATA = re.compile(r'^\s*(?:"[^"]*"\s*[:,]|[}\]],?\s*$|[{\[]\s*$)')
_PROSE = re.compile(r"^\s*[A-ZÀ-Ý][^\n]{40,}[.!?:]\s*$")


def code_score(text: str) -> float:
    """0-1: the share of lines that look like code."""
    if sum(map(text.count, _MARKS)) < _LEAST_MARKS * len(text):
        return 0.0
    lines = [line[:_LONGEST] for line in text.split("\n") if line.strip()]
    if len(lines) < _LEAST_LINES:
        return 0.0
    seen = lines[:: max(1, len(lines) // _LINES)]
    code = [line for line in seen if _is_code(line) and not _DATA.match(line)]
    if not code:
        return 0.0
    prose = sum(1 for line in seen if _PROSE.match(line))
    structure = sum(1 for line in seen if _DATA.match(line)) if len(code) * 2 > len(seen) // 2 else 0
    share = max(0, len(code) + structure - prose) / len(seen)
    return min(1.0, share * min(1.0, 0.5 + len(lines) / (2 * _FULL_LINES)))


def _is_code(line: str) -> bool:
    return (
        line.rstrip().endswith(_ENDS)
        or any(sign in line for sign in _OPERATORS)
        or ("(" in line and _CALL.search(line) is not None)
        or _BEGINS.match(line) is not None
    )
