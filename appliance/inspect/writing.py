"""Text written in one syntax inside another: JSON in a JSON string, JSON in a JSON string in a form value.

Owns: layers, from the outside in: how a text is read through them, where a place in it stands in the bytes, and how a
replacement is written there. Rules: pure; at most the outermost layer is no JSON, because nothing else nests in honest
traffic; whatever cannot be read through raises ValueError.
"""

from collections.abc import Sequence

from appliance.inspect.escapes import (
    form_escaped,
    form_offsets,
    form_text,
    json_escaped,
    json_offsets,
    plain_offsets,
    raw_offsets,
)
from appliance.inspect.jsonspans import unescape
from appliance.inspect.view import Syntax

Layers = tuple[Syntax, ...]


def layers_of(words: str) -> Layers:
    """`form+json` as layers; ValueError for a word that is no syntax, or one that cannot stand inside another."""
    layers = tuple(Syntax(word) for word in words.split("+"))
    if any(layer is not Syntax.JSON for layer in layers[1:]):
        raise ValueError("only JSON can be written inside another syntax")
    return layers


def words_of(layers: Layers) -> str:
    """Layers as a segment keeps them."""
    return "+".join(layers)


def read_through(raw: str, layers: Layers) -> str:
    """The text that `raw` writes."""
    return _texts(raw, layers)[-1]


def byte_offsets(raw: str, layers: Layers, targets: Sequence[int]) -> list[int]:
    """Ascending code-point offsets of the text that `raw` writes -> byte offsets into the UTF-8 of `raw`."""
    for outer in reversed(_texts(raw, layers)[1:-1]):
        targets = raw_offsets(outer, targets)
    match layers[0]:
        case Syntax.FORM:
            return form_offsets(raw, targets)
        case Syntax.JSON:
            return json_offsets(raw, targets)
    return plain_offsets(raw, targets)


def written(text: str, layers: Layers) -> str:
    """`text` escaped for where it stands."""
    for layer in reversed(layers):
        if layer is Syntax.FORM:
            text = form_escaped(text)
        elif layer is Syntax.JSON:
            text = json_escaped(text)
    return text


def _texts(raw: str, layers: Layers) -> list[str]:
    """`raw`, and what it says after each layer."""
    texts = [raw]
    for layer in layers:
        text = texts[-1]
        if layer is Syntax.FORM:
            text = form_text(text)
        elif layer is Syntax.JSON:
            text = unescape(text)
        texts.append(text)
    return texts
