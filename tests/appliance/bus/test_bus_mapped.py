"""Files that workers write and sensors map: made once, known again, refused where they are not what they should be."""

import stat

import pytest

from appliance.bus import mapped
from appliance.model.errors import OperatorError

FORM = mapped.Form(b"GNMTEST1", 4096, "the table of tests")


def test_a_file_is_made_once_and_what_was_written_stays(tmp_path):
    path = mapped.create(tmp_path / "one.map", FORM)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["one.map"], "no draft is left"
    writer, reader = mapped.opened(path, FORM, write=True), mapped.opened(path, FORM, write=False)
    writer[100:105] = b"hello"
    assert mapped.create(path, FORM) == path
    assert reader[100:105] == b"hello"
    with pytest.raises(TypeError):
        reader[100:105] = b"never"


@pytest.mark.parametrize("spoilt", [b"", b"GNMTEST1", b"GNMTEST2" + bytes(4088), FORM.magic + bytes(4089)])
def test_what_is_not_sound_is_refused_by_readers_and_made_anew_by_its_maker(tmp_path, spoilt):
    path = tmp_path / "one.map"
    path.write_bytes(spoilt)
    with pytest.raises(OperatorError, match="not the table of tests; start the appliance"):
        mapped.opened(path, FORM, write=False)
    mapped.create(path, FORM)
    assert path.read_bytes() == FORM.magic + bytes(4088)


def test_a_folder_that_takes_no_file_is_an_operators_fault(tmp_path):
    with pytest.raises(OperatorError, match="cannot be made"):
        mapped.create(tmp_path / "away" / "one.map", FORM)


def test_a_link_is_not_followed(tmp_path):
    path = mapped.create(tmp_path / "one.map", FORM)
    link = tmp_path / "two.map"
    link.symlink_to(path)
    with pytest.raises(OSError, match="symbolic"):
        mapped.opened(link, FORM, write=False)
