"""Targets and addresses of the configuration."""

import pytest

from appliance.route.targets import HostPort, Target, is_host, parse_host_port, parse_target


@pytest.mark.parametrize(
    ("text", "target", "shown"),
    [
        ("https://api.openai.com", Target("https", "api.openai.com", 443), "https://api.openai.com"),
        ("https://API.OpenAI.com:443/", Target("https", "api.openai.com", 443), "https://api.openai.com"),
        ("http://127.0.0.1:9080", Target("http", "127.0.0.1", 9080), "http://127.0.0.1:9080"),
        ("https://[2001:DB8::0:1]:8443", Target("https", "2001:db8::1", 8443), "https://[2001:db8::1]:8443"),
    ],
)
def test_targets(text: str, target: Target, shown: str) -> None:
    assert parse_target(text) == target
    assert str(target) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.openai.com",
        "ftp://x.example",
        "https://",
        "https://x.example/v1",
        "https://x.example?key=1",
        "https://x.example#a",
        "https://me:sk-hidden@x.example",
        "https://x.example:0",
        "https://x.example:99999",
        "https://x.example:x",
        "https://b\u00fccher.example",
        "https://a b.example",
        "https://[::1",
    ],
)
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_target(text)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api.openai.com:443", HostPort("api.openai.com", 443)),
        ("127.0.0.1:1", HostPort("127.0.0.1", 1)),
        ("[::1]:9443", HostPort("::1", 9443)),
    ],
)
def test_host_and_port(text: str, expected: HostPort) -> None:
    assert parse_host_port(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize("text", ["x", ":1", "x:", "x:0", "x:65536", "::1:443", "x:\u0661", "x:-1", "x:" + "9" * 5000])
def test_what_is_no_host_and_port(text: str) -> None:
    with pytest.raises(ValueError):
        parse_host_port(text)


def test_port_zero_only_where_it_is_asked_for() -> None:
    assert parse_host_port("127.0.0.1:0", any_port=True).port == 0


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("a", True),
        ("a-b.example", True),
        ("_x.example", True),
        ("0x7f.0.0.0x1", False),
        ("127.0x", False),
        ("0x7f000001", False),
        ("a.0xg", True),
        ("xn--bcher-kva.example", True),
        ("10.0.0.1", True),
        ("::1", True),
        ("10.0.0.256", False),
        ("1.2.3", False),
        ("-a.example", False),
        ("a-.example", False),
        ("a..example", False),
        ("a.example.", False),
        ("A.example", False),
        ("*.example", False),
        ("x" * 64, False),
        (".".join(["x" * 60] * 5), False),
        ("a\n", False),
        ("", False),
    ],
)
def test_host_names(name: str, good: bool) -> None:
    assert bool(is_host(name)) == good
