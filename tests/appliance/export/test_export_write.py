"""Files in the folder of an export: whole or not at all."""

import errno
import os
import resource

import pytest

from appliance.export.write import Folder
from appliance.model.errors import OperatorError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_are_private_and_whole(tmp_path):
    with Folder(tmp_path / "a" / "out") as folder:
        folder.write("one.csv", [b"1", b"2"])
        folder.write("two.csv", [])
        assert not (tmp_path / "a" / "out" / "one.csv").exists()
        paths = folder.publish()
    assert [(path.name, path.read_bytes(), path.stat().st_mode & 0o777) for path in paths] == [
        ("one.csv", b"12", 0o600),
        ("two.csv", b"", 0o600),
    ]
    assert (tmp_path / "a" / "out").stat().st_mode & 0o777 == 0o700
    assert names(tmp_path / "a" / "out") == ["one.csv", "two.csv"]


def test_without_publish_nothing_stays(tmp_path):
    def broken():
        yield b"half"
        raise ConnectionError

    def fill():
        with Folder(tmp_path / "out") as folder:
            folder.write("one.csv", [b"1"])
            folder.write("two.csv", broken())

    with pytest.raises(ConnectionError):
        fill()
    assert not (tmp_path / "out").exists()


def test_a_folder_that_was_there_stays_as_it_is(tmp_path):
    tmp_path.chmod(0o755)
    (tmp_path / "mine").write_text("kept")

    def fill():
        with Folder(tmp_path) as folder:
            folder.write("one.csv", [b"1"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill()
    assert names(tmp_path) == ["mine"]
    assert tmp_path.stat().st_mode & 0o777 == 0o755


def test_a_file_that_lies_there_is_kept_unless_forced(tmp_path):
    (tmp_path / "one.csv").write_text("old")
    with Folder(tmp_path) as folder, pytest.raises(OperatorError, match=r"one\.csv: exists.*--force"):
        folder.refuse_present(["zero.csv", "one.csv"])
    with Folder(tmp_path, force=True) as folder:
        folder.refuse_present(["one.csv"])
        folder.write("one.csv", [b"new"])
        folder.publish()
    assert (tmp_path / "one.csv").read_text() == "new"
    assert (tmp_path / "one.csv").stat().st_mode & 0o777 == 0o600


def test_a_file_that_comes_up_meanwhile_is_kept_and_nothing_else_is_placed(tmp_path):
    with Folder(tmp_path) as folder:
        folder.write("one.csv", [b"1"])
        folder.write("two.csv", [b"2"])
        (tmp_path / "two.csv").write_text("theirs")
        with pytest.raises(OperatorError, match=r"two\.csv"):
            folder.publish()
    assert names(tmp_path) == ["two.csv"]
    assert (tmp_path / "two.csv").read_text() == "theirs"


def test_a_link_is_never_followed(tmp_path):
    (tmp_path / "target").write_text("kept")
    (tmp_path / "one.csv").symlink_to(tmp_path / "target")
    with Folder(tmp_path) as folder:
        folder.write("one.csv", [b"1"])
        with pytest.raises(OperatorError):
            folder.publish()
    with Folder(tmp_path, force=True) as folder:
        folder.write("one.csv", [b"1"])
        folder.publish()
    assert (tmp_path / "target").read_text() == "kept"


@pytest.mark.parametrize("name", ["../x", "/etc/x", ".hidden", "a/b", "", "x\0", "x" * 200])
def test_odd_names_are_refused(tmp_path, name):
    with Folder(tmp_path / "out") as folder, pytest.raises(OperatorError, match="odd name"):
        folder.write(name, [b"1"])


def test_a_place_that_is_no_folder_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="no folder"):
        Folder(tmp_path / "file").__enter__()
    with pytest.raises(OperatorError, match="cannot be written"):
        Folder(tmp_path / "file" / "below").__enter__()


def test_a_file_larger_than_the_medium_takes_leaves_nothing(tmp_path):
    # RLIMIT_FSIZE stands for a full disk: write(2) fails in the same place.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OperatorError, match=os.strerror(errno.EFBIG)), Folder(tmp_path / "out") as folder:
            folder.write("one.csv", (bytes(1 << 18) for _ in range(8)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "out").exists()
