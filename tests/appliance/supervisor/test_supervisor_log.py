"""Log lines in both forms: one line each, inert, whatever stands in them."""

import json
import logging

import pytest

from appliance.supervisor import log

HOSTILE = 'x\x1b]0;t\x07\n"}{"level": "error"'


@pytest.fixture
def form():
    root = logging.getLogger()
    handlers, level, raising = root.handlers[:], root.level, logging.raiseExceptions
    yield log.configure
    log.configure(form="text")
    root.handlers[:], logging.raiseExceptions = handlers, raising
    root.setLevel(level)


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def test_json_lines(form, capsys):
    form(form="json")
    logging.getLogger("gnomon.x").warning("said %s", HOSTILE)
    logging.getLogger("gnomon.x").error("failed", exc_info=ValueError(HOSTILE))
    log.pass_on("w0", HOSTILE)
    first, second, third = map(json.loads, lines(capsys))
    assert (first["level"], first["logger"], first["message"][:6]) == ("warning", "gnomon.x", "said x")
    assert set(first) == {"ts", "level", "logger", "message"}
    assert second["message"].startswith("failed [ValueError: x")
    assert (third["logger"], "level" in third) == ("w0", False)
    assert not any(ord(char) < 32 for one in (first, second, third) for char in one["message"])


def test_text_lines(form, capsys):
    form()
    logging.getLogger("gnomon.x").info("said %s", HOSTILE)
    log.pass_on("w0", HOSTILE)
    first, second = lines(capsys)
    assert " info gnomon.x: said x" in first
    assert second.startswith("[w0] x")
    assert "\x1b" not in first + second


def test_times_are_utc_with_their_zone(form, capsys):
    form(form="json")
    logging.getLogger("gnomon.x").info("x")
    (line,) = lines(capsys)
    assert json.loads(line)["ts"].endswith("+00:00")
