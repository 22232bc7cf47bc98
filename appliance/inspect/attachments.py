"""A file that came in a body: the text it holds, and whether that is all.

Rules: what bytes are decides, not what they are called: text under an image's name is read, an image under a text's
name is an image; a document goes through documents.py; text of JSON is followed by what its escapes say; whatever is
not surely read in full has a reason.
"""

from typing import NamedTuple

from appliance.inspect.documents import BROKEN, is_document, text_of
from appliance.inspect.magic import claimed_kind, kind_of
from appliance.inspect.plaintext import plain_text, revealed


class Content(NamedTuple):
    """`text` None: nothing can be read. `reason` None: all of it is in `text`.

    `plain`: the bytes are that text in UTF-8, from byte `start` on.
    """

    text: str | None = None
    reason: str | None = None
    plain: bool = False
    start: int = 0


def read_file(data: bytes, media_type: str = "", charset: str = "utf-8", otherwise: str = "binary") -> Content:
    """Read one file. `otherwise`: the reason for bytes that neither show nor claim a kind."""
    plain = plain_text(data, charset)
    if is_document(data):
        extracted = text_of(data)
        if extracted.reason == "archive":
            return Content(None, "archive")
        text = "\n".join(extracted.texts)
        if plain is None:
            return Content(text or None, None if extracted.complete else extracted.reason or BROKEN)
        # A document may be written in plain letters; what they say as they stand counts too.
        return Content(f"{plain.text}\n{text}", None if extracted.complete else extracted.reason or BROKEN)
    kind = kind_of(data) or claimed_kind(media_type, otherwise)
    if plain is not None and (plain.utf8 or plain.reason is None or kind == otherwise):
        text = revealed(plain.text)
        return Content(text, plain.reason, plain.utf8 and plain.reason is None and text == plain.text, plain.start)
    return Content(None, kind)
