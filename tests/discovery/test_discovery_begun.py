"""What a connection shows after it was told: the same use, not more of it; and of what is really more, each."""

from sensing import seen, sensor
from test_discovery_assess import AI, CLIENT, PROXY, SERVER, Site

from appliance.model.names import Cause, Leg, ObservationKind
from discovery.begun import Begun
from discovery.joining import Connection, Named

OLLAMA = {"dst": "10.0.0.7", "dport": 11434}


def slow(join_s=2.0):
    """A site, and a way to let more time pass than a connection is gathered for."""
    site = Site(join_s)

    def wait():
        site.ts += 30
        site.records += site.sensor.due(site.ts)

    return site, wait


def told(site):
    return [(event.seen.value, event.leg, event.cause, event.count) for event in site.all()]


def ask(site, **more):
    site.say(
        **{"kind": ObservationKind.HTTP, "method": "POST", "path": "/api/chat", "host": "10.0.0.7"} | OLLAMA | more
    )


def answer(site, **more):
    site.say(kind=ObservationKind.HTTP_RESPONSE, src="10.0.0.7", sport=11434, dst=CLIENT, dport=1000, **more)


def test_an_answer_that_took_its_time_is_no_further_use():
    site, wait = slow()
    ask(site)
    wait()
    answer(site, marks=("ollama",))
    wait()
    lan = (Leg.DIRECT, Cause.LAN_MODEL, 1)
    assert told(site) == [("http", *lan), ("http_response", *lan)]


def test_an_answer_alone_is_a_use():
    site, _ = slow()
    answer(site, marks=("ollama",))
    assert told(site) == [("http", Leg.DIRECT, Cause.LAN_MODEL, 1)]


def test_a_body_that_shows_more_of_a_request_is_the_same_request():
    site, wait = slow()
    ask(site)
    ask(site, notes=("again",))
    wait()
    ask(site, notes=("again",))
    assert [(kind, count) for kind, *_, count in told(site)] == [("http", 1), ("flow", 1)]


def test_each_request_in_clear_is_one():
    site, wait = slow()
    ask(site)
    ask(site)
    wait()
    ask(site)
    assert sum(count for kind, *_, count in told(site) if kind == "http") == 3


def test_a_hello_in_a_tunnel_that_was_slow_to_be_dug_is_the_tunnels():
    site, wait = slow()
    site.connect(dport=3128)
    wait()
    site.hello(AI, dport=3128)
    wait()
    assert told(site) == [("http", Leg.DIRECT, Cause.TUNNEL, 1), ("flow", Leg.DIRECT, Cause.TUNNEL, 1)]


def test_on_the_way_to_the_appliance_too():
    site, wait = slow()
    site.connect(dst=PROXY, dport=8080)
    wait()
    site.hello(AI, dst=PROXY, dport=8080)
    wait()
    assert told(site) == [("http", Leg.PROXY, None, 1), ("flow", Leg.PROXY, None, 1)]


def test_a_tunnel_to_a_name_that_nobody_knows_is_one_all_the_same():
    site, wait = slow()
    site.connect("gate.example", dport=3128)
    wait()
    site.hello(AI, dport=3128)
    assert told(site) == [("tls", Leg.DIRECT, Cause.TUNNEL, 1)]


def test_ports_are_used_again():
    site, wait = slow()
    site.hello(AI)
    wait()
    site.hello(AI)
    site.ended()
    assert sum(count for kind, *_, count in told(site) if kind == "tls") == 2
    site, wait = slow()
    site.connect(dport=3128)
    wait()
    site.ended(dport=3128)
    site.hello(AI, dport=3128)
    assert told(site)[-1] == ("tls", Leg.DIRECT, Cause.DIRECT_ADDRESS, 1), "what ended is forgotten"


def test_the_table_is_bounded():
    begun, one = Begun(limit=2), sensor()
    event = next(one.take(seen(dst=SERVER))).event
    parts = [Connection(0.0, (CLIENT, port, SERVER, 443), [Named(one._sight(seen()))]) for port in (1, 2, 3)]
    for part in parts:
        part.connect = True
        begun.take_up(part)
        begun.told(part, event)
    assert len(begun._tunnels) == len(begun._services) == 2
    again = Connection(0.0, parts[0].key)
    begun.take_up(again)
    assert not again.connect
    assert begun.told(again, event) is event
