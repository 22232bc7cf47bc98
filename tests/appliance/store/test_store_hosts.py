"""Hosts: what their records come to, and what analysts can ask about them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import PeerError
from appliance.model.event import HostSeen
from appliance.store import hosts, retention
from appliance.store.bench import closed, opened
from appliance.store.host_pages import HostOrder, HostRequest, HostsRequest
from appliance.store.host_queries import host
from appliance.store.host_queries import hosts as listed
from appliance.store.placing import Misfit, Origin, row_of
from appliance.store.rows import HostRow

NOW = 1_763_700_000.0
ANN, BOB = "a_" + "1" * 16, "a_" + "2" * 16
MAC, OTHER = "d_" + "1" * 16, "d_" + "2" * 16
LAPTOP, PHONE = "n_" + "1" * 16, "n_" + "2" * 16
CLEAR = {ANN: "10.0.0.7", BOB: "10.0.0.8", MAC: "02:00:5e:00:53:01", LAPTOP: "anns-laptop", PHONE: "bobs-phone"}


def met(address=ANN, ts=NOW, **more):
    said = {"until": ts + 1, "sensor": "s0", "source": "eth0", "mac": MAC, "vendor": "Dell", "names": (LAPTOP,)}
    said |= {"told_by": ("dhcp",)} if "names" not in more else {"told_by": tuple("mdns" for _ in more["names"])}
    return HostSeen(address=address, ts=ts, **said | more)


def row(n=1, **more):
    made = row_of(Origin(n, "s0", 1, n, "d", "{}", more.pop("taken", NOW)), met(**more))
    assert isinstance(made, HostRow)
    return made


@pytest.fixture
def told(ingest, life):
    journal = life("s0")

    def take(*events):
        first = len(journal.lines) + 1
        journal.add(*events, persons=CLEAR)
        (outcome,) = ingest.commit([journal.frame(first)])
        assert outcome.acked == len(journal.lines)

    return take


def ask(connection, **more):
    return listed(connection, HostsRequest(**more))[1]


def test_records_of_one_address_become_one_row_with_all_its_names(connection, told):
    told(met(), met(ts=NOW + 100, names=(PHONE,), system="MSFT 5.0"), met(BOB, mac=None, vendor="", names=()))
    told(met(ts=NOW + 200, names=(LAPTOP,), mac=None, vendor=""))
    ann, bob = sorted(ask(connection), key=lambda each: each.address)
    assert (ann.address, ann.mac, ann.vendor, ann.system) == (ANN, MAC, "Dell", "MSFT 5.0")
    assert ann.names == (PHONE, LAPTOP), "the newest last"
    assert ann.told_by == ("mdns", "mdns")
    assert (ann.first_seen, ann.last_seen) == (NOW, NOW + 201)
    assert (bob.address, bob.mac, bob.names) == (BOB, None, ())
    assert connection.execute("SELECT count(*) FROM host_records").fetchall() == [(4,)]
    assert connection.execute("SELECT count(*) FROM hosts").fetchall() == [(2,)]


def test_another_hardware_address_is_another_host(connection, told):
    told(met(), met(ts=NOW + 10, mac=OTHER, vendor="Apple", names=(PHONE,), system=""))
    [now] = ask(connection)
    assert (now.mac, now.vendor, now.names, now.first_seen) == (OTHER, "Apple", (PHONE,), NOW)


def test_a_capture_from_the_far_future_is_outdone_by_what_comes_later():
    far = hosts.merged(None, row(ts=NOW + 1e9, names=(PHONE,), mac=OTHER))
    now = hosts.merged(far, row(n=2, ts=NOW + 2 * hosts.AHEAD_S, taken=NOW + 2 * hosts.AHEAD_S))
    assert (now.mac, now.names, now.last_seen) == (MAC, (LAPTOP,), NOW + 2 * hosts.AHEAD_S + 1)


def test_behind_a_router_no_hardware_address_is_told(connection, told):
    told(met(), met(ts=NOW + 10, mac=None, vendor="", router=True))
    [now] = ask(connection)
    assert (now.mac, now.vendor, now.router, now.names) == (None, "", True, (LAPTOP,))


@given(st.permutations(range(4)))
def test_the_order_of_records_does_not_matter(order):
    rows = [row(n, ts=NOW + 10 * n, names=(f"n_{n}",), system=f"S{n}") for n in range(4)]
    known = None
    for at in order:
        known = hosts.merged(known, rows[at])
    assert known is not None
    assert set(known.names) == {"n_0", "n_1", "n_2", "n_3"}
    assert (known.system, known.first_seen, known.last_seen, known.mac) == ("S3", NOW, NOW + 31, MAC)


def test_names_of_a_host_are_bounded():
    known = None
    for n in range(100):
        known = hosts.merged(known, row(n, ts=NOW + n, names=(f"n_{n}",)))
    assert known is not None
    assert known.names == tuple(f"n_{n}" for n in range(84, 100))


@pytest.mark.parametrize(
    "event",
    [met(told_by=()), met(address=""), met(until=1e13), met(ts=-1.0), met(names=("n",) * 17, told_by=("tls",) * 17)],
)
def test_what_no_row_can_hold_is_a_misfit(event):
    with pytest.raises(Misfit):
        row_of(Origin(1, "s0", 1, 1, "d", "{}", NOW), event)


def test_services_and_bytes_come_from_exchanges_and_observations(connection, told, observed):
    told(
        met(),
        observed(client=ANN, bytes_up=100, bytes_down=1_000),
        observed(client=ANN, ts=NOW + 50, seen="flow", bytes_up=5, bytes_down=7, at_least=True),
        observed(client=BOB, service="openai", seen="dns", ts=NOW + 60),
        msgspec.structs.replace(
            opened("x", "w0", NOW + 70),
            facts=msgspec.structs.replace(opened("x", "w0", 1.0).facts, client=ANN, service="openai"),
        ),
    )
    ann, bob = sorted(ask(connection), key=lambda each: each.address)
    assert ann.services == ("chatgpt", "openai")
    assert (ann.exchanges, ann.past, ann.bytes_up, ann.bytes_down, ann.at_least) == (1, 1, 105, 1_007, True)
    assert (ann.first_seen, ann.last_seen) == (NOW, NOW + 70)
    assert (bob.services, bob.past, bob.mac) == (("openai",), 0, None), "known by its use alone"
    cost = "INSERT INTO exchange_close BY NAME SELECT * REPLACE (? AS n, ? AS cost_micros) FROM exchange_close"
    told(closed("x", NOW + 71))
    connection.execute("UPDATE exchange_close SET cost_micros = 1_500")
    connection.execute(cost, [10_000, 7])  # a journal that was taken in twice
    detail = host(connection, HostRequest(address=ANN))
    assert {each.service: each.cost_micros for each in detail.services} == {"openai": 1_500, "chatgpt": None}
    assert detail.host == ann
    used = {each.service: each for each in detail.services}
    assert (used["chatgpt"].past, used["chatgpt"].hints, used["chatgpt"].bytes_down) == (1, 0, 1_007)
    assert (used["openai"].exchanges, used["openai"].past) == (1, 0)
    with pytest.raises(PeerError, match="no host"):
        host(connection, HostRequest(address="a_0"))


def test_the_detail_names_the_findings(desk, observed):
    desk.see(observed(client=ANN), observed(client=BOB, service="openai"))
    [found] = host(desk.connection, HostRequest(address=ANN)).findings
    assert found.subject == "chatgpt"


def test_texts_are_looked_for_in_clear_values_too(connection, told, observed):
    told(met(), met(BOB, mac=OTHER, vendor="Apple", names=(PHONE,)), observed(client=ANN))

    def found(**more):
        return [each.address for each in ask(connection, **more)]

    assert found(text="LAPTOP") == found(text="10.0.0.7") == found(text="00:53:01") == found(text="chatg") == [ANN]
    assert found(text="appl") == [BOB]
    assert found(text="%") == found(text="' OR 1=1 --") == []
    assert found(service="chatgpt") == found(ai=True) == [ANN]
    assert found(since=NOW + 10_000) == []


@pytest.mark.parametrize("order", HostOrder)
def test_pages_hold_every_host_once_in_order(connection, told, observed, order):
    events = [met(f"a_{n:016x}", ts=NOW + n // 3) for n in range(25)]
    told(*events, *(observed(client=f"a_{n:016x}", bytes_up=n // 2, bytes_down=0) for n in range(9)))
    seen, before = [], None
    for _ in range(10):
        head, rows = listed(connection, HostsRequest(limit=7, before=before, order=order))
        assert head.total == 25
        seen += rows
        if (before := head.next) is None:
            break
    assert len({each.address for each in seen}) == len(seen) == 25
    rank = {
        HostOrder.LAST_SEEN: lambda each: each.last_seen, HostOrder.FIRST_SEEN: lambda each: each.first_seen,
        HostOrder.BYTES: lambda each: each.bytes_up + each.bytes_down, HostOrder.PAST: lambda each: each.past,
    }[order]  # fmt: skip
    assert [rank(each) for each in seen] == sorted((rank(each) for each in seen), reverse=True)


def test_erasing_an_address_forgets_what_the_host_is_called(connection, told, ingest):
    told(met())
    gone = (ANN, *hosts.linked(connection, ANN))
    assert set(gone) == {ANN, MAC, LAPTOP}
    assert sum(retention.erase(connection, each, NOW + 5, "root") for each in gone) == 3
    left = connection.execute("SELECT value FROM persons ORDER BY value").fetchall()
    assert left == [("10.0.0.8",), ("bobs-phone",)]


def test_erasing_an_address_forgets_what_the_host_was_called_before(connection, told):
    told(met(), met(ts=NOW + 60, mac=OTHER, names=(PHONE,)))
    assert set(hosts.linked(connection, ANN)) == {MAC, LAPTOP, OTHER, PHONE}
    assert hosts.linked(connection, BOB) == ()


def test_old_hosts_go(connection, told):
    told(met())
    for place in retention.GOVERNS["hosts"]:
        assert retention.delete_batch(connection, place, NOW + 1e6) == 1
    assert ask(connection) == []


def test_every_column_of_the_view_says_what_it_means(connection):
    silent = connection.execute(
        "SELECT column_name FROM duckdb_columns() WHERE table_name = 'v_hosts' AND comment IS NULL"
    ).fetchall()
    assert silent == []


def test_of_too_many_hosts_those_heard_of_last_stay(connection, told):
    told(*(met(f"a_{n:016x}", ts=NOW + n) for n in range(6)))
    everybody = len(ask(connection))
    assert retention.trim_hosts(connection, everybody) == 0
    assert retention.trim_hosts(connection, 2) == everybody - 2
    assert len(ask(connection)) == 2
    assert retention.trim_hosts(connection, 2) == 0
