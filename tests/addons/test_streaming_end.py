"""The last bytes of a stream that the appliance ends: placed after a whole event, or after the damage is made plain."""

import pytest
from mitmproxy.test import tflow

from addons.exchange import EXCHANGE, Exchange
from addons.streaming import StreamingAddon, _tee
from appliance.inspect.dialects.openai_chat import OpenAIChat
from appliance.model.catalogue import Service
from appliance.model.facts import Principal
from appliance.model.names import Stage

WHOLE = b'data: {"choices":[]}\n\n'


@pytest.fixture
def flow():
    dialect = OpenAIChat()
    exchange = Exchange(
        id="1",
        service=Service(id="s", name="S", owner="O", category="model_api"),
        principal=Principal("anonymous", "127.0.0.1"),
        stage=Stage.ENFORCE,
        started=0.0,
        host="s.test",
        dialect=dialect,
        reader=dialect.stream(),
    )
    made = tflow.tflow()
    made.metadata[EXCHANGE] = exchange
    return made


@pytest.mark.parametrize(("sent", "before"), [(WHOLE, b""), (b"", b""), (WHOLE + b'data: {"cho', b"\n\n")])
def test_last_words_stand_alone(flow, sent, before):
    tee = _tee(flow.metadata[EXCHANGE])
    tee(sent)
    words = StreamingAddon(None, None).farewell(flow, "drain")
    assert words.startswith(before + b'data: {"error":')
    assert words.endswith(b"\n\ndata: [DONE]\n\n")
    assert tee(WHOLE) == []  # what still comes would stand behind the end, or inside it


def test_a_body_that_is_no_stream_gets_none(flow):
    flow.metadata[EXCHANGE].reader = None
    assert StreamingAddon(None, None).farewell(flow, "drain") == b""
