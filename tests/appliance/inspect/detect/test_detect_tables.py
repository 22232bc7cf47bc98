import os

import pytest

from appliance.inspect.detect.tables import Scope, Tables, obtain

MADE = Tables(b"database", (Scope("a-z", 1, unicode=True), Scope(None, 0, unicode=False)), ((1, 2),), ())


@pytest.fixture
def build():
    def builder():
        builder.calls += 1
        return MADE

    builder.calls = 0
    return builder


def stored(folder):
    (path,) = folder.glob("*.tables")
    return path


def test_built_once_then_read(tmp_path, build):
    folder = tmp_path / "new"
    assert obtain(folder, "f1", build) == obtain(folder, "f1", build) == MADE
    assert build.calls == 1
    assert stored(folder).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert len(list(folder.iterdir())) == 1


def test_other_rules_other_file(tmp_path, build):
    obtain(tmp_path, "f1", build)
    obtain(tmp_path, "f2", build)
    assert build.calls == 2


def test_without_a_folder(build):
    assert obtain(None, "f1", build) == MADE


def flip(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def open_to_others(path):
    path.chmod(0o602)


def link(path):
    target = path.with_name("elsewhere")
    path.rename(target)
    path.symlink_to(target)


def folder(path):
    path.unlink()
    path.mkdir()


def fifo(path):
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("damage", [flip, truncate, empty, open_to_others, link, folder, fifo])
def test_a_file_that_cannot_be_trusted_is_built_again(tmp_path, build, damage):
    obtain(tmp_path, "f1", build)
    damage(stored(tmp_path))
    assert obtain(tmp_path, "f1", build) == MADE
    assert build.calls == 2


def test_a_damaged_file_is_replaced(tmp_path, build):
    obtain(tmp_path, "f1", build)
    flip(stored(tmp_path))
    obtain(tmp_path, "f1", build)
    obtain(tmp_path, "f1", build)
    assert build.calls == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path, build):
    tmp_path.chmod(0o500)
    assert obtain(tmp_path / "x", "f1", build) == MADE


def test_a_folder_that_is_a_file(tmp_path, build):
    (tmp_path / "x").write_text("")
    assert obtain(tmp_path / "x", "f1", build) == MADE
