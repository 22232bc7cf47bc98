"""Whether what is written behind a text goes somewhere by itself: in the target of a link, in a tag, in a script.

Theory. A value leaves a page only as part of an address of another machine, or where a program reads it. So one looks
for the beginning of an address in the word, the quotes or the angle brackets that are still open, and for a tag, a
script or a style that has not ended. Rules: pure; linear in `CONTEXT`; where it cannot be told, it travels.
"""

from typing import Final

import regex

CONTEXT: Final = 4096
"""Code points before a place that say what it is part of."""
_QUOTES: Final = ('"', "'", "`")
# How an address of another machine begins, as browsers and Markdown read it (WHATWG URL 4.4): a backslash is a slash,
# a known scheme needs none, JSON escapes them, HTML writes them as entities; applications link bare hosts as well.
_ADDRESS: Final = regex.compile(
    r"[\\/]{2}(?=[\w\[%]|\Z)|/\\|(?:\\/){2}|\b(?:https?|wss?|ftps?|file|smb|mailto|data|javascript|vbscript|blob|intent|tel|sms"
    r"|sips?|callto|facetime|skype|slack|whatsapp|xmpp|matrix|magnet|geo|bitcoin|spotify|steam|tg|signal|zoommtg|msteams"
    r"|vscode|obsidian|shortcuts|view-source|ms-[a-z]{2,16}|itms(?:-\w{2,12})?|market|cid|urn):(?=\S|\Z)"
    r"|[A-Za-z][A-Za-z0-9+.-]{1,30}:(?://|\\\\|[^\s:]*[?&=])"
    r"|&(?:#|(?:sol|bsol|colon);)|\bwww\.|\w\.[A-Za-z]{2,24}[/?#:\\]"
)
_SCHEME: Final = regex.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,31}:(?=\S|\Z)")  # of an autolink, whichever (CommonMark 6.5)
_TAG: Final = regex.compile(
    r"""<[A-Za-z/!?](?:[^<>=]|=(?:\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z)))?+)*+(?P<open>\Z)?+"""
)
_OPENS: Final = regex.compile(r"<[A-Za-z/!?]")
_DEFINES: Final = regex.compile(r"[ \t>*+\-0-9.)]{0,32}+\[(?:[^\]\\\n]|\\.){1,200}\]:")
_PROGRAMS: Final = ("script", "style")


def travels(before: str, *, is_cut: bool) -> bool:
    """Whether what comes behind `before` is part of an address, a tag or a script, or may be.

    `is_cut`: more stands before it than is known.
    """
    word = before[_word(before) :]
    if len(word) == len(before) and is_cut:
        return True
    return (
        _ADDRESS.search(word) is not None
        or _in_quotes(before)
        or _in_tag(before)
        or _in_link(before)
        or _in_program(before.lower())
    )


def _word(before: str) -> int:
    """Where the word begins that is still open."""
    at = len(before)
    while at and not before[at - 1].isspace() and before[at - 1] != ">":
        at -= 1
    return at


def _in_quotes(before: str) -> bool:
    """An address has begun behind a quotation mark or an angle bracket that is still open."""
    for mark in (*_QUOTES, "<"):
        at = before.rfind(mark)
        is_open = at >= 0 and (mark != "<" or at > before.rfind(">"))
        inside = before[at + 1 :].lstrip()[:CONTEXT] if is_open else ""
        if is_open and (_ADDRESS.match(inside) or (mark == "<" and _SCHEME.match(inside))):
            return True
    return False


def _in_tag(before: str) -> bool:
    at = before.rfind("<")
    if at > before.rfind(">") and _OPENS.match(before, at):
        return True
    return at >= 0 and any(tag["open"] is not None for tag in _TAG.finditer(before))


def _in_link(before: str) -> bool:
    """In the parentheses of a link, or in a definition of one, which may begin a line later."""
    line = before.rfind("\n") + 1
    if before.rfind("](", line) > before.rfind(")", line):
        return True
    last = before.rfind("\n", 0, max(0, line - 1)) + 1
    if _DEFINES.match(before, line) is not None:
        return True
    return _DEFINES.fullmatch(before[last : max(0, line - 1)].rstrip()) is not None


def _in_program(lower: str) -> bool:
    return any(lower.rfind(f"<{name}") > lower.rfind(f"</{name}") for name in _PROGRAMS)
