"""The shapes of what must not come in, as data: links and images, active HTML, escapes of terminals.

Owns: one `Form` per way to write something. Rules: each begins with a fixed lead-in, so that a text which grows is held
back from there on and nowhere else; every repeat is bounded; look-arounds reach one character; the part to hide is the
group `told`, or the whole match. Sources: CommonMark 0.31 (links, images, reference definitions, autolinks), the HTML
standard (attributes that load or lead somewhere), ECMA-48 and xterm's control sequences.
"""

from typing import NamedTuple

LINK, IMAGE, DEFINITION, BARE = "link", "image", "definition", "bare"
MARKDOWN = "markdown"  # a link or an image: what stands before the brackets tells
ACTIVE, HANDLER, TERMINAL, COLOUR = "active", "handler", "terminal", "colour"


class Form(NamedTuple):
    """`means`: how what it finds is judged. `signals`: no match without one of them. `shape`: for `re`."""

    name: str
    means: str
    signals: tuple[str, ...]
    shape: str


_BREAK = r"[\t\r\n]{0,2}"


def _spelt(word: str) -> str:
    """A scheme as browsers read it: tabs and line ends inside are left out."""
    return "".join(f"[{one}{one.upper()}]{_BREAK}" for one in word)


_NETWORK = r"(?:[hH][tT][tT][pP][sS]?|[fF][tT][pP]|[wW][sS][sS]?)\\?:[/\\]{0,4}|[/\\]{2}"
_SCHEME = (
    f"{_spelt('javascript')}\\\\?:|{_spelt('vbscript')}\\\\?:"
    r"|[dD][aA][tT][aA]:[A-Za-z]{1,20}/[A-Za-z0-9.+-]{1,60}[;,]|[dD][aA][tT][aA]:[;,]|&(?:#|[A-Za-z]{2,6};)"
)
_STARTS = f"(?:{_NETWORK}|{_SCHEME})"
_REST = r"[^\s<>\"')]{1,1000}"
_SPACE = r"\s{0,8}"
_TAGS_THAT_LOAD = (
    "img|image|input|iframe|frame|embed|object|video|audio|source|track|link|script|body|table|td|th|svg|use"
)
_TAGS_THAT_LEAD = "a|area|form|button|base|meta"
_LOADS = "src|srcset|poster|background|data|href|xlink:href|lowsrc|dynsrc"
_LEADS = "href|action|formaction|ping|content|xlink:href"
_ACTIVE_TAGS = "script|iframe|object|embed|applet|frameset|frame|base"


def _attribute(tags: str, attributes: str) -> str:
    """A URL in an attribute; `>` may stand in a value before it, `<` hardly ever does."""
    return (
        rf"<(?i:{tags})[\s/\"'][^<]{{0,400}}?(?i:{attributes})\s{{0,4}}=\s{{0,4}}[\"']?{_SPACE}"
        rf"(?P<told>{_STARTS}[^\s<>\"']{{1,1000}})"
    )


# A page that is shown goes there by itself (HTML standard, 4.2.5.3, refresh): what it carries leaves like an image's.
_REFRESH = (
    rf"<(?i:meta)[\s/\"'][^<]{{0,400}}?(?i:content)\s{{0,4}}=\s{{0,4}}[\"']?{_SPACE}[0-9.]{{1,12}}\s{{0,4}}[;,]?"
    rf"{_SPACE}(?:(?i:url)\s{{0,4}}=\s{{0,4}})?[\"']?{_SPACE}(?P<told>{_STARTS}[^\s<>\"']{{1,1000}})"
)


FORMS: tuple[Form, ...] = (
    Form("markdown-inline", MARKDOWN, ("](",), rf"\]\({_SPACE}<?(?P<told>{_STARTS}{_REST})"),
    Form("markdown-definition", DEFINITION, ("]:",), rf"\]:{_SPACE}<?(?P<told>{_STARTS}{_REST})"),
    Form("markdown-autolink", LINK, ("<",), rf"<(?P<told>(?:{_NETWORK}|{_spelt('javascript')}:){_REST})>"),
    Form("html-loads", IMAGE, ("<",), _attribute(_TAGS_THAT_LOAD, _LOADS)),
    Form("html-leads", LINK, ("<",), _attribute(_TAGS_THAT_LEAD, _LEADS)),
    Form("html-refresh", IMAGE, ("<",), _REFRESH),
    Form("css-url", IMAGE, ("url(",), rf"url\({_SPACE}[\"']?(?P<told>{_STARTS}{_REST})"),
    Form(
        "bare",
        BARE,
        ("://",),
        r"(?<![A-Za-z0-9(<\"'=])[hH][tT][tT][pP][sS]?://[^\s<>\"'`?]{3,300}\?[^\s<>\"'`)]{1,700}",
    ),
    Form("html-active", ACTIVE, ("<",), rf"<(?i:{_ACTIVE_TAGS})(?=[\s/>])[^<>]{{0,400}}>?"),
    Form(
        "html-handler",
        HANDLER,
        ("<",),
        r"<[A-Za-z][A-Za-z0-9:-]{0,20}[\s/][^<>]{0,400}?(?<=[\s\"'/])(?i:on[a-z]{3,24}|srcdoc)\s{0,4}=",
    ),
    Form(
        "terminal-escape",
        TERMINAL,
        ("\x1b",),
        r"\x1b(?:\[[0-?]{0,32}[ -/]{0,4}[@-~]?|[\]PX^_][^\x07\x1b\x9c]{0,1000}(?:\x07|\x1b\\|\x9c)?"
        r"|[ -/]{0,2}[0-OQ-WYZ\\`-~])?",
    ),
    Form(
        "terminal-control",
        TERMINAL,
        ("\x90", "\x9b", "\x9d", "\x9e", "\x9f", "\x08\x08"),
        r"[\x90\x9b\x9d-\x9f][^\x07\x1b\x9c\n]{0,64}|\x08{2,64}",
    ),
)
