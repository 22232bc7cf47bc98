"""What OpenAI serves beside chat: embeddings, moderations, images, audio, files, batches, fine-tuning, vector stores.

Sources: openai-python `types/*.py` (openai 3.x); openai/openai-openapi.

Rules: see dialects/__init__.py. One table says which paths belong to which api and what their fields are; forms with
files in them are read by the generic walker, and so is every answer that is no JSON.
"""

import re
from typing import Final, NamedTuple

import msgspec

from appliance.inspect.content import media_type
from appliance.inspect.dialects import Call
from appliance.inspect.dialects.fields import seed, table, text, top
from appliance.inspect.dialects.openai_asset_events import AssetEvents
from appliance.inspect.dialects.openai_asset_words import NAMES, place
from appliance.inspect.dialects.openai_errors import refused
from appliance.inspect.dialects.openai_request import deployment
from appliance.inspect.dialects.openai_usage import read_usage
from appliance.inspect.dialects.spelling import Spelling
from appliance.inspect.dialects.vectors import Vectors, without_vectors
from appliance.inspect.jsonspans import parse
from appliance.inspect.segments import gather
from appliance.inspect.stream.events import Framing
from appliance.inspect.view import Part, RequestView, ResponseView
from appliance.inspect.walker import walk

_SPELLING: Final = Spelling(NAMES)


class Asset(NamedTuple):
    """One api. `rows`: its bodies hold rows of numbers; `streams`: an answer may come as server-sent events."""

    api: str
    path: str
    rows: bool = False
    streams: bool = False


ASSETS: Final = (
    Asset("openai.embeddings", r"(?<!/api)/embeddings/?\Z", rows=True),
    Asset("openai.moderations", r"/moderations/?\Z"),
    Asset("openai.images", r"/images/(?:generations|edits|variations)/?\Z", streams=True),
    Asset("openai.audio", r"/audio/(?:speech|transcriptions|translations)/?\Z", streams=True),
    Asset("openai.files", r"/(?:v1|openai)/(?:files/?|uploads(?:/[^/]+/(?:parts|complete|cancel))?/?)\Z"),
    Asset("openai.batches", r"/(?:v1|openai)/batches(?:/[^/]+/cancel)?/?\Z"),
    Asset("openai.fine_tuning", r"/(?:v1|openai)/(?:fine_tuning/.+|fine-tunes/?)\Z"),
    Asset("openai.vector_stores", r"/(?:v1|openai)/vector_stores(?:/.+)?/?\Z"),
)


class OpenAIAsset:
    """The dialect of one row of the table."""

    def __init__(self, asset: Asset) -> None:
        self.api = asset.api
        self._asset = asset
        self._path = re.compile(asset.path)

    def matches(self, method: str, path: str) -> bool:
        """POST to one of the api's paths."""
        return method == "POST" and self._path.search(path) is not None

    def request(self, body: bytes, call: Call) -> RequestView:
        """Read a request: JSON by its fields, a form by the walker. MalformedBody of either."""
        if not body or not _says_json(call.content_type):
            return self._walked(body, call)
        vectors = self._vectors(body)
        document, data, problem = _SPELLING.parse(vectors.data)
        asked = top(document, f"a request of {self.api}")
        files: list[Part] = []
        segments, opaque = gather(data, document.strings, lambda span: place(span, of_request=True), files)
        return RequestView(
            api=self.api,
            model=text(asked.get("model")) or deployment(call.bare),
            stream=asked.get("stream") is True or asked.get("stream_format") == "sse",
            segments=segments,
            opaque=vectors.among(opaque, "token_ids"),
            parts=tuple(files),
            problem=problem,
        )

    def response(self, body: bytes, call: Call, content_type: str) -> ResponseView:  # noqa: ARG002 - the protocol's
        """Read an answer in one piece: JSON by its fields, anything else (sound, subtitles) by the walker."""
        if not _says_json(content_type):
            view = walk(body, content_type)
            return ResponseView(api=self.api, syntax=view.syntax, segments=view.segments, opaque=view.opaque)
        vectors = self._vectors(body)
        document = parse(vectors.data, known=NAMES)
        told = table(document.value)
        segments, opaque = gather(vectors.data, document.strings, lambda span: place(span, of_request=False))
        return ResponseView(
            api=self.api,
            model=text(told.get("model")),
            usage=read_usage(told.get("usage")),
            segments=segments,
            opaque=vectors.among(opaque, "embedding"),
            error=isinstance(told.get("error"), dict),
        )

    def events(self, call: Call, content_type: str) -> AssetEvents | None:  # noqa: ARG002 - the protocol's
        """Server-sent events of images and audio."""
        streams = self._asset.streams and media_type(content_type) == "text/event-stream"
        return AssetEvents(Framing.SSE) if streams else None

    def refusal(self, status: int, code: str, message: str, stream: bool) -> tuple[str, bytes]:  # noqa: ARG002
        """`{"error": {...}}`."""
        return refused(status, code, message)

    def ask_usage(self, body: bytes) -> bytes:
        """Unchanged: these answers tell usage unasked, or have none."""
        return body

    def _vectors(self, body: bytes) -> Vectors:
        return without_vectors(body, 1) if self._asset.rows else Vectors(body)

    def _walked(self, body: bytes, call: Call) -> RequestView:
        view = walk(body, call.content_type)
        model = view.model or deployment(call.bare)
        return msgspec.structs.replace(view, api=self.api, model=model, conversation_seed=seed(view.segments))


DIALECTS: Final = tuple(OpenAIAsset(asset) for asset in ASSETS)


def _says_json(content_type: str) -> bool:
    """A body that says nothing is taken for JSON, as these servers do."""
    kind = media_type(content_type)
    return kind in {"", "application/json", "text/json"} or kind.endswith("+json")
