"""Which hosts there are: what is put down to whom, how often that is told, and what a flood of them costs."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensing import PSEUDONYMS, sensor

from appliance.model.names import Leg, ObservationKind, Transport
from appliance.model.observation import Observation
from discovery import inventory
from discovery.inventory import BUDGET, MAX_NAMES, Inventory
from discovery.mac_vendors import vendor

MAC, OTHER = "00:50:56:00:53:01", "b8:27:eb:00:53:02"
HOST = ObservationKind.HOST
HOSTILE = "\x1b[2J<b>\u202elap" + "x" * 5_000


def made(limit=inventory.MAX_HOSTS):
    return Inventory("s0", "eth0", PSEUDONYMS, vendor, limit)


def seen(kind=HOST, ts=1000.0, *, src="10.0.0.7", dst="10.0.0.1", by="dhcp", **more):
    notes = (by,) if by else ()
    fields = {"ts": ts, "src": src, "sport": 68, "dst": dst, "dport": 67, "transport": Transport.UDP, "notes": notes}
    return Observation(kind=kind, **fields | more)


def all_of(kept, *observations, leg=Leg.DIRECT):
    told = [met for one in observations for met in kept.take(one, leg)]
    return told + list(kept.flush())


def clear(met):
    """Names, hardware address and address of a record, as people read them."""
    return (
        [met.persons[name] for name in met.event.names],
        met.persons.get(met.event.mac or ""),
        met.persons[met.event.address],
    )


def test_a_host_is_told_as_digests_with_clear_values_beside_them():
    [met] = all_of(made(), seen(mac=MAC, hostname="Anns-Laptop", software="MSFT 5.0"))
    assert clear(met) == (["anns-laptop"], MAC, "10.0.0.7")
    assert (met.event.vendor, met.event.system, met.event.told_by) == ("VMware", "MSFT 5.0", ("dhcp",))
    encoded = msgspec.json.encode(met.event).decode()
    assert all(value not in encoded for value in ("anns", MAC, "10.0.0.7"))
    assert met.event.address == PSEUDONYMS.address("10.0.0.7"), "the same as of a client in evidence"


def test_changes_are_told_at_most_once_a_minute_and_what_is_the_same_once_an_hour():
    kept = made()
    assert len(list(kept.take(seen(mac=MAC)))) == 1
    for at in range(1, 50):
        assert list(kept.take(seen(ts=1000.0 + at, mac=MAC, hostname=f"name-{at}"))) == []
    assert list(kept.due(1059.0)) == []
    [met] = kept.due(1061.0)
    assert clear(met)[0] == [f"name-{at}" for at in range(42, 50)], "the newest are kept"
    assert (met.event.ts, met.event.until) == (1000.0, 1049.0)
    for at in range(1_100, 4_600, 300):
        assert list(kept.take(seen(ts=float(at), mac=MAC))) == []
    [again] = kept.take(seen(ts=4_700.0, mac=MAC))
    assert (again.event.ts, again.event.until) == (1049.0, 4_700.0)


@pytest.mark.parametrize("src", ["203.0.113.7", "2001:db8::7", "127.0.0.1", "100.64.0.1", "224.0.0.251", "no"])
def test_only_hosts_of_the_local_network_are_kept(src):
    assert all_of(made(), seen(src=src, mac=MAC, hostname="x")) == []


def test_a_hardware_address_of_many_is_a_routers():
    kept = made()
    told = all_of(kept, *(seen(src=f"10.9.0.{at}", ts=1000.0 + at, by="ethernet", mac=MAC) for at in range(1, 7)))
    newest = {met.persons[met.event.address]: met for met in told}
    assert len(newest) == 6
    assert all(met.event.router and met.event.mac is None and not met.event.vendor for met in newest.values())
    [own] = all_of(kept, seen(src="10.9.0.1", ts=2000.0, mac=OTHER, hostname="x"))
    assert clear(own)[1] == OTHER
    assert not own.event.router


def test_one_host_may_have_some_addresses_and_get_others_with_time():
    four = [seen(src=f"10.9.0.{at}", ts=1000.0 + at, by="ethernet", mac=MAC) for at in range(4)]
    six = [seen(src=f"fe80::{at}", ts=1100.0 + at, by="ethernet", mac=MAC) for at in range(10)]
    later = [seen(src=f"10.9.1.{at}", ts=9000.0 + 4_000 * at, by="ethernet", mac=MAC) for at in range(9)]
    assert {clear(met)[1] for met in all_of(made(), *four, *six, *later)} == {MAC}


def test_a_hosts_own_word_of_its_hardware_address_counts_more_than_a_frame():
    told = all_of(made(), seen(mac=MAC), seen(ts=1100.0, by="ethernet", mac=OTHER), seen(ts=1200.0, mac=MAC))
    assert {clear(met)[1] for met in told} == {MAC}


def test_another_hardware_address_is_another_host_and_has_no_names_of_the_one_before():
    told = all_of(made(), seen(mac=MAC, hostname="ann", software="MSFT 5.0"), seen(ts=2000.0, mac=OTHER))
    assert clear(told[-1])[:2] == ([], OTHER)
    assert told[-1].event.system == ""


def answer(name, address="10.0.0.7", *, src="10.0.0.7", by="mdns", **more):
    return seen(ObservationKind.DNS_ANSWER, src=src, by=by, server_name=name, addresses=(address,), **more)


@pytest.mark.parametrize(
    ("one", "name"),
    [
        (answer("anns-laptop.local"), "anns-laptop.local"),
        (answer("_airplay._tcp.local", aliases=("x._airplay._tcp.local", "tv.local")), "tv.local"),
        (answer("pc", by="llmnr"), "pc"),
        (answer("anns-laptop.local", src="10.0.0.9"), None),
        (answer("api.openai.com"), None),
        (answer("_airplay._tcp.local"), None),
        (answer("anns-laptop.local", address="203.0.113.7"), None),
    ],
)
def test_names_in_answers_to_all_are_those_of_whoever_says_them(one, name):
    told = all_of(made(), one)
    assert [clear(met)[0] for met in told] == ([[name]] if name else [])


def hello(name, *, dst="10.0.0.7", **more):
    return seen(ObservationKind.TLS, dst=dst, dport=443, by="", server_name=name, **more)


@pytest.mark.parametrize(
    ("before", "one", "leg", "name"),
    [
        ([], hello("nas.lan"), Leg.DIRECT, "nas.lan"),
        ([], hello("nas"), Leg.DIRECT, "nas"),
        ([], hello("bank.example"), Leg.DIRECT, None),
        ([], hello("nas.lan"), Leg.PROXY, None),
        ([answer("wiki.corp.example", by="")], hello("WIKI.corp.example"), Leg.DIRECT, "wiki.corp.example"),
        ([answer("wiki.corp.example", "10.0.0.8", by="")], hello("wiki.corp.example"), Leg.DIRECT, None),
        ([answer("wiki.corp.example", by="unasked")], hello("wiki.corp.example"), Leg.DIRECT, None),
        ([], hello("nas.lan", dst="203.0.113.7"), Leg.DIRECT, None),
        ([], seen(ObservationKind.TLS_SERVER, by="", names=("esx.lan", "esx.corp.example")), Leg.DIRECT, "esx.lan"),
        ([], seen(ObservationKind.TLS_SERVER, by="", names=("*.lan", "localhost")), Leg.DIRECT, None),
    ],
)
def test_names_of_servers_are_those_that_lead_into_the_local_network(before, one, leg, name):
    told = all_of(made(), *before, one, leg=leg)
    assert [clear(met)[0] for met in told] == ([[name]] if name else [])
    assert all(met.event.told_by == ("tls",) for met in told)


def test_whoever_is_called_by_others_keeps_what_it_calls_itself():
    told = all_of(made(), seen(hostname="nas.lan"), hello("nas.lan", ts=1200.0), hello("box.lan", ts=1300.0))
    assert dict(zip(clear(told[-1])[0], told[-1].event.told_by, strict=True)) == {"nas.lan": "dhcp", "box.lan": "tls"}


@pytest.mark.parametrize(
    "name", [HOSTILE, "x" * 5_000, "a/b", "*.lan", "a\\b", "-x", "\ud800", "localhost", " ", "a\nb"]
)
def test_what_is_no_name_is_not_kept(name):
    told = all_of(made(), seen(mac=MAC, hostname=name, software=HOSTILE))
    assert all(len(value) <= 128 and value.isprintable() for met in told for value in met.persons.values())
    assert all(set(name_) <= set("x") for met in told for name_ in clear(met)[0])
    assert {met.event.system for met in told} <= {""}


@pytest.mark.parametrize(
    "system",
    [
        *("key 123456789", "A" * 40, "<script>", "\x1b[2J", "", "1.2.3", "ann@example.org", "sk-ant-api03-abc_123-xyz"),
        *("uuid:2f402f80-da50-11e1-9b23-00aa88abcdef", "Bearer abc.def", "AKIAIOSFODNN7EXAMPLE", "eyJhbGci.eyJzdWIi.x"),
    ],
)
def test_what_could_be_a_key_or_a_serial_number_is_no_system(system):
    [met] = all_of(made(), seen(software=system))
    assert met.event.system == ""


def test_who_reads_packets_cannot_make_up_words():
    assert all_of(made(), seen(by="rumour", hostname="x", mac=MAC)) == []
    [met] = all_of(made(), seen(mac="not a mac " * 99))
    assert met.event.vendor == ""


def test_a_flood_of_hosts_is_bounded_in_records_and_in_memory():
    kept = made(limit=2_000)
    flood = [
        seen(src=f"10.{at >> 16}.{at >> 8 & 255}.{at & 255}", ts=1000.0 + at / 1000, hostname=f"h{at}")
        for at in range(5_000)
    ]
    told = [met for one in flood for met in kept.take(one)]
    assert len(told) == BUDGET
    assert len(kept) == 2_000
    assert kept.forgotten == 5_000 - BUDGET - 2_000
    assert len(list(kept.due(1070.0))) == BUDGET
    assert len(list(kept.flush())) == 2_000 - BUDGET


@settings(max_examples=50)
@given(
    st.lists(
        st.builds(
            seen,
            st.sampled_from([HOST, ObservationKind.DNS_ANSWER, ObservationKind.TLS, ObservationKind.TLS_SERVER]),
            st.floats(0, 1e9),
            src=st.sampled_from(["10.0.0.7", "fe80::1", "203.0.113.1", ""]),
            dst=st.sampled_from(["10.0.0.7", "::"]),
            by=st.sampled_from(["dhcp", "ethernet", "mdns", "netbios", ""]),
            mac=st.sampled_from([None, MAC, OTHER, "?"]),
            hostname=st.none() | st.text(max_size=20),
            server_name=st.none() | st.text(max_size=20),
            names=st.lists(st.text(max_size=9), max_size=12).map(tuple),
            addresses=st.lists(st.sampled_from(["10.0.0.7", "?", "fe80::1"]), max_size=3).map(tuple),
        ),
        max_size=60,
    )
)
def test_whatever_comes_records_are_sound_and_the_same_again(observations):
    told, again = (all_of(made(), *observations) for _ in range(2))
    assert told == again
    for met in told:
        event = met.event
        assert event.ts <= event.until
        assert len(event.names) == len(event.told_by) <= MAX_NAMES
        assert {event.address, *event.names, *([event.mac] if event.mac else ())} == set(met.persons)


def test_a_sensor_keeps_it_beside_what_it_judges_and_only_where_it_is_to():
    quiet = sensor()
    assert list(quiet.take(seen(hostname="x", mac=MAC))) == []
    assert quiet.left_out["no_service"] == 0
    one = sensor()
    one._hosts = made(limit=2)
    [met] = one.take(seen(hostname="x", mac=MAC))
    assert met.persons[met.event.address] == "10.0.0.7"
    assert len(list(one.take(hello("api.openai.com", src="10.0.0.7", dst="192.0.2.1")))) == 1
    list(one.take(seen(ts=1001.0, hostname="y")))
    assert len(list(one.due(1100.0))) == 1
    assert list(one.take(seen(ts=1101.0, hostname="z"))) == []
    assert len(list(one.flush())) >= 1
