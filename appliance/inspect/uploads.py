"""The files inside a request, as they are recorded: what kind, which bytes, what they carry.

Rules: pure; bounded in number and in bytes digested, so that parts which overlap cannot cost more than the body twice;
the digest is of the file's own bytes, so that it can be compared with one that is at hand.
"""

import hashlib

from appliance.inspect.media import file_bytes
from appliance.inspect.scanning import Findings, labels_of
from appliance.inspect.view import RequestView
from appliance.model.facts import Upload

MAX_UPLOADS = 64
_MEDIA_CHARS = 100


def uploads_of(body: bytes, view: RequestView, detections: Findings) -> tuple[Upload, ...]:
    """The parts of `view`, at most `MAX_UPLOADS`; `detections` go along its segments."""
    found: list[Upload] = []
    room = 2 * len(body)
    telling = [pair for pair in zip(view.segments, detections, strict=True) if pair[1]]
    for part in view.parts[:MAX_UPLOADS]:
        room -= part.end - part.start
        if room < 0:
            break
        data = file_bytes(body, part)
        inside = (hits for segment, hits in telling if part.start <= segment.start and segment.end <= part.end)
        digest = hashlib.sha256(data).hexdigest()
        found.append(Upload(_plain(part.media_type), digest, len(data), labels_of(inside)))
    return tuple(found)


def _plain(media_type: str) -> str:
    """A media type as it may be written down: it is the client's own text."""
    kept = "".join(character for character in media_type[:_MEDIA_CHARS] if character.isalnum() or character in "/+.-_")
    return kept if kept.isascii() else ""
