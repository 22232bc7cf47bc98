"""What a sensor makes of connections: one record each, contradictions, causes, sizes, and nothing of other names."""

import msgspec
import pytest
from sensing import PSEUDONYMS, seen, sensor

from appliance.model.names import Cause, Leg, ObservationKind, Transport

CLIENT, SERVER, PROXY = "10.0.0.9", "198.51.100.1", "10.0.0.5"
AI, FRONT = "api.openai.com", "front.bank.example"


class Site:
    """A sensor and what it recorded of the client's connections."""

    def __init__(self, join_s=2.0):
        self.sensor, self.records, self.ts = sensor(join_s=join_s), [], 1000.0

    def say(self, **more):
        self.ts += 0.1
        self.records += self.sensor.take(seen(**{"ts": self.ts, "dst": SERVER, "name": None} | more))

    def hello(self, name=None, **more):
        self.say(name=name, **more)

    def connect(self, host=AI, **more):
        self.say(kind=ObservationKind.HTTP, method="CONNECT", host=host, path=f"{host}:443", **more)

    def answered(self, name, *addresses, client=CLIENT, **more):
        self.say(
            name=name, kind=ObservationKind.DNS_ANSWER, src="10.0.0.1", sport=53, dst=client, dport=5, ttl=60,
            transport=Transport.UDP, addresses=addresses or (SERVER,), **more,
        )  # fmt: skip

    def server(self, *, src=SERVER, sport=443, **more):
        self.say(kind=ObservationKind.TLS_SERVER, src=src, sport=sport, dst=CLIENT, dport=1000, **more)

    def alert(self, word, **more):
        self.say(kind=ObservationKind.TLS_SERVER, alert=word, **more)

    def ended(self, up=100, down=200, **more):
        self.say(kind=ObservationKind.FLOW, bytes_up=up, bytes_down=down, ended="fin", seconds=1.0, **more)

    def all(self):
        self.records += self.sensor.flush()
        return [record.event for record in self.records]


@pytest.fixture
def site():
    return Site()


def test_all_signs_of_a_connection_meet_in_one_record(site):
    site.answered(AI)
    site.hello(AI, ja4="t13d")
    site.server(names=("*.openai.com",), cipher="1301", tls_version="TLS 1.2")
    site.ended(up=10, down=20)
    [event] = site.all()
    assert (event.service, event.name, event.seen, event.cause) == ("openai", AI, "tls", Cause.DIRECT_ADDRESS)
    assert event.evidence[:3] == (f"sni {AI}", f"certificate for {AI}", f"dns address of {AI}")
    assert (event.bytes_up, event.bytes_down, event.at_least, event.count) == (10, 20, False, 1)
    assert event.client == PSEUDONYMS.address(CLIENT)


def test_a_connection_is_told_when_its_time_is_over_and_its_sizes_follow(site):
    site.hello(AI)
    assert site.records == []
    site.records += site.sensor.due(site.ts + 2.0)
    [first] = site.records
    assert first.event.bytes_up is None
    site.ended(up=10, down=20, at_least=True)
    _, size = site.all()
    assert (size.seen, size.service, size.bytes_up, size.bytes_down, size.at_least) == ("flow", "openai", 10, 20, True)
    assert size.evidence == ()


def test_sizes_of_repeats_are_summed(site):
    for number in range(4):
        site.hello(AI, sport=number)
        site.ended(up=10, down=20, sport=number, at_least=number == 3)
    events = site.all()
    assert [(event.count, event.bytes_up, event.bytes_down, event.at_least) for event in events] == [
        (1, 10, 20, False),
        (3, 30, 60, True),
    ]


def test_a_connect_and_the_hello_inside_are_one_governed_connection(site):
    site.connect(dst=PROXY, dport=8080)
    site.hello(AI, dst=PROXY, dport=8080)
    site.server(src=PROXY, sport=8080, names=(AI,))
    [event] = site.all()
    assert (event.leg, event.cause, event.seen, event.count) == (Leg.PROXY, None, "tls", 1)
    assert event.evidence == (f"sni {AI}", f"connect {AI}")


def test_an_encrypted_name_is_given_away_by_the_resolvers_answer(site):
    site.answered(AI, front="cloudflare-ech.example", notes=("ech",))
    site.hello("cloudflare-ech.example", notes=("ech_offered",))
    [event] = site.all()
    assert (event.service, event.name, event.cause) == ("openai", AI, Cause.ECH)
    assert event.contradicts is None
    assert 0.5 < event.confidence < 0.7
    assert b"cloudflare-ech" not in msgspec.json.encode(event)


def test_random_bytes_in_place_of_an_encrypted_name_hide_nothing(site):
    site.answered(AI)
    site.hello("mail.bank.example", notes=("ech_offered",))
    assert site.all() == [], "what the address is called besides says nothing of a client that names its host"
    site.hello(AI, notes=("ech_offered",))
    [event] = site.all()
    assert (event.cause, event.contradicts) == (Cause.DIRECT_ADDRESS, None)
    assert "grease_ech" in event.evidence
    assert "ech" not in event.evidence


def test_a_front_counts_for_the_client_that_was_told_of_it(site):
    site.answered(AI)
    site.answered("other.example", "198.51.100.7", client="10.0.0.10", front="front.example", notes=("ech",))
    site.hello("front.example", notes=("ech_offered",))
    assert site.all() == []


def test_the_name_that_everybodys_fronts_have_hides_another(site):
    site.answered(AI)
    site.hello("cloudflare-ech.com", notes=("ech_offered",))
    [event] = site.all()
    assert (event.service, event.cause) == ("openai", Cause.ECH)


@pytest.mark.parametrize("note", ["unasked", "mdns", "llmnr"])
def test_an_answer_that_nobody_asked_for_says_nothing_of_an_address(site, note):
    site.answered(AI, notes=(note,))
    site.hello(None, notes=("no_sni",))
    site.answered("other.example", front="front.example", notes=(note, "ech"))
    site.hello("front.example", sport=7, notes=("ech_offered",))
    assert site.all() == []


def test_a_hello_without_a_name_is_told_by_its_certificate(site):
    site.hello(None, notes=("no_sni",))
    site.server(names=("*.chatgpt.com", "www.chatgpt.com"))
    [event] = site.all()
    assert (event.service, event.cause) == ("chatgpt", Cause.DIRECT_ADDRESS)
    assert event.evidence[0] == "certificate for *.chatgpt.com"


def test_a_front_is_found_where_the_client_knew_better(site):
    site.answered(AI)
    site.answered(FRONT, "198.51.100.99")
    site.hello(FRONT)
    [event] = site.all()
    assert (event.service, event.name, event.contradicts) == ("openai", AI, "another")
    assert b"bank" not in msgspec.json.encode(event)


def test_a_front_in_clear_is_told_without_its_name_and_path(site):
    site.answered(AI)
    site.answered(FRONT, "198.51.100.99")
    site.say(host=FRONT, path="/of/the/bank", kind=ObservationKind.HTTP, method="GET", dport=80)
    [event] = site.all()
    assert (event.service, event.name, event.host, event.path) == ("openai", AI, None, None)
    assert b"bank" not in msgspec.json.encode(event)


@pytest.mark.parametrize("known", [(), (SERVER,), ("198.51.100.99", SERVER)], ids=["unknown", "same", "both"])
def test_other_names_at_one_address_are_no_contradiction(site, known):
    site.answered(AI)
    if known:
        site.answered(FRONT, *known)
    site.hello(FRONT)
    assert site.all() == []
    assert site.sensor.left_out["no_service"] == 1


def test_what_another_client_was_told_says_nothing(site):
    site.answered(AI, client="10.0.0.8")
    site.hello(None)
    assert site.all() == []


@pytest.mark.parametrize(("other", "said"), [("chatgpt.com", "chatgpt"), (FRONT, "another")])
def test_a_service_at_an_address_of_another_is_disputed(site, other, said):
    site.answered(AI, "198.51.100.99")
    site.answered(other)
    site.hello(AI)
    [event] = site.all()
    assert (event.service, event.contradicts, event.confidence) == ("openai", said, 0.5)
    assert f"points to {said} as well" in event.evidence


def test_a_certificate_without_the_name_is_a_contradiction(site):
    site.hello(AI)
    site.server(names=(FRONT,))
    [event] = site.all()
    assert (event.service, event.contradicts) == ("openai", "another")
    assert b"bank" not in msgspec.json.encode(event)


def test_a_rejected_certificate_explains_the_way_past(site):
    site.connect(dst=PROXY, dport=8080)
    site.hello(AI, dst=PROXY, dport=8080)
    site.alert("unknown_ca", dst=PROXY, dport=8080)
    site.records += site.sensor.due(site.ts + 10)
    site.ts += 20
    site.hello(AI)
    through, past = site.all()
    assert (through.leg, through.cause) == (Leg.PROXY, Cause.PINNED)
    assert "alert unknown_ca: the client rejects the appliance's certificate" in through.evidence
    assert (past.leg, past.cause) == (Leg.DIRECT, Cause.PINNED)


def _leaves(site, port, *, sealed=False, early=False, met=True):
    """A connection through the proxy that the client ends, and how."""
    there = {"dst": PROXY, "dport": 8080, "sport": port}
    site.connect(**there)
    site.hello(AI, **there)
    if met:
        site.say(
            kind=ObservationKind.TLS_SERVER, src=PROXY, sport=8080, dst=CLIENT, dport=port, cipher="1301",
            tls_version="TLS 1.3",
        )  # fmt: skip
    if sealed:
        site.alert(None, **there, notes=("sealed_alert",))
    site.ended(**there, notes=("left_early",) if early else ())


SURE, PROBABLY = "the client rejected", "the client has left twice"


@pytest.mark.parametrize(
    ("ways", "cause", "said"),
    [
        ([{"sealed": True}] * 2, Cause.PINNED, PROBABLY),
        ([{"early": True}] * 2, Cause.PINNED, PROBABLY),
        ([{"sealed": True}, {"early": True}], Cause.PINNED, PROBABLY),
        ([{"early": True}], Cause.DIRECT_ADDRESS, None),
        ([{"early": True}, {}, {"early": True}], Cause.DIRECT_ADDRESS, None),
        ([{"early": True, "met": False}] * 3, Cause.DIRECT_ADDRESS, None),
        ([{}] * 3, Cause.DIRECT_ADDRESS, None),
    ],
)
def test_a_client_that_leaves_twice_at_our_certificate_is_probably_pinned(site, ways, cause, said):
    for number, way in enumerate(ways):
        _leaves(site, 5000 + number, **way)
    site.hello(AI)
    events = site.all()
    past = next(event for event in events if event.leg is Leg.DIRECT)
    leaves = any("leaves when it sees" in text for event in events for text in event.evidence)
    assert leaves is any(way and way.get("met", True) for way in ways[:1])
    assert past.cause is cause
    assert [text for text in past.evidence if text.startswith((SURE, PROBABLY))] == [
        text for text in past.evidence if said and text.startswith(said)
    ]
    assert said is None or any(text.startswith(said) for text in past.evidence)


def test_what_the_worker_at_the_other_end_read_makes_it_certain(site):
    site.sensor.rejections.known = lambda client, service, _: (client, service) == (CLIENT, "openai")
    site.hello(AI)
    site.hello("chatgpt.com", sport=7)
    events = {event.service: event for event in site.all()}
    assert (events["openai"].cause, events["chatgpt"].cause) == (Cause.PINNED, Cause.DIRECT_ADDRESS)
    assert any(text.startswith(SURE) for text in events["openai"].evidence)


def test_another_proxy_is_a_tunnel_and_quic_is_itself(site):
    site.connect(dport=3128)
    site.hello(AI, dport=3128)
    site.hello(AI, kind=ObservationKind.QUIC, transport=Transport.UDP)
    events = sorted(site.all(), key=lambda event: event.seen)
    assert [(event.seen, event.cause) for event in events] == [("quic", Cause.QUIC), ("tls", Cause.TUNNEL)]


def test_a_written_answer_is_a_weak_hint_where_nobody_was_named():
    site = Site()
    rhythm = ("cadence of 80 records, 50 ms apart",)
    for number, name in enumerate((None, FRONT, AI)):
        site.hello(name, sport=number)
    for number in range(4):
        site.ts += 5
        site.say(kind=ObservationKind.FLOW, sport=number, notes=rhythm, at_least=True, ended="open")
    hints = [event for event in site.all() if event.seen is ObservationKind.FLOW]
    assert [(event.service, event.confidence, event.evidence, event.cause) for event in hints] == [
        ("unnamed", 0.2, rhythm, None)
    ]


def test_a_second_name_in_a_connection_is_a_record_of_its_own(site):
    http = {"kind": ObservationKind.HTTP, "method": "GET", "dst": PROXY, "dport": 8080}
    for host in (AI, "chatgpt.com", AI, FRONT):
        site.say(host=host, **http)
    assert [(event.service, event.count) for event in site.all()] == [("openai", 2), ("chatgpt", 1)]


def test_what_is_recorded_of_a_contradiction_is_told_apart_from_repeats(site):
    site.hello(AI)
    site.records += site.sensor.due(site.ts + 3)
    site.ts += 10
    site.answered("chatgpt.com")
    site.answered(AI, "198.51.100.99")
    site.hello(AI)
    assert [(event.contradicts, event.count) for event in site.all()] == [(None, 1), ("chatgpt", 1)]


def test_a_flood_of_connections_is_judged_early_and_whole(site, monkeypatch):
    site.sensor._joining._limit = 3
    for number in range(10):
        site.hello(AI, sport=number)
    assert len(site.sensor._joining) == 3
    assert sum(event.count for event in site.all()) == 10


def test_the_same_observations_give_the_same_records():
    def told():
        site = Site()
        for number in range(30):
            site.answered(AI)
            site.hello((AI, "chatgpt.com", FRONT)[number % 3], sport=number % 7)
            if number % 4:
                site.ended(up=number, sport=number % 7)
        return msgspec.json.encode(site.all())

    assert told() == told()
