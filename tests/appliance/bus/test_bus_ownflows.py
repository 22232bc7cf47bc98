"""The table of the appliance's own connections: what is noted is known, and nothing else is."""

import random
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.bus import ownflows
from appliance.bus.ownflows import BUCKETS, REGIONS, SIZE, TTL_S, WAYS, OwnFlows, bucket_at, flow_key, place, region_of
from appliance.model.errors import OperatorError

NEAR, FAR = ("10.0.0.1", 40001), ("192.0.2.7", 443)


@pytest.fixture
def table(tmp_path):
    with OwnFlows(ownflows.create(tmp_path), 3, write=True) as flows:
        yield flows


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((NEAR, FAR), (NEAR, FAR), True),
        ((NEAR, FAR), (FAR, NEAR), False),
        ((NEAR, FAR), (("10.0.0.1", 40002), FAR), False),
        ((("::ffff:10.0.0.1", 1), FAR), (("10.0.0.1", 1), FAR), True),
        ((("2001:db8::1", 1), ("2001:db8::2", 2)), (("2001:db8:0::1", 1), ("2001:db8::2", 2)), True),
        ((("fe80::1%eth0", 1), ("fe80::2", 2)), (("fe80::1", 1), ("fe80::2", 2)), True),
    ],
    ids=["itself", "the way back", "another port", "mapped", "spelling", "zone"],
)
def test_a_key_stands_for_one_connection_in_one_direction(one, other, same):
    assert (flow_key(*one) == flow_key(*other)) is same


@pytest.mark.parametrize("host", ["", "gnomon", "10.0.0", "::g"])
def test_what_is_no_address_has_no_key(host, table):
    with pytest.raises(ValueError, match="not an address"):
        flow_key((host, 1), FAR)
    assert not table.knows((host, 1), FAR, 0)


def test_what_was_noted_is_known_for_its_time_to_every_reader(table, tmp_path):
    table.note(NEAR, FAR, 1000.0)
    with OwnFlows(tmp_path / ownflows.NAME) as reader:
        for ts, known in ((1000.0, True), (1000 + TTL_S, True), (1000 - TTL_S, True), (1000.1 + TTL_S, False)):
            assert reader.knows(NEAR, FAR, ts) is known
        assert not reader.knows(FAR, NEAR, 1000.0)
        assert not reader.knows(NEAR, ("192.0.2.7", 444), 1000.0)


def test_a_reader_cannot_write(tmp_path):
    path = ownflows.create(tmp_path)
    with OwnFlows(path) as reader, pytest.raises(TypeError):
        reader.note(NEAR, FAR, 1.0)


def test_regions_do_not_meet(tmp_path):
    path = ownflows.create(tmp_path)
    for region in range(REGIONS):
        with OwnFlows(path, region, write=True) as flows:
            for number in range(50):
                flows.note(("10.0.0.1", 1000 + number), ("192.0.2.1", region), 5.0)
    with OwnFlows(path) as reader:
        for region in range(REGIONS):
            assert all(reader.knows(("10.0.0.1", 1000 + n), ("192.0.2.1", region), 5.0) for n in range(50))


def test_a_full_bucket_loses_its_oldest(table):
    rng = random.Random(1)  # noqa: S311 - a test's choice
    found = []
    while len(found) <= WAYS:
        near = ("10.0.0.1", rng.randrange(65_536))
        far = (f"10.1.{rng.randrange(256)}.{rng.randrange(256)}", rng.randrange(65_536))
        if bucket_at(0, flow_key(near, far)) == bucket_at(0, b"\0" * 8):
            found.append((near, far))
    for at, flow in enumerate(found):
        table.note(*flow, 100.0 + at)
    assert [table.knows(*flow, 104.0) for flow in found] == [False] + [True] * WAYS
    table.note(*found[1], 110.0)  # again: its own slot, nobody else's
    assert [table.knows(*flow, 104.0) for flow in found] == [False] + [True] * WAYS


def test_slots_stay_inside_the_file():
    ends = [bucket_at(region, bytes([255] * 8)) for region in range(2 * REGIONS)]
    assert max(ends) + WAYS * 16 <= SIZE
    assert (BUCKETS & (BUCKETS - 1)) == 0


def test_the_file_is_whole_private_and_kept_while_it_is_sound(tmp_path):
    path = ownflows.create(tmp_path)
    found = path.stat()
    assert (found.st_size, stat.S_IMODE(found.st_mode)) == (SIZE, 0o600)
    assert found.st_blocks * 512 >= SIZE, "all blocks are there: a full disk is no signal in a worker"
    with OwnFlows(path, write=True) as flows:
        flows.note(NEAR, FAR, 9.0)
        assert ownflows.create(tmp_path).stat().st_ino == found.st_ino
        assert flows.knows(NEAR, FAR, 9.0)
    path.write_bytes(b"something else")
    with pytest.raises(OperatorError, match="not the table"):
        OwnFlows(path)
    assert ownflows.create(tmp_path).stat().st_size == SIZE
    assert [file.name for file in tmp_path.iterdir()] == [ownflows.NAME]


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(OperatorError, match=r"check run_dir"):
        ownflows.create(tmp_path / "nowhere")
    with pytest.raises(OperatorError, match="gnomon up"):
        OwnFlows(tmp_path / "nowhere")


@pytest.mark.parametrize(("name", "region"), [("w0", 0), ("w3", 3), ("w17", 1), ("w", 0), ("w\u0663", 3)])
def test_regions_go_by_the_workers_number(name, region):
    assert region_of(name) == region


_flow = st.tuples(st.ip_addresses(v=4).map(str), st.integers(0, 65_535))


@settings(max_examples=50)
@given(st.lists(st.tuples(_flow, _flow, st.floats(1, 2000)), max_size=40))
def test_what_was_just_noted_is_always_known(flows):
    bucket_bytes = bytearray(WAYS * 16)
    for near, far, now in sorted(flows, key=lambda flow: flow[2]):
        key = flow_key(near, far)
        at = place(bytes(bucket_bytes), key) * 16
        bucket_bytes[at : at + 16] = ownflows._SLOT.pack(key, now)
        assert ownflows.holds(bytes(bucket_bytes), key, now)


def test_many_connections_of_one_worker_are_all_known_while_they_matter(table):
    rng = random.Random(2)  # noqa: S311 - a test's choice
    flows = [((f"10.0.{n >> 8}.{n & 255}", rng.randrange(65_536)), FAR) for n in range(2000)]
    for number, flow in enumerate(flows):
        table.note(*flow, 100.0 + number / 1000)
        assert table.knows(*flow, 100.0 + number / 1000)
    assert sum(table.knows(*flow, 101.0) for flow in flows) > 1990
