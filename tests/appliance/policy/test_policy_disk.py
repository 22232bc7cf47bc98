"""Snapshots on disk: atomic, never overwritten, damage refused."""

from pathlib import Path

import msgspec
import pytest
from policy_facts import NOW, rule

from appliance.model.errors import OperatorError
from appliance.model.names import Disposition
from appliance.policy.disk import read_current, read_snapshot, write_snapshot
from appliance.policy.snapshot import PolicySnapshot, decode, encode

FIRST = PolicySnapshot(version=1, created=NOW, rules=(rule("a", Disposition.BLOCK),))
SECOND = msgspec.structs.replace(FIRST, version=2)


def test_current_follows_the_newest(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    assert read_current(folder) is None
    path = write_snapshot(folder, FIRST)
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    write_snapshot(folder, SECOND)
    assert read_current(folder) == SECOND
    assert read_snapshot(folder, 1) == FIRST
    assert sorted(item.name for item in folder.iterdir()) == ["current", "policy-1.json", "policy-2.json"]


def test_a_number_is_written_once(tmp_path: Path) -> None:
    write_snapshot(tmp_path, FIRST)
    write_snapshot(tmp_path, FIRST)
    with pytest.raises(OperatorError, match="nothing was overwritten"):
        write_snapshot(tmp_path, msgspec.structs.replace(FIRST, created=NOW + 1))
    assert read_current(tmp_path) == FIRST


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "damaged"),
        (b"{", "damaged"),
        (encode(FIRST)[:-9], "damaged"),
        (b'{"format":2}', "format 2, this release reads format 1"),
        (encode(FIRST).replace(b'"block"', b'"stop"'), "damaged"),
        (encode(FIRST).replace(b'"version":1', b'"version":0'), "not a snapshot number"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_damage_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    write_snapshot(tmp_path, FIRST).write_bytes(data)
    with pytest.raises(OperatorError, match=said):
        read_current(tmp_path)
    with pytest.raises(OperatorError, match=said):
        decode(data)


def test_a_renamed_or_missing_snapshot_is_refused(tmp_path: Path) -> None:
    write_snapshot(tmp_path, FIRST).rename(tmp_path / "policy-2.json")
    with pytest.raises(OperatorError, match="cannot be read"):
        read_current(tmp_path)
    with pytest.raises(OperatorError, match="holds snapshot 1"):
        read_snapshot(tmp_path, 2)


def test_a_link_to_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("/etc/passwd")
    with pytest.raises(OperatorError, match=r"not a policy-N\.json"):
        read_current(tmp_path)
