"""What opens captures for a sensor over a folder: plain names of regular files, and nothing else."""

import os
import shutil
import socket
from pathlib import Path

import pytest

from appliance.model.errors import OperatorError
from discovery import report
from discovery.opener import Opener, opened

PCAPS = Path(__file__).parents[2] / "pcaps"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "a\0b"])
def test_what_opens_knows_no_other_place(tmp_path, name):
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OperatorError, match="no name of a file"):
        opened(fd, name)
    os.close(fd)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: path.symlink_to("/etc/hosts")])
def test_only_regular_files_are_opened(tmp_path, make):
    make(tmp_path / "x")
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OperatorError, match="x: "):
        opened(fd, "x")
    os.close(fd)


@pytest.mark.system
def test_one_reader_for_each_file_and_an_end_with_its_asker(tmp_path):
    shutil.copy(PCAPS / "openai-sdk.pcap", tmp_path / "a.pcap")
    (tmp_path / "b.pcap").mkdir()
    opener = Opener(tmp_path, None, cadence=False)
    with opener.start("a.pcap") as sock:
        assert not read(sock).refused
    with pytest.raises(FileNotFoundError):
        opener.start("gone.pcap")
    with pytest.raises(OperatorError, match=r"b\.pcap: not a regular file"):
        opener.start("b.pcap")
    opener._process.kill()
    opener._process.wait(20)
    with pytest.raises(OperatorError, match="has ended"):
        opener.start("a.pcap")
    opener.close()


def test_a_folder_that_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(OperatorError, match=r"sensor\.folder"):
        Opener(tmp_path / "x", None, cadence=False)


def read(sock: socket.socket):
    length = report.length_of(sock.recv(4, socket.MSG_WAITALL))
    return report.read(sock.recv(length, socket.MSG_WAITALL))
