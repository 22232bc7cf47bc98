"""Held keys in memory: they show nothing, and travel in the header of their service."""

import copy
import traceback

import msgspec
import pytest

from appliance.model.catalogue import Service
from appliance.route.held import HeldKey, held_name, is_sendable, key_header

KEY = HeldKey(b"sk-hidden")


@pytest.mark.parametrize("shown", [repr, str, lambda key: f"{key}", lambda key: f"{[key]!r}"])
def test_nothing_shows_it(shown):
    assert "sk-hidden" not in shown(KEY)


@pytest.mark.parametrize("write", [copy.copy, copy.deepcopy, msgspec.json.encode, msgspec.msgpack.encode])
def test_nothing_writes_it(write):
    with pytest.raises(TypeError) as caught:
        write(KEY)
    assert "sk-hidden" not in "".join(traceback.format_exception(caught.value))


def test_keys_are_equal_by_what_they_are():
    assert HeldKey(b"sk-hidden") == KEY
    assert HeldKey(b"sk-other") != KEY
    assert KEY != b"sk-hidden"


@pytest.mark.parametrize(
    ("service", "dialect", "header"),
    [
        ("openai", "openai.chat", (b"authorization", b"Bearer sk-hidden")),
        ("mistral", None, (b"authorization", b"Bearer sk-hidden")),
        ("anthropic", None, (b"x-api-key", b"sk-hidden")),
        ("azure_openai", None, (b"api-key", b"sk-hidden")),
        ("gemini", None, (b"x-goog-api-key", b"sk-hidden")),
        ("own", "anthropic.messages", (b"x-api-key", b"sk-hidden")),
        ("own", None, (b"authorization", b"Bearer sk-hidden")),
    ],
)
def test_the_header_of_the_service(service, dialect, header):
    made = Service(id=service, name=service, owner="x", category="model_api", dialect=dialect)
    assert key_header(made, KEY) == header


@pytest.mark.parametrize(
    ("credential", "name"),
    [
        ("held:team_1-b", "team_1-b"),
        ("held:" + "a" * 64, "a" * 64),
        ("held:" + "a" * 65, None),
        ("held:", None),
        ("held:Team", None),
        ("held:../x", None),
        ("held:x\n", None),
        ("client", None),
        ("none", None),
        ("team", None),
    ],
)
def test_names(credential, name):
    assert held_name(credential) == name


@pytest.mark.parametrize("value", [b"", b"a b", b"a\r\nx: y", b"\x00", b"\xc3\xa9", b"x" * 8193])
def test_what_cannot_stand_in_a_header(value):
    assert not is_sendable(value)
    assert is_sendable(b"x" * 8192)
