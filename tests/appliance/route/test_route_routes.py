"""Gateway paths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.route.routes import MAX_PATH, Mapped, PathKind, map_path

ROUTES = ("openai", "house")
K = PathKind


@pytest.mark.parametrize(
    ("target", "mapped"),
    [
        ("/openai/v1/chat/completions", Mapped(K.ROUTE, "openai", "/v1/chat/completions")),
        ("/house/v1/models?limit=2", Mapped(K.ROUTE, "house", "/v1/models?limit=2")),
        ("/house", Mapped(K.ROUTE, "house", "/")),
        ("/house/", Mapped(K.ROUTE, "house", "/")),
        ("/house?a=/b", Mapped(K.ROUTE, "house", "/?a=/b")),
        ("/house/a%2Fb//c", Mapped(K.ROUTE, "house", "/a%2Fb//c")),
        ("/v1/chat/completions", Mapped(K.ROUTE, "openai", "/v1/chat/completions")),
        ("/chat/completions?x=1", Mapped(K.ROUTE, "openai", "/v1/chat/completions?x=1")),
        ("/models", Mapped(K.ROUTE, "openai", "/v1/models")),
        ("/models/gpt-5", Mapped(K.ROUTE, "openai", "/v1/models/gpt-5")),
        ("/chat/other", Mapped(K.UNKNOWN)),
        ("/healthz", Mapped(K.OWN, "healthz", "/healthz")),
        ("/healthz?x", Mapped(K.OWN, "healthz", "/healthz?x")),
        ("/healthz/", Mapped(K.UNKNOWN)),
        ("/healthz/x", Mapped(K.UNKNOWN)),
        ("/mcp/tools?x", Mapped(K.OWN, "mcp", "/mcp/tools?x")),
        ("/.well-known/x", Mapped(K.OWN, ".well-known", "/.well-known/x")),
        ("/nowhere/v1", Mapped(K.UNKNOWN)),
        ("/", Mapped(K.UNKNOWN)),
        ("/v10/chat", Mapped(K.UNKNOWN)),
        ("/House/v1", Mapped(K.UNKNOWN)),
        ("/open%61i/v1", Mapped(K.UNKNOWN)),
        ("", Mapped(K.MALFORMED)),
        ("*", Mapped(K.MALFORMED)),
        ("http://api.openai.com/v1", Mapped(K.MALFORMED)),
        ("//api.evil.example/v1", Mapped(K.MALFORMED)),
        ("/house/../openai/v1", Mapped(K.MALFORMED)),
        ("/house/%2e%2E/x", Mapped(K.MALFORMED)),
        ("/house/.%2e", Mapped(K.MALFORMED)),
        ("/./house", Mapped(K.MALFORMED)),
        ("/house\\..\\x", Mapped(K.MALFORMED)),
        ("/house/a b", Mapped(K.MALFORMED)),
        ("/house/a#b", Mapped(K.MALFORMED)),
        ("/house?a#b", Mapped(K.MALFORMED)),
        ("/house/a\r\nHost: x", Mapped(K.MALFORMED)),
        ("/house/\u00e9", Mapped(K.MALFORMED)),
        ("/house/..x", Mapped(K.ROUTE, "house", "/..x")),
        ("/house/" + "x" * MAX_PATH, Mapped(K.MALFORMED)),
    ],
)
def test_paths(target: str, mapped: Mapped) -> None:
    assert map_path(target, ROUTES, "openai") == mapped


def test_without_its_route_the_root_is_unknown() -> None:
    assert map_path("/v1/models", ("house",), "openai").kind is K.UNKNOWN


@given(st.text(alphabet="/ab.%2eopenaihouse?v1\\\n ", max_size=40))
def test_a_native_path_is_always_a_rest_of_what_came(rest: str) -> None:
    mapped = map_path("/" + rest, ROUTES, "openai")
    if mapped.kind is K.ROUTE:
        assert mapped.route in ROUTES
        assert mapped.path.startswith("/")
        assert ("/" + rest).endswith(mapped.path.removeprefix("/v1").removeprefix("/"))
