"""What is recorded of an observation, and what is left out."""

import msgspec
import pytest
from sensing import BOX, PSEUDONYMS, seen, sensor

from appliance.config.catalogue import load_catalogue
from appliance.model.names import Leg, ObservationKind, Surface, Transport
from discovery.aggregate import Aggregate
from discovery.classify import Classifier
from discovery.sensor import Sensor

DNS = {"kind": ObservationKind.DNS, "transport": Transport.UDP, "dst": "10.0.0.1", "dport": 53}


def test_a_hello_to_an_ai_service_is_recorded_without_the_clients_address():
    one = sensor()
    [record] = one.take(seen(alpn=("h2", "http/1.1"), ja3="a" * 32, ja4="t13d"))
    event = record.event
    assert (event.service, event.category, event.surface) == ("openai", "model_api", Surface.API)
    assert (event.name, event.server, event.port, event.leg) == ("api.openai.com", "192.0.2.1", 443, Leg.DIRECT)
    assert (event.seen, event.transport, event.count, event.until) == ("tls", "tcp", 1, event.ts)
    assert (event.alpn, event.ja3, event.ja4) == (("h2", "http/1.1"), "a" * 32, "t13d")
    assert event.client == PSEUDONYMS.address("10.0.0.9")
    assert record.address == "10.0.0.9"
    assert b"10.0.0.9" not in msgspec.json.encode(event)
    assert event.evidence[0] == "sni api.openai.com"


@pytest.mark.parametrize("name", ["example.org", "api.openai.com.evil.test", None, "bank.example"])
def test_of_other_names_nothing_is_kept(name):
    one = sensor()
    assert list(one.take(seen(name))) == []
    assert list(one.flush()) == []
    assert one.left_out["no_service"] == 1
    assert one.kept == 0


@pytest.mark.parametrize(
    ("more", "leg"),
    [
        ({"dst": "10.0.0.5", "dport": 8080}, Leg.PROXY),
        ({"dst": "10.0.0.5", "dport": 443}, Leg.DIRECT),
        ({"dst": "10.0.0.6", "dport": 8080}, Leg.DIRECT),
    ],
)
def test_the_leg_goes_by_the_destination(more, leg):
    [record] = sensor().take(seen(**more))
    assert record.event.leg is leg


def test_the_appliances_own_connections_are_left_out_and_only_they():
    asked = []

    def own(near, far, ts):
        asked.append((near, far, ts))
        return near == ("10.0.0.5", 7)

    one = sensor(own=own)
    assert list(one.take(seen(src="10.0.0.5", sport=7))) == []
    assert len(list(one.take(seen(src="10.0.0.5", sport=8)))) == 1, "another program on this machine is a client"
    assert asked[0] == (("10.0.0.5", 7), ("192.0.2.1", 443), 1000.0)
    assert one.left_out["own_flow"] == 1


def test_questions_of_this_machine_are_left_out_and_counted():
    one = sensor(own=lambda *_: False)
    assert list(one.take(seen(src="10.0.0.5", **DNS))) == []
    [record] = one.take(seen(**DNS))
    assert (record.event.seen, record.event.leg, record.event.server) == ("dns", Leg.DIRECT, "10.0.0.1")
    assert one.left_out["own_question"] == 1


def test_in_a_file_nothing_is_our_own():
    one = sensor()
    assert list(one.take(seen(src="10.0.0.5", **DNS)))


def test_requests_to_the_gateway_are_its_own_to_record():
    http = {"kind": ObservationKind.HTTP, "host": "api.openai.com", "server_name": None, "method": "POST"}
    one = sensor()
    assert list(one.take(seen(dst="10.0.0.5", dport=4000, **http))) == []
    assert one.left_out["own_gateway"] == 1
    [record] = one.take(seen(dst="10.0.0.5", dport=8080, **http))
    assert (record.event.leg, record.event.name) == (Leg.PROXY, "api.openai.com")


def test_keys_in_paths_and_agents_never_reach_a_record():
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    http = {"kind": ObservationKind.HTTP, "host": "api.openai.com", "server_name": None, "method": "GET"}
    [record] = sensor().take(
        seen(path=f"/v1/models/{secret}?key={secret}", user_agent=f"OpenAI/Python 3.51.0 ({secret}) {secret}", **http)
    )
    assert secret.encode() not in msgspec.json.encode(record)
    assert record.event.user_agent == "OpenAI/Python 3.51.0"


def test_hostile_names_are_bounded():
    one = sensor()
    [record] = one.take(seen(f"{'x' * 240}.chatgpt.com", notes=("n" * 9999,) * 99, ja4="j" * 9999))
    assert len(msgspec.json.encode(record)) < 4000
    assert list(one.take(seen(f"{'x' * 10_000}.chatgpt.com"))) == []


def test_later_requests_on_a_connection_of_the_appliances_own_stay_its_own_until_it_ends():
    http = {"kind": ObservationKind.HTTP, "host": "api.openai.com", "server_name": None, "method": "POST"}
    ours = {"src": "10.0.0.5", "sport": 7}
    one = sensor(own=lambda _near, _far, ts: ts < 1060.0)
    assert list(one.take(seen(ts=1000.0, **ours, **http))) == []
    assert list(one.take(seen(ts=1900.0, **ours, **http))) == [], "the table of connects forgets within a minute"
    assert len(list(one.take(seen(ts=1901.0, **ours)))) == 1, "a hello is another connection"
    flow = seen(None, ts=1902.0, kind=ObservationKind.FLOW, bytes_up=1, bytes_down=1, ended="fin", **ours)
    assert all(record.event.seen == "flow" for record in one.take(flow))
    assert len(list(one.take(seen("chatgpt.com", ts=1903.0, **ours, **http | {"host": "chatgpt.com"})))) == 1


@pytest.mark.parametrize("first", ["shop.example", "llm.lan"])
def test_an_answer_of_a_model_is_not_counted_to_another_host_on_the_same_way_to_the_proxy(first):
    http = {"kind": ObservationKind.HTTP, "server_name": None, "method": "POST", "dst": "10.0.0.5", "dport": 8080}
    paths = {"shop.example": "/buy", "llm.lan": "/v1/chat/completions"}
    one = Sensor("s", "eth0", Classifier(load_catalogue()).sight, PSEUDONYMS, BOX, Aggregate(300.0), None, 1.0)
    for host in (first, *(paths.keys() - {first})):
        list(one.take(seen(host=host, path=paths[host], **http)))
    answer = {"kind": ObservationKind.HTTP_RESPONSE, "src": "10.0.0.5", "sport": 8080, "dst": "10.0.0.9", "dport": 1000}
    list(one.take(seen(None, status=200, marks=("chat_answer",), **answer)))
    assert [(record.event.name, record.event.service) for record in one.flush()] == [("llm.lan", "openai_compatible")]


class TestGoingOn:
    """Connections that are followed while they last."""

    @staticmethod
    def sizes(ts, up, down, **more):
        said = {"kind": ObservationKind.FLOW, "bytes_up": up, "bytes_down": down, "ended": "open", "at_least": True}
        return seen(None, ts=ts, seconds=ts - 1000, **(said | more))

    def test_each_byte_is_told_once_before_the_end_and_at_it(self):
        one = sensor(interval_s=0)
        [first] = one.take(seen())
        rows = [
            record.event
            for flow in (
                self.sizes(1010.0, 500, 9_000, notes=("goes_on",)),
                self.sizes(1070.0, 700, 9_000, notes=("goes_on",)),
                self.sizes(1080.0, 800, 12_345, ended="fin", at_least=False),
                self.sizes(1090.0, 800, 12_345, notes=("goes_on",)),
            )
            for record in one.take(flow)
        ]
        assert first.event.bytes_up is None
        assert [(row.bytes_up, row.bytes_down, row.at_least) for row in rows] == [
            (500, 9_000, True),
            (200, 0, True),
            (100, 3_345, False),
        ]
        assert {(row.seen, row.service, row.count) for row in rows} == {(ObservationKind.FLOW, "openai", 1)}

    def test_of_others_nothing_is_told(self):
        one = sensor(interval_s=0)
        assert list(one.take(seen("example.org"))) == []
        assert list(one.take(self.sizes(1010.0, 500, 9_000, notes=("goes_on",)))) == []

    @pytest.mark.parametrize(
        ("said", "wanted"),
        [
            ({}, [("192.0.2.1", False)]),
            ({"name": "example.org"}, []),
            ({"name": None}, [("192.0.2.1", True)]),
            ({"name": "cover.example", "notes": ("ech",)}, [("192.0.2.1", True)]),
            ({"dst": "10.0.0.5", "dport": 8080}, []),
            ({"name": None, "dst": "10.0.0.5", "dport": 8080}, []),
            ({"name": None, "transport": Transport.UDP, "kind": ObservationKind.QUIC}, []),
            ({"transport": Transport.UDP, "kind": ObservationKind.QUIC}, []),
        ],
        ids=["service", "other", "nameless", "ech", "to us", "nameless to us", "nameless quic", "quic"],
    )
    def test_servers_past_the_appliance_are_of_interest(self, said, wanted):
        one = sensor()
        list(one.take(seen(**said)))
        assert list(one.interest()) == wanted
        assert list(one.interest()) == []
