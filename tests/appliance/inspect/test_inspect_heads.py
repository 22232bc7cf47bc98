"""What is written down of a request's head: findings replaced, all else as it came, a failing detector heard."""

import re

import pytest

from appliance.inspect.heads import Heads
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

KEY = "sk-" + "aB3" * 20


class Finder:
    """Addresses (never with a slash in front), keys and cards; counts its calls."""

    version = "1"
    classes = ("pii", "secret")
    max_chars = 1000

    def __init__(self):
        self.seen = []

    def scan(self, text, _source=None):
        self.seen.append(text)
        rules = (
            ("EMAIL_ADDRESS", DetectionKind.PII, r"^[\w.]+@[\w.]+\w", 1.0),
            ("OPENAI_API_KEY", DetectionKind.SECRET, r"sk-\w{40,}", 0.9),
            ("CREDIT_CARD", DetectionKind.PII, r"\d{4}-\d{4}", 1.0),
            ("URL", DetectionKind.PII, r"\w+\.\w+", 0.9),
            ("WEAK", DetectionKind.PII, r"\w+", 0.1),
        )
        return tuple(
            Detection(*match.span(), entity, kind, score, "test")
            for entity, kind, rule, score in rules
            for match in re.finditer(rule, text)
        )


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("/v1/chat/completions?key=x@y.test", "/v1/chat/completions"),
        ("/v1/users/a@x.test/runs", "/v1/users/<EMAIL_ADDRESS>/runs"),
        ("/v1/users/a%40x.test", "/v1/users/<EMAIL_ADDRESS>"),
        ("/%2e/a%40x.test%20b", "/%2e/<EMAIL_ADDRESS>%20b"),
        ("/" + KEY, "/<OPENAI_API_KEY>"),
        ("/4111-1111", "/<CREDIT_CARD>"),
        ("/a-rather-long-name-of.nothing%C3%A9", "/a-rather-long-name-of.nothing%C3%A9"),
        ("*", "*"),
        ("/a\udce9/é", "/a\ufffd/é"),
    ],
)
def test_a_path(target, told):
    assert Heads(Finder()).path(target) == told


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ("OpenAI/Python 3.51.0", ("OpenAI", "3.51.0")),
        ("curl", ("curl", None)),
        ("", (None, None)),
        ("(none)", (None, None)),
        (KEY, ("<OPENAI_API_KEY>", None)),  # longer than what is kept of a name: its beginning must not stay
        (f"x.{KEY}/1.0", ("x.<OPENAI_API_KEY>", None)),
        ("app/4111-1111 (mail)", ("app", "<CREDIT_CARD>")),
    ],
)
def test_a_user_agent(agent, told):
    assert Heads(Finder()).product(agent) == told


def test_what_can_hold_nothing_is_not_scanned():
    finder = Finder()
    heads = Heads(finder)
    heads.path("/openai/deployments/gpt-4o/chat/completions")
    heads.product("OpenAI/Python 3.51.0")
    assert finder.seen == []


def test_a_detector_that_fails_is_heard():
    class Broken(Finder):
        def scan(self, _text, _source=None):
            raise RuntimeError("recogniser lost")

    with pytest.raises(RuntimeError, match="recogniser lost"):
        Heads(Broken()).path("/a@x.test")
    with pytest.raises(RuntimeError, match="recogniser lost"):
        Heads(Broken()).product("a@x.test")
