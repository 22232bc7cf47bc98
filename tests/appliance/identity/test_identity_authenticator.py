"""Who asks: Basic under concurrency, the address map, and the order of methods."""

import asyncio
import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.schema import AddressEntry, Identity
from appliance.identity.addresses import AddressMap, AddressMapping
from appliance.identity.assemble import make_identification
from appliance.identity.authenticator import MAX_WAITING, BasicAuthenticator
from appliance.identity.backoff import BackOff
from appliance.identity.method import Challenge, Identification, IdentityRequest, Refusal
from appliance.model.errors import OperatorError
from appliance.model.facts import Principal
from appliance.model.names import Assurance, RefusalReason

HASH = bcrypt.hashpw(b"s3cret", bcrypt.gensalt(4)).decode()


class Doors:
    """Passwords whose checks stop at a door until it is opened."""

    def __init__(self, good="s3cret"):
        self.good, self.checked, self.running, self.most = good, [], 0, 0
        self.started, self.door, self.lock = threading.Semaphore(0), threading.Event(), threading.Lock()
        self.threads = set()

    def check(self, user, password):
        with self.lock:
            self.checked.append(user)
            self.running += 1
            self.most = max(self.most, self.running)
            self.threads.add(threading.current_thread())
        self.started.release()
        assert self.door.wait(10)
        with self.lock:
            self.running -= 1
        return password == self.good


class StandInFile:
    def __init__(self, passwords):
        self.passwords, self.changed, self.problem = passwords, False, ""

    def refresh(self, _):
        changed, self.changed = self.changed, False
        return changed


@pytest.fixture
def executor():
    with ThreadPoolExecutor(4) as pool:
        yield pool


def asking(user="ann", password="s3cret", address="10.0.0.1", **more):
    value = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return IdentityRequest(address, proxy_authorization=value, **more)


def opened(doors):
    doors.door.set()
    return doors


async def test_a_proven_credential_is_cached_and_checked_off_the_loop(executor):
    doors = opened(Doors())
    method = BasicAuthenticator(StandInFile(doors), executor, cache_s=60)
    for now in (0.0, 30.0, 59.0):
        answer = await method.identify(asking(), now)
        assert answer == Principal("ann", "10.0.0.1", method="basic", assurance=Assurance.HIGH)
    assert doors.checked == ["ann"]
    assert threading.main_thread() not in doors.threads
    await method.identify(asking(), 60.0)
    assert doors.checked == ["ann", "ann"]


async def test_one_attempt_at_a_time_per_address_and_the_rest_find_it_in_the_cache(executor):
    doors = Doors()
    method = BasicAuthenticator(StandInFile(doors), executor)
    async with asyncio.TaskGroup() as group:
        same = [group.create_task(method.identify(asking(), 0.0)) for _ in range(6)]
        other = group.create_task(method.identify(asking(user="bob", address="10.0.0.2"), 0.0))
        for _ in range(2):  # one attempt per address runs, no more
            assert await asyncio.to_thread(doors.started.acquire, timeout=10)
        doors.door.set()
    assert {task.result().name for task in same} == {"ann"}
    assert other.result().name == "bob"
    assert sorted(doors.checked) == ["ann", "bob"]
    assert doors.most == 2
    assert len(method._turns) == 0


async def test_guesses_from_one_address_run_one_by_one_and_then_wait(executor):
    doors = opened(Doors())
    method = BasicAuthenticator(StandInFile(doors), executor, backoff=BackOff(free=2, first=8.0))
    answers = await asyncio.gather(*(method.identify(asking(password=f"guess{n}"), 0.0) for n in range(10)))
    assert [type(answer) for answer in answers] == [Challenge] * 3 + [Refusal] * 7
    assert {answer.reason for answer in answers} == {RefusalReason.IDENTITY_FAILED}
    assert (answers[3].status, answers[3].retry_after) == (429, 8)
    assert doors.most == 1
    assert len(doors.checked) == 3
    # The right password must wait too, or the wait would tell guesses apart; elsewhere it works.
    assert isinstance(await method.identify(asking(), 1.0), Refusal)
    assert isinstance(await method.identify(asking(address="10.0.0.9"), 1.0), Principal)
    # What was proven before goes on.
    assert isinstance(await method.identify(asking(), 1.0), Principal)


async def test_a_crowd_is_refused(executor):
    doors = Doors()
    method = BasicAuthenticator(StandInFile(doors), executor)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(method.identify(asking(), 0.0)) for _ in range(MAX_WAITING + 5)]
        assert await asyncio.to_thread(doors.started.acquire, timeout=10)
        doors.door.set()
    answers = [task.result() for task in tasks]
    assert sum(isinstance(answer, Refusal) for answer in answers) == 5
    assert len(method._turns) == 0


async def test_a_cancelled_wait_leaves_nothing_behind(executor):
    doors = Doors()
    method = BasicAuthenticator(StandInFile(doors), executor)
    first = asyncio.ensure_future(method.identify(asking(), 0.0))
    assert await asyncio.to_thread(doors.started.acquire, timeout=10)
    second = asyncio.ensure_future(method.identify(asking(), 0.0))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    doors.door.set()
    assert isinstance(await first, Principal)
    assert len(method._turns) == 0


async def test_a_changed_file_empties_the_cache(executor):
    doors = opened(Doors())
    file = StandInFile(doors)
    method = BasicAuthenticator(file, executor)
    assert isinstance(await method.identify(asking(), 0.0), Principal)
    file.changed, doors.good = True, "other"
    assert isinstance(await method.identify(asking(), 1.0), Challenge)


async def test_a_success_against_replaced_entries_is_not_remembered(executor):
    doors = Doors()
    file = StandInFile(doors)
    method = BasicAuthenticator(file, executor)
    attempt = asyncio.ensure_future(method.identify(asking(), 0.0))
    assert await asyncio.to_thread(doors.started.acquire, timeout=10)
    file.passwords = opened(Doors(good="other"))
    doors.door.set()
    await attempt
    assert isinstance(await method.identify(asking(), 0.0), Challenge)


@pytest.mark.parametrize("value", ["Bearer x", "Basic ???", ""])
async def test_what_is_no_credential_is_challenged(executor, value):
    method = BasicAuthenticator(StandInFile(opened(Doors())), executor, realm="r")
    answer = await method.identify(IdentityRequest("10.0.0.1", proxy_authorization=value), 0.0)
    assert answer.authenticate == 'Basic realm="r", charset="UTF-8"'
    assert answer.reason is RefusalReason.IDENTITY_FAILED


def test_no_credential_in_a_repr():
    assert "Basic" not in repr(asking())


MAP = AddressMap((
    AddressMapping("10.0.0.0/8", "office"),
    AddressMapping("10.1.0.0/16", "lab", ("research",), "R&D"),
    AddressMapping("10.1.2.3", "printer"),
    AddressMapping("2001:db8::/32", "v6"),
))  # fmt: skip


@pytest.mark.parametrize(
    ("address", "user"),
    [("10.9.9.9", "office"), ("10.1.9.9", "lab"), ("10.1.2.3", "printer"), ("::ffff:10.1.2.3", "printer"),
     ("2001:db8::7", "v6"), ("192.0.2.1", None), ("2001:dead::1", None), ("", None), ("nonsense", None)],
)  # fmt: skip
async def test_the_narrowest_network_wins(address, user):
    answer = await MAP.identify(IdentityRequest(address), 0.0)
    assert (answer.name if answer else None) == user
    assert answer is None or (answer.assurance, answer.method) == (Assurance.LOW, "address")


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=12), st.integers(0, 2**32 - 1))
def test_the_map_equals_a_search_through_all(pairs, address):
    networks = {ip_network((value, prefix), strict=False) for value, prefix in pairs}
    mapped = AddressMap(AddressMapping(str(network), str(network)) for network in networks)
    within = [network for network in networks if ip_address(address) in network]
    best = max(within, key=lambda network: network.prefixlen, default=None)
    found = mapped.find(str(ip_address(address)))
    assert (found.user if found else None) == (str(best) if best else None)


@pytest.mark.parametrize("network", ["10.0.0.1/8", "x", "", "10.0.0.0/8"])
def test_bad_or_doubled_networks_are_refused(network):
    with pytest.raises(OperatorError, match=r"identity\.addresses\[1\]"):
        AddressMap((AddressMapping("10.0.0.0/8", "a"), AddressMapping(network, "b")))


async def test_methods_in_order(tmp_path, executor):
    path = tmp_path / "people"
    path.write_text(f"ann:{HASH}\n")
    mapped = (AddressEntry(network="10.0.0.0/8", user="office"),)
    settings = Identity(required=True, htpasswd=str(path), addresses=mapped)
    who = make_identification(settings, executor)
    assert (await who.identify(asking(), 0.0)).name == "ann"
    assert (await who.identify(IdentityRequest("10.0.0.1"), 0.0)).name == "office"
    # A wrong password is not forgiven because the address is mapped.
    assert (await who.identify(asking(password="no"), 0.0)).reason is RefusalReason.IDENTITY_FAILED
    assert (await who.identify(IdentityRequest("192.0.2.1"), 0.0)).reason is RefusalReason.IDENTITY_REQUIRED
    gateway = await who.identify(asking(address="192.0.2.1", listener="gateway"), 0.0)
    assert (gateway.status, gateway.reason) == (403, RefusalReason.IDENTITY_REQUIRED)


async def test_nobody_need_be_known_unless_required(executor):
    anonymous = await make_identification(Identity(), executor).identify(IdentityRequest("10.0.0.1"), 0.0)
    assert (anonymous.name, anonymous.assurance) == ("anonymous", Assurance.NONE)
    with pytest.raises(OperatorError, match=r"identity\.required"):
        make_identification(Identity(required=True), executor)
    refused = await Identification((), required=True).identify(IdentityRequest("10.0.0.1"), 0.0)
    assert isinstance(refused, Refusal)
