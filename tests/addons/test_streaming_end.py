"""The last bytes of a stream that the appliance ends: placed after a whole event, or after the damage is made plain."""

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from addons.answer_ways import Ways
from addons.failclosed import Guard
from addons.ongoing import EXCHANGE, Exchange
from addons.streaming import StreamingAddon
from appliance.config.schema import Config
from appliance.inspect.dialects import Call
from appliance.inspect.dialects.openai_chat import OpenAIChat
from appliance.inspect.stream.watch import Decided
from appliance.model.catalogue import Service
from appliance.model.detection import Selector
from appliance.model.facts import Principal, Verdict
from appliance.model.names import Disposition, Stage

WHOLE = b'data: {"choices":[]}\n\n'
HIDES = (Selector(kinds=("secret",), rule="keys"),)


class Blank:
    """Watches that find nothing."""

    classes = ()
    restores = False

    def watch(self, *_):
        return Growing()

    def whole(self, _kind, text, *_):
        return Decided(len(text)), ()


class Growing:
    def __init__(self):
        self.size = 0

    def feed(self, text):
        self.size += len(text)
        return Decided(self.size)

    def close(self):
        return Decided(self.size)

    def labels(self):
        return ()


class Collaborators:
    """What following an answer needs of a worker."""

    config = Config()
    watcher = Blank()


@pytest.fixture(params=[(), HIDES], ids=["free", "guarded"])
def flow(request):
    verdict = Verdict(Disposition.ALLOW, Disposition.ALLOW, Stage.ENFORCE, answer_hides=request.param)
    exchange = Exchange(
        id="1",
        service=Service(id="s", name="S", owner="O", category="model_api"),
        principal=Principal("anonymous", "127.0.0.1"),
        stage=Stage.ENFORCE,
        started=0.0,
        host="s.test",
        call=Call("POST", "/v1/chat/completions", "application/json"),
        dialect=OpenAIChat(),
        verdict=verdict,
    )
    made = tflow.tflow()
    made.metadata[EXCHANGE] = exchange
    made.response = http.Response.make(200, b"", {"content-type": "text/event-stream"})
    guard = Guard(None, lambda: Stage.ENFORCE, lambda _: b"")
    Ways(Collaborators(), guard).follow(made, made.response, exchange)
    return made


@pytest.mark.parametrize("sent", [WHOLE, b"", WHOLE + b'data: {"cho'])
def test_last_words_stand_alone(flow, sent):
    if sent:
        flow.response.stream(sent)
    words = StreamingAddon(None, None).farewell(flow, "drain")
    assert words.startswith((b'data: {"error":', b'\n\ndata: {"error":'))
    assert words.endswith(b"\n\ndata: [DONE]\n\n")
    assert flow.response.stream(WHOLE) == []  # what still comes would stand behind the end, or inside it


def test_after_a_fault_the_damage_is_made_plain(flow):
    flow.response.stream(WHOLE + b'data: {"cho')
    assert flow.metadata[EXCHANGE].answer.torn_words("fault").startswith(b'\n\ndata: {"error":')


def test_a_body_that_is_no_stream_gets_none(flow):
    flow.metadata[EXCHANGE].answer = None
    assert StreamingAddon(None, None).farewell(flow, "drain") == b""
