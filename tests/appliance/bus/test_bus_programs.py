"""The table of programs: what workers have met is read by every sensor, and nothing half written."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.bus import programs
from appliance.bus.programs import SIZE, SLOTS, TTL_S, Program, Programs
from appliance.model.errors import OperatorError

JA4 = "t13d1812h1_85036bcba153_6a1c4b4a0b0e"


@pytest.fixture
def path(tmp_path):
    return programs.create(tmp_path)


def test_what_was_met_is_summed_and_read_by_others(path):
    writer, reader = Programs(path, 3, write=True), Programs(path)
    writer.met(JA4, "", "", ai=True, now=10.0)
    writer.met(JA4, "", "", ai=False, now=11.0)
    writer.met(JA4, "OpenAI", "openai", ai=True, now=12.0)
    assert reader.all(20.0) == [Program(JA4, "", "", 1, 1, 11.0), Program(JA4, "OpenAI", "openai", 1, 0, 12.0)]
    assert reader.all(11.5 + TTL_S) == [Program(JA4, "OpenAI", "openai", 1, 0, 12.0)]
    with pytest.raises(TypeError):
        reader.met(JA4, "", "", ai=True, now=1.0)
    writer.close()
    again = Programs(path, 3, write=True)  # the next worker of that number goes on
    again.met(JA4, "OpenAI", "", ai=True, now=13.0)
    assert Program(JA4, "OpenAI", "openai", 2, 0, 13.0) in reader.all(20.0)
    again.close()
    reader.close()


def test_two_workers_do_not_meet(path):
    first, second = Programs(path, 0, write=True), Programs(path, 17, write=True)
    first.met(JA4, "", "", ai=True, now=1.0)
    second.met(JA4, "", "", ai=True, now=1.0)
    assert len(first.all(1.0)) == 2
    first.close()
    second.close()


def test_a_full_region_loses_what_was_met_longest_ago(path):
    table = Programs(path, 0, write=True)
    for number in range(SLOTS + 10):
        table.met(JA4, f"p{number}", "openai", ai=True, now=float(number))
    found = {one.program for one in table.all(0.0)}
    assert len(found) == SLOTS
    assert "p9" not in found
    assert {"p10", f"p{SLOTS + 9}"} <= found
    table.close()


def test_a_slot_that_is_half_written_is_passed_over(path):
    table = Programs(path, 0, write=True)
    table.met(JA4, "OpenAI", "openai", ai=True, now=1.0)
    table._map[programs._HEADER + 100] ^= 1
    assert table.all(1.0) == []
    table.close()


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=90), st.integers(0, 2**32 - 1), st.floats(0, 1e12))
def test_every_text_fits_into_a_slot(ja4, program, service, count, last):
    slot = programs._packed(Program(ja4, program, service, count, count, last))
    assert len(slot) == programs._SLOT.size
    found = programs._unpacked(slot)
    assert (found.ai, found.last) == (count, last)
    assert program.encode("utf-8", "replace").decode().startswith(found.program)


def test_the_file_is_private_whole_and_kept_while_it_is_sound(tmp_path, path):
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_size) == (0o600, SIZE)
    inode = path.stat().st_ino
    assert programs.create(tmp_path).stat().st_ino == inode
    path.write_bytes(b"x")
    with pytest.raises(OperatorError, match="gnomon up"):
        Programs(path)
    assert programs.create(tmp_path).stat().st_size == SIZE
    with pytest.raises(OperatorError, match="check run_dir"):
        programs.create(tmp_path / "nowhere")
