"""The authority's folder: what is kept, what is refused, what goes on without the root key."""

import os
import stat
import time

import pytest
from cryptography.hazmat.primitives import serialization

from appliance.ca import command, files, pem_files
from appliance.ca.authority import DAY, Issuer, make_intermediate, make_root, new_key
from appliance.ca.intermediates import Need
from appliance.ca.leaf_cache import LeafCache
from appliance.ca.pem_files import encode_issuers
from appliance.ca.reach import UNCONSTRAINED, reach_of
from appliance.cli.ca import _as_text
from appliance.config.catalogue import load_catalogue
from appliance.config.schema import CaConfig, Config, Egress
from appliance.model.errors import OperatorError

NOW = float(int(time.time()))
REACH = reach_of(["api.openai.com"])
WIDER = reach_of(["api.openai.com", "claude.example"])


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "state" / "ca"
    files.ensure(folder, REACH, NOW)
    return folder


def snapshot(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_first_start_makes_everything_with_the_right_modes(folder):
    assert {str(path.relative_to(folder)): mode(path) for path in folder.rglob("*")} == {
        "root.pem": 0o644,
        "root": 0o700,
        "root/root-key.pem": 0o600,
        "intermediate": 0o700,
        "intermediate/current.pem": 0o600,
    }
    assert mode(folder) == mode(folder.parent) == 0o700
    assert b"PRIVATE" not in files.export(folder)
    assert files.status(folder, REACH, NOW).renewal is Need.NO


def test_a_second_start_changes_nothing(folder):
    before = snapshot(folder)
    assert files.ensure(folder, REACH, NOW + DAY)[1] == ""
    assert snapshot(folder) == before


def test_a_root_is_never_replaced(folder):
    before = snapshot(folder)
    with pytest.raises(OperatorError, match=r"root\.pem: a root is there already"):
        files.init(folder, NOW)
    with pytest.raises(OperatorError, match="exists already"):
        pem_files.create(files.root_path(folder), b"other", 0o644)
    assert snapshot(folder) == before


def test_an_init_that_was_cut_short_is_completed_with_the_same_key(folder):
    files.root_path(folder).unlink()
    key = files.root_key_path(folder).read_bytes()
    root = files.init(folder, NOW + 1)
    assert files.root_key_path(folder).read_bytes() == key
    (issuer,) = files.load_intermediates(folder)
    assert issuer.certificate.issuer == root.subject


@pytest.mark.parametrize(
    ("reach", "age", "need"),
    [
        (REACH, 0.0, Need.NO),
        (REACH, 59 * DAY, Need.NO),
        (REACH, 61 * DAY, Need.SOON),
        (REACH, 91 * DAY, Need.NOW),
        (REACH, -3 * DAY, Need.NOW),
        (WIDER, 0.0, Need.NOW),
        (UNCONSTRAINED, 0.0, Need.NOW),
        (reach_of(["eu.api.openai.com"]), 0.0, Need.SOON),
    ],
)
def test_when_the_intermediate_is_renewed(folder, reach, age, need):
    (old,) = files.load_intermediates(folder)
    assert files.status(folder, reach, NOW + age).renewal is need
    (issuer,), told = files.ensure(folder, reach, NOW + max(age, 0.0))
    renewed = need is not Need.NO and age >= 0
    assert (issuer.certificate != old.certificate) is renewed
    assert bool(told) is renewed
    (kept,) = files.load_intermediates(folder)
    assert kept.certificate == issuer.certificate


def test_without_the_root_key_all_goes_on_until_it_cannot(folder):
    offline = folder.parent / "stick"
    files.root_key_path(folder).rename(offline)
    before = snapshot(folder)
    assert files.ensure(folder, REACH, NOW)[1] == ""
    assert files.status(folder, REACH, NOW).root_key_here is False
    issuers, told = files.ensure(folder, REACH, NOW + 70 * DAY)
    assert issuers
    assert "bring the root key back" in told
    for reach, age in ((WIDER, 0.0), (REACH, 91 * DAY)):
        with pytest.raises(OperatorError, match=r"root-key\.pem: the root key is not here.*bring the file back"):
            files.ensure(folder, reach, NOW + age)
    assert snapshot(folder) == before
    offline.rename(files.root_key_path(folder))
    assert files.ensure(folder, WIDER, NOW)[1].startswith("intermediate issued anew")


def damage_mode(path):
    path.chmod(0o640)


def damage_folder_mode(path):
    path.parent.chmod(0o750)


def damage_text(path):
    path.write_text("-----BEGIN GARBAGE-----\n")


def damage_pair(path):
    (issuer,) = pem_files.read_issuers(path)
    path.write_bytes(encode_issuers([Issuer(issuer.certificate, new_key())]))


def damage_link(path):
    aside = path.with_name("aside")
    path.rename(aside)
    path.symlink_to(aside)


def damage_kind(path):
    path.unlink()
    os.mkfifo(path, 0o600)


def damage_owner(path):
    path.write_bytes(encode_issuers([make_root(NOW)]))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_mode, "open to others.*chmod 600"),
        (damage_folder_mode, "open to others.*chmod 700"),
        (damage_text, "not a PEM file with a key and a certificate"),
        (damage_pair, "do not belong together"),
        (damage_link, "cannot be read"),
        (damage_kind, "not a PEM file"),
        (damage_owner, "was not issued by|another root"),
    ],
)
@pytest.mark.parametrize("which", [files.intermediate_path, files.root_key_path], ids=["intermediate", "root"])
def test_a_bad_file_is_named_and_left_alone(folder, which, damage, message):
    path = which(folder)
    damage(path)
    before = sorted(folder.rglob("*"))
    with pytest.raises(OperatorError, match=message) as caught:
        files.ensure(folder, WIDER, NOW)
    assert str(path.parent) in str(caught.value)
    assert "PRIVATE" not in str(caught.value)
    assert sorted(folder.rglob("*")) == before


def test_a_damaged_root_certificate_is_named(folder):
    files.root_path(folder).write_text("nothing")
    with pytest.raises(OperatorError, match=r"root\.pem: not a PEM certificate"):
        files.ensure(folder, REACH, NOW)


def test_nothing_there_says_what_to_do(tmp_path):
    with pytest.raises(OperatorError, match="gnomon ca init"):
        files.export(tmp_path / "none")
    empty = files.status(tmp_path / "none", REACH, NOW)
    assert (empty.root, empty.intermediates, empty.renewal) == (None, (), Need.NOW)


def test_a_failed_write_leaves_the_old_file_and_no_litter(folder, monkeypatch):
    before = snapshot(folder)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OperatorError, match=r"current\.pem: cannot be written: No space left"):
        files.issue_intermediates(folder, WIDER, NOW)
    monkeypatch.undo()
    assert snapshot(folder) == before


def config_for(tmp_path, intercept="ai"):
    return Config(state_dir=str(tmp_path), ca=CaConfig(dir=None), egress=Egress(intercept=intercept))


def test_the_commands(tmp_path):
    config = config_for(tmp_path)
    text = command.init(config, now=NOW)
    assert "Root made" in text
    assert str(tmp_path / "ca" / "root.pem") in text
    found = command.status(config, now=NOW)
    assert found.renewal is Need.NO
    assert any(domain == "api.openai.com" or "api.openai.com".endswith("." + domain) for domain in found.domains)
    assert command.export(config).startswith(b"-----BEGIN CERTIFICATE-----")
    root = files.root_certificate(tmp_path / "ca")
    assert command.export(config, "der") == root.public_bytes(serialization.Encoding.DER)
    with pytest.raises(OperatorError, match="pem or der"):
        command.export(config, "p12")
    with pytest.raises(OperatorError, match="needs no renewal"):
        command.init(config, now=NOW)
    assert "Root kept" in command.init(config, now=NOW + 70 * DAY)


def test_an_unconstrained_intermediate_must_be_asked_for(tmp_path):
    config = config_for(tmp_path, "all")
    with pytest.raises(OperatorError, match="--unconstrained"):
        command.init(config, now=NOW)
    with pytest.raises(OperatorError, match="--unconstrained"):
        command.prepare(config, load_catalogue(None), NOW)
    assert not (tmp_path / "ca").exists()
    assert "UNCONSTRAINED" in command.init(config, unconstrained=True, now=NOW)
    assert command.status(config, now=NOW).unconstrained
    (issuer,), told = command.prepare(config, load_catalogue(None), NOW + 70 * DAY)
    assert "UNCONSTRAINED" in issuer.certificate.subject.rfc4514_string()
    assert told


MANY = reach_of([f"h{number}.example" for number in range(150)])
MORE = reach_of([*MANY.domains, "late.example"])


def one_for_all(folder):
    """A folder as it was before names were shared out: one intermediate for all of them."""
    files.init(folder, NOW)
    (root,) = pem_files.read_issuers(files.root_key_path(folder))
    pem_files.make_folder(files.intermediate_path(folder).parent)
    single = make_intermediate(root, MANY, NOW)
    pem_files.replace(files.intermediate_path(folder), encode_issuers([single]), 0o600)
    return single


def test_a_single_intermediate_gives_way_to_a_set_once_the_root_key_is_there(tmp_path):
    folder, offline = tmp_path / "ca", tmp_path / "stick"
    single = one_for_all(folder)
    files.root_key_path(folder).rename(offline)
    (kept,), told = files.ensure(folder, MANY, NOW)
    assert kept.certificate == single.certificate
    assert "bring the root key back" in told
    assert LeafCache([kept]).get("h7.example", NOW)
    assert files.status(folder, MANY, NOW).renewal is Need.SOON
    offline.rename(files.root_key_path(folder))
    issuers, told = files.ensure(folder, MANY, NOW)
    assert len(issuers) > 1
    assert "large certificate" in told
    assert files.ensure(folder, MANY, NOW)[1] == ""
    assert [issuer.certificate for issuer in files.load_intermediates(folder)] == [one.certificate for one in issuers]
    assert single.key.private_numbers() != issuers[0].key.private_numbers()


def test_without_the_root_key_a_new_name_is_refused_by_name_and_the_others_go_on(tmp_path):
    folder = tmp_path / "ca"
    files.ensure(folder, MANY, NOW)
    files.root_key_path(folder).unlink()
    before = snapshot(folder)
    with pytest.raises(OperatorError, match=r"root key is not here.*none covers late\.example\); bring the file back"):
        files.ensure(folder, MORE, NOW)
    issuers, told = files.ensure(folder, MORE, NOW, starting=True)
    assert len(issuers) > 1
    assert "none covers late.example, and connections to them are closed until then; bring the root key" in told
    assert told == files.due(folder, MORE, NOW)
    assert files.due(folder, MANY, NOW) == ""
    for reach, age in ((MORE, 91 * DAY), (UNCONSTRAINED, 0.0)):  # what cannot wait starts nothing
        with pytest.raises(OperatorError, match="root key is not here"):
            files.ensure(folder, reach, NOW + age, starting=True)
    assert snapshot(folder) == before
    leaves = LeafCache(files.load_intermediates(folder))
    assert all(leaves.get(name, NOW) for name in MANY.domains)
    with pytest.raises(OperatorError, match="does not cover"):
        leaves.get("late.example", NOW)


def test_one_certificate_of_another_key_among_them_is_refused(tmp_path):
    folder = tmp_path / "ca"
    issuers, _ = files.ensure(folder, MANY, NOW)
    (root,) = pem_files.read_issuers(files.root_key_path(folder))
    stranger = make_intermediate(root, MANY, NOW)
    path = files.intermediate_path(folder)
    pem_files.replace(path, encode_issuers([*issuers, stranger]), 0o600)
    with pytest.raises(OperatorError, match="do not belong together"):
        files.load_intermediates(folder)
    foreign = make_intermediate(make_root(NOW), MANY, NOW, key=issuers[0].key)
    pem_files.replace(path, encode_issuers([*issuers, foreign]), 0o600)
    with pytest.raises(OperatorError, match="was not issued by"):
        files.load_intermediates(folder)


def test_a_set_that_could_not_be_read_back_is_not_written(folder, monkeypatch):
    before = snapshot(folder)
    monkeypatch.setattr(files, "MAX_BYTES", 2000)
    with pytest.raises(OperatorError, match="take names out of the catalogue"):
        files.ensure(folder, MANY, NOW)
    assert snapshot(folder) == before


def test_the_status_counts_a_set(tmp_path):
    config = config_for(tmp_path)
    assert "of one key, until" in command.init(config, now=NOW)
    found = command.status(config, now=NOW)
    assert sum(len(one.domains) for one in found.intermediates) == len(found.domains)
    text = _as_text(found)
    assert f"intermediates {len(found.intermediates)} of one key, until" in text
    assert "at most " in text
    assert "intermediate  none" in _as_text(files.status(tmp_path / "none", REACH, NOW))
