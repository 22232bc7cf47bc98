"""A gRPC or Connect request whose sender waits for an answer before it goes on.

Theory of operation. A request is held until its end before it is judged; of a call with one message that end comes
with the message. A client that streams waits for answers in between, and would wait for ever. So once such a request
has been silent for `call_silence_s` behind whole messages, the hook `request_silent` asks what to do: answer it
(`flow.response`) or let it through as it comes (`flow.request.stream`). Rules: asked at most once for a request; in the
middle of a message nothing is asked, for that is a slow sender; what has come stands in `raw_content` during the hook.
"""

from dataclasses import dataclass

from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers.http import DropStream
from mitmproxy.proxy.layers.http._events import RequestData, RequestHeaders

from addons.upstream.grpc import converses, whole_messages
from addons.upstream.settings import settings_of
from addons.upstream.switched import SwitchingStream


@dataclass
class RequestSilentHook(commands.StartHook):
    """`request_silent`: a request that may be a conversation waits for something."""

    flow: http.HTTPFlow


class ConversingStream(SwitchingStream):
    """A stream that notices when its client waits."""

    _timer: commands.RequestWakeup | None = None
    _moved = False  # something has come since the timer was set
    _asked = False

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, events.Wakeup):
            if event.command is self._timer:
                self._timer = None
                yield from self._silent()
            return
        yield from super()._handle_event(event)
        if isinstance(event, (RequestHeaders, RequestData)) and self._may_wait():
            self._moved = True
            yield from self._set_timer()

    def _may_wait(self) -> bool:
        holds = self.client_state == self.state_consume_request_body and not self._asked
        return holds and converses(self.flow.request)

    def _set_timer(self) -> layer.CommandGenerator[None]:
        if self._timer is None:
            self._timer = commands.RequestWakeup(settings_of(self.context).call_silence_s)
            yield self._timer

    def _silent(self) -> layer.CommandGenerator[None]:
        if not self._may_wait():
            return
        held = bytes(self.request_body_buf)
        if self._moved or not whole_messages(held):
            self._moved = False
            yield from self._set_timer()
            return
        self._asked = True
        request = self.flow.request
        request.data.content = held
        yield RequestSilentHook(self.flow)
        if (yield from self.check_killed(True)):
            return
        if self.flow.response is not None:
            self.flow.live = False
            self.client_state = self.server_state = self.state_errored
            yield from self._answer(self.flow.response)
            yield DropStream(self.stream_id)
        elif request.stream:
            self.request_body_buf.clear()
            request.data.content = None
            yield from self.start_request_stream()
            if held and self.client_state == self.state_stream_request_body:
                yield from self.state_stream_request_body(RequestData(self.stream_id, held))

    def _answer(self, response: http.Response) -> layer.CommandGenerator[None]:
        raise NotImplementedError
