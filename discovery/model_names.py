"""Whether two names of models mean different models: what a router was asked for, and what it served.

Rules: pure; names are compared only where both tell a family that is known, so an operator's own alias (`fast`) proves
nothing; dates, releases, owners, formats and words without weight do not count (`gpt-4o` is `gpt-4o-2024-08-06`), a
size, a version or a class does (`gpt-4o` is not `gpt-4o-mini`). Where in doubt two names mean one model.
"""

import re
from typing import Final

MAX_NAME: Final = 128
_FAMILIES: Final = (
    *("chatgpt", "gpt", "claude", "gemini", "gemma", "mixtral", "ministral", "codestral", "mistral", "llama", "qwen"),
    *("deepseek", "command", "grok", "phi", "kimi", "glm", "nova", "yi", "falcon", "granite"),
)
_SAME_FAMILY: Final = {"chatgpt": "gpt"}
_CLASSES: Final = frozenset(
    {"mini", "nano", "lite", "flash", "haiku", "sonnet", "opus", "pro", "turbo", "small", "medium", "large"}
    | {"micro", "coder", "vision", "embedding", "reasoner", "fast", "codex", "audio", "realtime", "oss", "air", "plus"}
)
_DATE: Final = re.compile(r"[-@_.](?:20\d{2}-?[01]\d-?[0-3]\d|[01]\d-20\d{2}|\d{8}|\d{4}|\d{3})(?=[-:@._]|\Z)")
_REVISION: Final = re.compile(r"(?:-v\d+)?:\d+\Z")  # of a cloud: claude-3-5-sonnet-20240620-v1:0
_POINT: Final = re.compile(r"(?<=\d)-(?=\d(?:-|\Z))")  # claude-3-5: claude-3.5
_TOKEN: Final = re.compile(r"\d+(?:\.\d+)*[a-z]?\d*[a-z]?|[a-z]+")
_SIZE: Final = re.compile(r"\d+(?:\.\d+)?(?:x\d+)?b")


def unlike(asked: str, served: str) -> bool:
    """Whether `served` is surely another model than `asked`."""
    one, other = _told(asked), _told(served)
    if one is None or other is None:
        return False
    if one[0] != other[0]:
        return True
    (_, classes, versions, sizes), (_, others, other_versions, other_sizes) = one, other
    differ = bool(versions and other_versions and versions != other_versions)
    return differ or classes != others or bool(sizes and other_sizes and sizes != other_sizes)


type _Told = tuple[str, frozenset[str], frozenset[str], frozenset[str]]


def _told(name: str) -> _Told | None:
    """Family, classes, versions and sizes; None: no family that is known."""
    text = name[:MAX_NAME].lower().rpartition("/")[2]
    text = _POINT.sub(".", _DATE.sub("", _REVISION.sub("", text.removesuffix(".gguf"))))
    tokens = _TOKEN.findall(text)
    family = next((token for token in tokens if token in _FAMILIES), None)
    if family is None:
        if not re.match(r"o[1-9]\b", text):
            return None
        family, tokens = "gpt", [text[:2], *tokens]
    classes = frozenset(token for token in tokens if token in _CLASSES)
    sizes = frozenset(token for token in tokens if _SIZE.fullmatch(token))
    versions = frozenset(token.removesuffix(".0") for token in tokens if token[0].isdigit() and token not in sizes)
    if text[:1] == "o" and family == "gpt":
        versions = frozenset({text[:2]})
    return _SAME_FAMILY.get(family, family), classes, versions, sizes
