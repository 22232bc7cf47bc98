"""What an operator can get wrong: one message that names the thing, its place and what to do; exit 2; nothing changed.

Every case runs the real `gnomon up`. The state folder is compared byte for byte before and after, save for locks and
for what a start may add beside it.
"""

import hashlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from tests_support import ROOT

from appliance.journal.writer import Journal
from appliance.model.event import Notice
from appliance.standin.certificates import write_certificates

pytestmark = pytest.mark.system
GNOMON = [sys.executable, "-m", "appliance.cli"]
LISTEN = "listen: {proxy: '127.0.0.1:0', gateway: '127.0.0.1:0'}\n"


class Site:
    """A folder with a configuration and a state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self.config = folder, folder / "state", folder / "gnomon.yaml"

    def write(self, text: str) -> None:
        listen = "" if "listen:" in text else LISTEN
        self.config.write_text(f"state_dir: {self.state}\nrun_dir: {self.folder}/run\n{listen}{text}\n")

    def run(self, *words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*GNOMON, *words, "--config", str(self.config)], capture_output=True, text=True, cwd=ROOT, timeout=60
        )

    def refused(self) -> str:
        """The one message of a start that must fail."""
        before = self.hashes()
        done = self.run("up")
        assert done.returncode == 2, done.stderr
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert len(re.findall(r"^gnomon: ", done.stderr, re.MULTILINE)) == 1, done.stderr
        after = self.hashes()
        assert {name: after.get(name) for name in before} == before
        return re.split(r"^gnomon: ", done.stderr, flags=re.MULTILINE)[1]

    def hashes(self) -> dict[str, str]:
        files = (file for file in self.state.rglob("*") if file.is_file() and file.name != "lock")
        return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A state folder that an appliance has used and left in good order."""
    made = Site(tmp_path_factory.mktemp("finished"))
    made.write("")
    with subprocess.Popen(
        [*GNOMON, "up", "--json", "--config", str(made.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    ) as process:
        assert process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    return made


@pytest.fixture
def used(finished, site):
    """A copy of it."""
    shutil.copytree(finished.state, site.state, symlinks=True)
    site.write("")
    return site


@pytest.mark.parametrize(
    ("text", "named", "remedy"),
    [
        ("stat: observe", "gnomon.yaml:4: stat: unknown key", "did you mean 'stage'"),
        ("egress: {hots: {}}", "gnomon.yaml:4: egress.hots: unknown key", "did you mean 'hosts'"),
        ("workers: many", "gnomon.yaml:4: workers", "must be a number"),
        ("stage: [", "gnomon.yaml:", "not YAML"),
        ("stage: observe\nstage: enforce", "gnomon.yaml:5: stage: key stands twice", "first in line 4"),
        ("policy: {file: nowhere.yaml}", "policy.file", "no such file"),
        ("egress: {ca_bundle: nowhere.pem}", "egress.ca_bundle", "no such file"),
        ("egress: {ca_bundle: gnomon.yaml}", "egress.ca_bundle", "not readable as PEM certificates"),
        ("identity: {htpasswd: gnomon.yaml}", "identity.htpasswd", "make one with `htpasswd -B`"),
        ("catalogue: {override: gnomon.yaml}", "gnomon.yaml", ""),
        ("egress: {never: ['10.0.0.1']}", "egress.never", "not a host name"),
        ("egress: {hosts: {'a': 'b'}}", "egress.hosts.a", "write host:port"),
        ("listen: {proxy: '127.0.0.1:99999'}", "listen.proxy", "between 1 and 65535"),
        ("listen: {proxy: '192.0.2.1:8080', gateway: '127.0.0.1:0'}", "listen.proxy: 192.0.2.1:8080", "bind 127.0.0.1"),
        ("listen: {proxy: '0.0.0.0:8080', gateway: '127.0.0.1:0'}", "listen.proxy", "set listen.clients"),
        (
            "listen: {proxy: '0.0.0.0:8080', gateway: '127.0.0.1:0', clients: ['0.0.0.0/0']}",
            "listen.proxy",
            "name your networks",
        ),
        (
            "listen: {proxy: '127.0.0.1:0', gateway: '0.0.0.0:4000', clients: [10.0.0.0/8]}",
            "listen.gateway: 0.0.0.0:4000",
            "set listen.certificate and listen.key",
        ),
        ("listen: {certificate: gnomon.yaml, key: gnomon.yaml}", "listen.certificate", "not a PEM chain"),
        ("ca: {dir: gnomon.yaml}", "gnomon.yaml", ""),
    ],
)
def test_a_wrong_configuration(site, text, named, remedy):
    site.write(text)
    told = site.refused()
    assert named in told
    assert remedy in told


def test_a_configuration_that_is_not_there(site):
    done = site.run("up")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{site.config}: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not site.state.exists()


def test_a_key_of_another_certificate(site, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_certificates(tmp_path / name, ("gw.test",))
    site.write("listen: {certificate: one/server.pem, key: two/server.key}")
    assert "two/server.key: does not belong to" in site.refused()


def test_a_port_in_use(site):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        site.write(f"listen: {{proxy: '127.0.0.1:{port}', gateway: '127.0.0.1:0'}}")
        told = site.refused()
    assert f"listen.proxy: 127.0.0.1:{port} is in use by" in told
    assert "set another listen.proxy" in told


def test_a_state_folder_of_others(site):
    site.state.mkdir(mode=0o755)
    (site.state / "theirs").write_text("keep me")
    site.write("")
    assert f"chmod 700 {site.state}" in site.refused()
    assert site.state.stat().st_mode & 0o777 == 0o755


def test_a_second_instance(site):
    site.write("")
    with subprocess.Popen(
        [*GNOMON, "up", "--json", "--config", str(site.config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    ) as process:
        assert process.stdout.readline()
        done = site.run("up")
        assert done.returncode == 2
        assert f"another gnomon (pid {process.pid}) runs" in done.stderr
        assert "`gnomon down` stops it" in done.stderr
        assert site.run("status", "--json").returncode == 0  # the first one was not disturbed
        assert site.run("down").returncode == 0
        assert process.wait(60) == 0


def test_keys_of_the_authority_open_to_others(used):
    key = next(file for file in (used.state / "ca" / "intermediate").iterdir() if file.is_file())
    key.chmod(0o644)
    told = used.refused()
    assert f"chmod 600 {key}" in told


@pytest.mark.parametrize("content", [b"", b"no PEM", None], ids=["empty", "text", "of another authority"])
def test_an_authority_that_cannot_be_read(used, tmp_path, content):
    key = next(file for file in (used.state / "ca" / "intermediate").iterdir() if file.is_file())
    if content is None:
        write_certificates(tmp_path, ("x.test",))
        certificate = key.read_bytes().partition(b"-----BEGIN CERTIFICATE")
        content = (tmp_path / "server.key").read_bytes() + b"".join(certificate[1:])
    key.write_bytes(content)
    assert str(key) in used.refused()


def test_a_journal_that_was_changed_in_the_middle(used):
    journal = Journal(used.state / "journal", "w7", time.time_ns(), max_bytes=1 << 20)
    for number in range(20):
        journal.append(Notice(float(number), "w7", "info", "note", "x" * 50), {})
    journal.sync()
    journal.close()
    segment = max((used.state / "journal").glob("w7-*/*.jsonl"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(bytes(data))
    told = used.refused()
    assert str(segment) in told
    assert "byte " in told
    assert f"gnomon journal quarantine {segment.parent}" in told
    verified = used.run("journal", "verify")
    assert verified.returncode == 1
    assert str(segment) in verified.stdout


def header_checksum(data: bytes) -> int:
    """DuckDB's checksum of a header block: eight-byte words times a constant, xored."""
    result = 5381
    for (word,) in struct.iter_unpack("<Q", data):
        result ^= (word * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    return result


@pytest.mark.parametrize(
    ("damage", "remedy"),
    [
        ("text", "not a DuckDB file; move it away, or restore a backup"),
        ("older", "storage version v1.0.0"),
        ("newer", "newer DuckDB"),
        ("cut", ""),
    ],
)
def test_a_store_that_cannot_be_opened(used, damage, remedy):
    database = used.state / "store" / "gnomon.duckdb"
    if damage == "text":
        database.write_text("this is no database" * 100)
    elif damage == "older":
        database.unlink()
        duckdb.connect(str(database), config={"storage_compatibility_version": "v1.0.0"}).close()
    elif damage == "newer":
        data = bytearray(database.read_bytes())
        struct.pack_into("<Q", data, 12, 32767)
        struct.pack_into("<Q", data, 0, header_checksum(bytes(data[8:4096])))
        database.write_bytes(bytes(data))
    else:
        database.write_bytes(database.read_bytes()[:5000])
    told = used.refused()
    assert str(database) in told
    assert remedy in told


HOLD = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], config={"storage_compatibility_version": "v2.0.0"})
print("held", flush=True)
sys.stdin.read()
"""


def test_a_store_that_another_program_has_open(used):
    database = used.state / "store" / "gnomon.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        told = used.refused()
        holder.stdin.close()
        holder.wait(30)
    assert f"{database}: another program has it open" in told
    assert "close that program" in told
