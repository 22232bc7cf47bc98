"""Signs of an attempt in how a text is built: forged turns, addressed documents, many examples, floods, gibberish.

Theory: a chat template's own marks, a second voice inside one person's words, or a command in a comment that nobody
sees have no business in ordinary text; each is a witness with a weight, added to those of the phrases. What stands in
documentation of such formats is met by weights that are not enough alone.

Rules: pure; every expression is linear; each sign is told once for a text, where it stands first; bounded in matches.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from appliance.inspect.injection.gibberish import suffix


class Hit(NamedTuple):
    """A witness. `rule`: its name; `weight` 0-1: how sure it makes us alone; a half-open place in the text."""

    rule: str
    entity: str
    weight: float
    start: int
    end: int


INJECTION, JAILBREAK = "PROMPT_INJECTION", "JAILBREAK"
MANY_SHOTS = 24
"""Pairs of question and answer that make a text many-shot."""
FLOOD = 60
"""How often one short token stands in a row in a flood."""
_MAX_TURNS = 400

# Chat templates: ChatML, Llama 2 and 3, Gemma, Mistral, Zephyr, DeepSeek; each format's own documentation names them.
_CONTROL = re.compile(
    r"<\|(?:im_start|im_end|im_sep|system|user|assistant|endoftext|eot_id|start_header_id|end_header_id|begin_of_text"
    r"|endofprompt)\|>"
    r"|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|</?(?:system|sys)(?:[_-](?:prompt|message|instructions))?>",
    re.IGNORECASE,
)
# The beginning of a line, in a text before which a line end was set: a heading that claims authority, or a voice.
_HEADING = re.compile(
    r"\n[ \t]{0,8}(?:#{1,6}[ \t]{0,4}|\*\*|\[|<|-{3,8}[ \t]?|={3,8}[ \t]?)"
    r"(?:system|new instructions?|instructions?|system (?:prompt|message|instructions?|override)|admin|developer)"
    r"(?:\*\*|\]|>)?[ \t]{0,4}(?:\n|:|\Z)"
    r"|\n[ \t]{0,8}(?-i:SYSTEM|System|ADMIN)[ \t]?(?:override|message|prompt)?:[ \t]",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"\n[ \t]{0,8}(?:\*\*)?(human|user|assistant|system|ai|chatgpt|gpt|model|bot|question|answer|q|a)(?:\*\*)?[ \t]?:",
    re.IGNORECASE,
)
# What opens a place that no reader sees, what closes it, and how long it may be.
_COVERS = (("<!--", "-->", 2000), ("[//]: # (", ")", 1000), ('alt="', '"', 500))
_UNSEEN = re.compile(
    r"<[a-z][a-z0-9]{0,15}\b[^<>]{0,300}?(?:display\s{0,3}:\s{0,3}none|visibility\s{0,3}:\s{0,3}hidden"
    r"|font-size\s{0,3}:\s{0,3}[01](?:px|pt|em|;|\")|opacity\s{0,3}:\s{0,3}0(?:[;\"]|\.0)"
    r"|color\s{0,3}:\s{0,3}(?:white|#fff(?:fff)?)\b|text-indent\s{0,3}:\s{0,3}-\d{3,})[^<>]{0,300}>([^<>]{12,1000})",
    re.IGNORECASE,
)
_ADDRESSED = re.compile(
    r"\b(?:ignore|disregard|you must|you should|instructions?|prompt|assistants?|language models?|llms?|chatbots?|AI|"
    r"do not (?:tell|mention|inform)|send|forward|say that|recommend)\b",
    re.IGNORECASE,
)
_ANSWERING = frozenset({"assistant", "ai", "chatgpt", "gpt", "model", "bot", "answer", "a"})


def signals(text: str, *, foreign: bool, cut: Callable[[], None] = lambda: None) -> Iterator[Hit]:
    """Every sign in a text. `foreign`: what a tool returned, or a document. `cut`: called where a bound is met."""
    if found := _CONTROL.search(text) if "<" in text or "[" in text else None:
        yield Hit("template-marks", INJECTION, 0.45, *found.span())
    if ":" in text or "#" in text or "[" in text or "**" in text:
        yield from _lines(text, foreign, cut)
    if "<!--" in text or "style" in text or "alt=" in text or "[//]" in text:
        yield from _unseen(text, cut)
    if len(text) > FLOOD * 2 and (token := _flooding(text.split())):
        start = text.find(token)
        yield Hit("token-flood", JAILBREAK, 0.4, start, start + len(token))
    if not foreign and (place := suffix(text)):
        yield Hit("gibberish-suffix", JAILBREAK, 0.9, *place)


def _flooding(tokens: list[str]) -> str | None:
    """A token that stands `FLOOD` times in a row: then it stands at both ends of some stretch half as long."""
    half = FLOOD // 2
    for at in range(half, len(tokens), half):
        token = tokens[at]
        if token == tokens[at - half] and tokens[at - half : at].count(token) == half:
            run = at
            while run < len(tokens) and tokens[run] == token and run < at + FLOOD:
                run += 1
            back = at - half
            while back > 0 and tokens[back - 1] == token and back > at - FLOOD:
                back -= 1
            if run - back >= FLOOD:
                return token
    return None


def _unseen(text: str, cut: Callable[[], None]) -> Iterator[Hit]:
    """Commands where no reader looks: comments, texts for pictures, styles that hide."""
    for start, end in _covered(text, cut):
        if _is_command(text[start:end]):
            yield Hit("addressed-comment", INJECTION, 0.6, start, end)
            break
    for count, found in enumerate(_UNSEEN.finditer(text)):
        if count >= _MAX_TURNS:
            cut()
            break
        if _is_command(found[1]):
            yield Hit("addressed-unseen", INJECTION, 0.6, *found.span())
            break


def _covered(text: str, cut: Callable[[], None]) -> Iterator[tuple[int, int]]:
    for opens, closes, most in _COVERS:
        start = text.find(opens)
        for _ in range(_MAX_TURNS):
            if start < 0:
                break
            inside = start + len(opens)
            end = text.find(closes, inside, inside + most)
            if end >= 0:
                yield start, end + len(closes)
            start = text.find(opens, max(inside, end))
        else:
            cut()


def _is_command(text: str) -> bool:
    return len(set(map(str.lower, _ADDRESSED.findall(text)))) > 1


def _lines(text: str, foreign: bool, cut: Callable[[], None]) -> Iterator[Hit]:
    """Lines that begin as an authority's heading or as somebody else's turn."""
    lines = f"\n{text}"
    if found := _HEADING.search(lines):
        yield Hit("forged-heading", INJECTION, 0.35, found.start(), found.end() - 1)
    asking = answering = first = 0
    for count, found in enumerate(_TURN.finditer(lines)):
        first = first if count else found.start()
        answers = found[1].lower() in _ANSWERING
        answering, asking = answering + answers, asking + (not answers)
        if count >= _MAX_TURNS:
            cut()
            break
    if min(asking, answering) >= MANY_SHOTS:
        yield Hit("many-shot", JAILBREAK, 0.5, first, first + 1)
    elif foreign and asking and answering:
        yield Hit("forged-turns", INJECTION, 0.25, first, first + 1)
