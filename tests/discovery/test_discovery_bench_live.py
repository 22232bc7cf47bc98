"""The live bench: its traffic, and one short run over a wire of its own."""

import own_network
import pytest

from discovery import bench_capture, bench_live, files
from discovery.bench_sender import SLOT
from discovery.engine import Engine


def test_the_mix_has_fifty_packets_for_each_connection_and_its_end(tmp_path):
    path = tmp_path / "x.pcap"
    bench_capture.write_capture(path, bench_live.OFFICE)
    frames = list(bench_live.bulky(frame for _, _, frame in files.read(path)))
    tcp = [frame for frame in frames if frame[23] == 6]
    opened = [frame for frame in tcp if frame[47] == 0x02]
    assert 45 < len(frames) / len(opened) < 60
    assert 2 * (len(opened) - 1) <= len([frame for frame in tcp if frame[47] == 0x11]) <= 2 * len(opened)
    assert max(map(len, frames)) <= SLOT
    assert all(int.from_bytes(frame[16:18]) == len(frame) - 14 for frame in frames)
    engine = Engine()
    names = {seen.server_name for frame in frames for seen in engine.feed(1.0, 1, frame)}
    assert "api.openai.com" in names
    assert not engine.counters.weird


@pytest.mark.system
@own_network.needed
def test_a_short_run_loses_nothing(monkeypatch):
    monkeypatch.setattr(bench_live, "SETTLED_S", 1.3)
    numbers = own_network.apart(lambda: bench_live.measure(0.1, 1))
    assert numbers["dropped"] == numbers["missed"] == 0
    assert numbers["packets"] >= 10 * bench_live.OFFICE
    assert 0.05 < numbers["passed_fraction"] < 0.3
    assert numbers["observations_per_s"] > 0
    assert numbers["cpu_fraction"] > 0
