"""Held keys on disk: what is not private is refused, what is written is whole, and no message shows a key."""

import os

import pytest

from appliance.config import credentials
from appliance.config.load import load
from appliance.config.schema import Config, Gateway, RouteEntry
from appliance.model.errors import OperatorError

SECRET = b"sk-of-the-company"
KEY_OF_SITE = b"k" * 32


def config_at(folder, credential="held:team", **gateway):
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    route = RouteEntry(service="openai", target="https://api.openai.com", credential=credential)
    return Config(state_dir=str(folder / "state"), gateway=Gateway(routes={"openai": route}, **gateway))


@pytest.fixture
def config(tmp_path):
    return config_at(tmp_path)


@pytest.fixture
def file(config):
    return credentials.write_key(config, "team", SECRET + b"\n")


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    folder = tmp_path / "systemd"
    folder.mkdir(mode=0o500)
    monkeypatch.setenv(credentials.SYSTEMD, str(folder))
    folder.chmod(0o700)
    return folder


def test_what_is_written_is_private_and_read_back(config, file):
    assert file == config.credentials_dir / "team"
    assert [oct(path.stat().st_mode & 0o777) for path in (file.parent, file)] == ["0o700", "0o600"]
    assert credentials.read_key(config, "team").reveal() == SECRET
    assert [path.name for path in file.parent.iterdir()] == ["team"]
    credentials.write_key(config, "team", b"sk-next")
    assert credentials.read_key(config, "team").reveal() == b"sk-next"


@pytest.mark.parametrize("value", [b"", b"\n", b"a\nb", b"a b", b"a\n\n", b"\xff", b"x" * 8193])
def test_what_is_no_key_is_not_written(config, value):
    with pytest.raises(OperatorError, match="nothing was written"):
        credentials.write_key(config, "team", value)
    assert credentials.read_key(config, "team") is None


@pytest.mark.parametrize("name", ["", "Team", "a/b", "..", "x" * 65, "sk-a.b"])
def test_what_is_no_name(config, name):
    with pytest.raises(OperatorError, match="never the key itself"):
        credentials.write_key(config, name, SECRET)


def linked(path):
    path.rename(path.with_name("else"))
    path.symlink_to("else")


def piped(path):
    path.unlink()
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.chmod(0o640), "chmod 600"),
        (lambda path: path.chmod(0o604), "chmod 600"),
        (lambda path: path.chmod(0o700), "chmod 600"),
        (lambda path: path.parent.chmod(0o750), "chmod 700"),
        (lambda path: path.write_bytes(b"sk-of-the-company\nmore"), "one line"),
        (lambda path: path.write_bytes(b"sk-of-the-company\r\n\n"), "one line"),
        (lambda path: path.write_bytes(b"sk-of-the-company" * 1000), "one line"),
        (lambda path: path.write_bytes(b""), "one line"),
        (linked, "is a link"),
        (piped, "not a regular file"),
        (lambda path: (path.unlink(), path.mkdir()), "not a regular file"),
    ],
)
def test_what_is_not_as_it_must_be_is_refused(config, file, spoil, words):
    spoil(file)
    with pytest.raises(OperatorError, match=words) as caught:
        credentials.read_key(config, "team")
    assert str(file.parent) in str(caught.value)
    assert "sk-of-the-company" not in str(caught.value)
    assert list(credentials.check(config)) == [str(caught.value)]
    assert credentials.load_keys(config).faults == {"team": str(caught.value)}
    assert credentials.usable(config) == ({"team"} if words == "one line" else set())  # told without reading it


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_belongs_to_somebody_else_is_refused(config, file):
    os.chown(file, 12345, -1)
    with pytest.raises(OperatorError, match="belongs to uid 12345"):
        credentials.read_key(config, "team")
    os.chown(file.parent, 12345, -1)
    with pytest.raises(OperatorError, match="folder of held credentials belongs to uid 12345"):
        credentials.write_key(config, "team", SECRET)


def test_a_folder_behind_a_link_is_refused(config, file, tmp_path):
    file.parent.rename(tmp_path / "moved")
    file.parent.symlink_to(tmp_path / "moved")
    with pytest.raises(OperatorError):
        credentials.read_key(config, "team")


def test_read_only_and_with_one_newline_is_as_good(config, file):
    for value in (SECRET, SECRET + b"\n", SECRET + b"\r\n"):
        file.chmod(0o600)
        file.write_bytes(value)
        file.chmod(0o400)
        assert credentials.read_key(config, "team").reveal() == SECRET


def test_a_missing_one_may_still_come(config):
    assert list(credentials.check(config)) == []
    keys = credentials.load_keys(config)
    assert keys.held == {}
    assert "gnomon keys add team" in keys.faults["team"]


def test_what_systemd_gives_goes_first(config, file, systemd):
    assert credentials.usable(config) == {"team"}
    (systemd / "team").write_bytes(b"sk-of-systemd\n")
    (systemd / "team").chmod(0o440)
    assert credentials.read_key(config, "team").reveal() == b"sk-of-systemd"
    (systemd / "team").chmod(0o444)
    with pytest.raises(OperatorError, match="systemd"):
        credentials.read_key(config, "team")


def test_the_list_shows_where_from_and_a_fingerprint(config, file, systemd):
    (systemd / "other").write_bytes(b"sk-of-systemd")
    (systemd / "other").chmod(0o400)
    told = credentials.listed(config, KEY_OF_SITE)
    assert [(entry.name, entry.place, bool(entry.fingerprint)) for entry in told] == [
        ("other", "systemd", True),
        ("team", "file", True),
    ]
    assert "sk-" not in repr(told)
    assert credentials.remove_key(config, "team")
    assert not credentials.remove_key(config, "team")
    assert credentials.listed(config, None)[-1].fault == "missing"


def test_only_what_routes_ask_for_is_read(tmp_path):
    config = config_at(tmp_path, "client")
    credentials.write_key(config, "team", SECRET)
    assert credentials.load_keys(config) == credentials.Keys({}, {})
    assert [entry.name for entry in credentials.listed(config, KEY_OF_SITE)] == ["team"]


def test_a_folder_elsewhere_is_not_made(tmp_path):
    config = config_at(tmp_path, credentials_dir=str(tmp_path / "keys"))
    with pytest.raises(OperatorError, match="mkdir -m 700"):
        credentials.write_key(config, "team", SECRET)
    (tmp_path / "keys").mkdir(mode=0o700)
    assert credentials.write_key(config, "team", SECRET) == tmp_path / "keys" / "team"


ROUTE = "gateway: {{credentials_dir: keys, routes: {{openai: {{service: openai, target: '{}', credential: '{}'}}}}}}\n"


@pytest.mark.parametrize(
    ("target", "credential", "words"),
    [
        ("https://api.openai.com", "held:team", ""),
        ("http://127.0.0.1:8000", "held:team", ""),
        ("http://10.0.0.1:8000", "held:team", "must not travel in clear"),
        ("http://model.test", "held:team", "must not travel in clear"),
        ("https://api.openai.com", "held:sk-ANY", "never write a key here"),
        ("https://api.openai.com", "held:", "never write a key here"),
    ],
)
def test_routes_in_the_configuration(tmp_path, target, credential, words):
    (tmp_path / "gnomon.yaml").write_text(ROUTE.format(target, credential))
    if not words:
        assert load(tmp_path / "gnomon.yaml").credentials_dir == tmp_path / "keys"
        return
    with pytest.raises(OperatorError, match=words) as caught:
        load(tmp_path / "gnomon.yaml")
    assert "sk-ANY" not in str(caught.value)


@pytest.mark.parametrize(
    ("portal", "words"),
    [
        ("contact: 'help@corp.test', address: 'https://ai.corp.test', acknowledged_s: 60", ""),
        ("address: 'ai.corp.test'", "portal.address"),
        ("address: 'https://ai.corp.test/path'", "portal.address"),
        (f"contact: '{'x' * 201}'", "portal.contact"),
        ("acknowledged_s: -1", "portal.acknowledged_s"),
    ],
)
def test_the_portal_in_the_configuration(tmp_path, portal, words):
    (tmp_path / "gnomon.yaml").write_text(f"portal: {{{portal}}}\n")
    if words:
        with pytest.raises(OperatorError, match=words):
            load(tmp_path / "gnomon.yaml")
    else:
        assert load(tmp_path / "gnomon.yaml").portal.acknowledged_s == 60
