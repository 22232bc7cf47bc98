"""The parts of mitmproxy that the seam overrides or relies on, by the hash of their source.

A failure here means: mitmproxy changed under the seam. Read the difference of each named class, adapt the subclass in
addons/upstream, run tests/addons/test_upstream.py, and only then enter the new hash (the test prints it).
"""

import hashlib
import importlib
import inspect

import mitmproxy.version
import pytest
import seam_world  # noqa: F401 - imports mitmproxy with its one known warning quietened

VERSION = "12.2.3"

SOURCES = {
    "mitmproxy.proxy.layers.http:HttpStream": "baaac4f7cdb36a32",
    "mitmproxy.proxy.layers.http:HttpLayer": "8da4a8a48e637b88",
    "mitmproxy.proxy.layers.http:HttpClient": "8401d422afdaff15",
    "mitmproxy.proxy.layers.http:GetHttpConnection": "705fed26f72ea17f",
    "mitmproxy.proxy.layers.http:validate_request": "e7cec257ce91b7c5",
    "mitmproxy.proxy.layers.http._http1:Http1Connection": "c0675638b0756013",
    "mitmproxy.proxy.layers.http._http1:Http1Server": "cc8428d0bb6f79a5",
    "mitmproxy.proxy.layers.http._http1:Http1Client": "706b7a68f2809929",
    "mitmproxy.proxy.layers.http._http1:make_body_reader": "9b076acda459637b",
    "mitmproxy.proxy.layers.http._http2:Http2Connection": "f18f3940fd55a0f0",
    "mitmproxy.proxy.layers.http._http2:Http2Server": "97aac4eab18a0294",
    "mitmproxy.proxy.layers.http._http2:Http2Client": "a113056f7d2beb2f",
    "mitmproxy.proxy.layers.http._http_h2:BufferedH2Connection": "f983b7220f47b60a",
    "mitmproxy.proxy.layers.http._events:ErrorCode": "b0ab2fe20d6fbbb7",
    "mitmproxy.proxy.server:ConnectionHandler": "f7209a1273f3da94",
    "mitmproxy.proxy.server:LiveConnectionHandler": "7e512dd40fb290b9",
    "mitmproxy.proxy.server:TimeoutWatchdog": "95c9f187c70d4d09",
    "mitmproxy.proxy.mode_servers:ProxyConnectionHandler": "10e340d70b3f23d9",
    "mitmproxy.proxy.layer:Layer": "e98dedd896fb7cd2",
    "mitmproxy.proxy.layer:NextLayer": "3cbcbafad282cba3",
    "mitmproxy.proxy.tunnel:TunnelLayer": "a0a2a31af17dfacb",
    "mitmproxy.proxy.layers.tls:TLSLayer": "c52e04ed2c416749",
    "mitmproxy.proxy.layers.tls:ServerTLSLayer": "8666fc7667d70e23",
    "mitmproxy.proxy.layers.tls:ClientTLSLayer": "b76248ba39a93ae9",
    "mitmproxy.proxy.layers.modes:HttpProxy": "9ca8027a4b749d23",
    "mitmproxy.proxy.context:Context": "dd52bbec90eacace",
    "mitmproxy.proxy.events:Wakeup": "6c215fa061e5f261",
    "mitmproxy.proxy.commands:RequestWakeup": "f5eb5fc94444fed8",
    "mitmproxy.addonmanager:AddonManager": "6be8dc580f5c66bf",
    "mitmproxy.master:Master": "e466d3e6ff5956c3",
    "mitmproxy.addons.proxyserver:Proxyserver.load": "1c547cc30d600417",
    "mitmproxy.net.http.http1.read:read_request_head": "d7a54f7078584448",
    "mitmproxy.net.http.validate:validate_headers": "e7647a94704363e7",
    "mitmproxy.proxy.layers.websocket:WebsocketLayer": "094cd5f8cf031433",
    "mitmproxy.proxy.layers.websocket:WebsocketConnection": "9c6f5dd6ece0042e",
    "mitmproxy.proxy.layers.websocket:WebsocketEndHook": "2b2fe7caa38ac537",
    "mitmproxy.proxy.layers.tcp:TCPLayer": "5e842b94cd4425b0",
    "mitmproxy.proxy.commands:StartHook": "4c08af5e44205aa1",
    "mitmproxy.websocket:WebSocketData": "c76a021606980d5a",
    "wsproto.connection:Connection": "6b70917fe888fb2c",
    "wsproto.frame_protocol:FrameDecoder": "a06eb6159106220a",
    "wsproto.frame_protocol:FrameProtocol": "ff40772c901f3baa",
    "wsproto.frame_protocol:MessageDecoder": "038365303d22c0a0",
    "h11._readers:ChunkedReader": "4d2629eeaaf366b6",
}


def source_hash(name: str) -> str:
    module, _, attribute = name.partition(":")
    found = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return hashlib.sha256(inspect.getsource(found).encode()).hexdigest()[:16]


def test_this_is_the_version_that_the_seam_was_written_for():
    assert mitmproxy.version.VERSION == VERSION


@pytest.mark.parametrize("name", SOURCES)
def test_source_is_unchanged(name):
    found = source_hash(name)
    assert found == SOURCES[name], f"{name} changed in mitmproxy {mitmproxy.version.VERSION}: now {found}"
