"""The traffic of the flat bench is new all the time, and a short run of it tells what it should."""

from itertools import islice

from discovery import bench_flat


def test_every_connection_has_an_address_of_its_own_and_ends():
    made = bench_flat.Conversations()
    frames = [frame for batch in islice(made.batches(), 40) for _, _, frame in batch]
    opened = [frame[26:36] for frame in frames if frame[23] == 6 and frame[47] == 0x02]
    assert len(opened) == len(set(opened)) == made.flows == 40
    assert 45 < len(frames) / made.flows < 60
    assert len([frame for frame in frames if frame[23] == 6 and frame[47] == 0x11]) == 80


def test_time_goes_on_at_the_rate():
    first, second = islice(bench_flat.Conversations().batches(), 2)
    times = [ts for ts, _, _ in (*first, *second)]
    assert times == sorted(times)
    assert round((times[-1] - times[0]) * bench_flat.RATE) == len(times) - 1


def test_a_short_run_reads_all_of_it_and_makes_records():
    numbers = bench_flat.measure(8_000)
    assert 8_000 <= numbers["packets"] < 8_100
    assert numbers["observations"] >= 3 * numbers["flows"]
    assert numbers["weird"] == 0
    assert 0.15 < numbers["records"] / numbers["flows"] < 1.5
    assert 0 < numbers["resident_mib_1"] < 1_024
    assert numbers["grown_mib"] == round(numbers["resident_mib_4"] - numbers["resident_mib_1"], 1)
