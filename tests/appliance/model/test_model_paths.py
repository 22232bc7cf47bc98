"""Spellings of a path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.paths import plain_path


@pytest.mark.parametrize(
    "path",
    ["/v1/files", "/v1/%66iles", "/v1/%2566iles", "//v1//files/", "/v1/./x/../files", "/v1%2Ffiles", "\\v1\\files"],
)
def test_spellings_of_one_path(path: str) -> None:
    assert plain_path(path) == "/v1/files"


def test_another_path_stays_another() -> None:
    assert (plain_path("/v1/files/a"), plain_path("/v1/Files")) == ("/v1/files/a", "/v1/Files")
    assert plain_path("") == plain_path("/..") == "/"


@given(st.text())
def test_any_text_has_a_plain_form(path: str) -> None:
    assert plain_path(path).startswith("/")
