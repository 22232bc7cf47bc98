"""What may be written down of a text from the wire."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.names import ObservationKind, Transport
from appliance.model.observation import Observation
from discovery import written


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/models?key=AIzaSyD-secret", "/v1/models"),
        ("/v1beta/models/gemini-2.5-pro:generateContent?key=x", "/v1beta/models/*"),
        ("http://api.example.test/v1/chat#frag", "/v1/chat"),
        ("/users/jo@example.org/files", "/users/*/files"),
        ("/users/jo%40example.org", "/users/*"),
        ("/t/sk-proj-abcdefghijklmnop/x", "/t/*/x"),
        ("/tel/0170 1234567", "/tel/*"),
        ("/" + "a/" * 5000, ("/" + "a/" * 5000)[: written.MAX_PATH]),
        ("*", "*"),
    ],
)
def test_a_path_keeps_the_way_and_nothing_that_means_somebody(target, kept):
    assert written.path(target) == kept


@pytest.mark.parametrize(
    ("agent", "kept"),
    [
        ("OpenAI/Python 3.51.0", "OpenAI/Python 3.51.0"),
        ("python-requests/2.32.3", "python-requests/2.32.3"),
        (
            "Mozilla/5.0 (X11; Linux x86_64; jo@example.org) AppleWebKit/537.36 Chrome/142.0.0.0",
            "Mozilla/5.0 AppleWebKit/537.36 Chrome/142.0.0.0",
        ),
        ("claude-cli/1.0.3 (external, cli)", "claude-cli/1.0.3"),
        ("langchain", "langchain"),
        ("jo@example.org", None),
        ("Bearer sk-proj-abcdefghijklmnopqrstuvwxyz", "Bearer"),
        ("client/123456789", None),
        ("x/1 " * 50, " ".join(["x/1"] * written.MAX_PRODUCTS)),
        ("\x1b[31mred/1.0\x1b[0m", "31mred/1.0"),
        ("", None),
    ],
)
def test_of_a_user_agent_products_are_kept(agent, kept):
    found = written.products(agent)
    if "red" not in agent:
        assert found == kept
    assert found is None or "\x1b" not in found


@given(st.text(max_size=3000), st.text(max_size=3000), st.lists(st.text(max_size=400), max_size=40))
def test_whatever_comes_is_bounded(path, agent, words):
    seen = Observation(
        ts=1,
        src="10.0.0.1",
        sport=1,
        dst="10.0.0.2",
        dport=2,
        transport=Transport.TCP,
        kind=ObservationKind.HTTP,
        server_name=path,
        host=path,
        path=path,
        user_agent=agent,
        method=path,
        ja3=path,
        ja4=path,
        alpn=tuple(words),
        notes=tuple(words),
    )
    cut = written.cut(seen)
    assert len(cut.server_name or "") <= 255
    assert len(cut.host or "") <= 255
    assert len(cut.path or "") <= written.MAX_PATH
    assert len(cut.user_agent or "") <= 6 * 100
    assert len(cut.alpn) <= 8
    assert len(cut.notes) <= 8
    assert "?" not in (cut.path or "")


@given(st.text(max_size=3000), st.lists(st.text(max_size=400), max_size=100))
def test_answers_and_hosts_are_bounded_too(text, words):
    given_texts = dict.fromkeys(
        (
            *("tls_version", "cipher", "alert", "server", "content_type", "software", "model", "ended", "mac"),
            *("hostname", "path"),
        ),
        text,
    )
    lists = dict.fromkeys(("names", "addresses", "aliases", "marks", "tools", "notes"), tuple(words))
    seen = Observation(
        ts=1, src="10.0.0.1", sport=1, dst="10.0.0.2", dport=2, transport=Transport.TCP,
        kind=ObservationKind.HTTP_RESPONSE, **given_texts, **lists,
    )  # fmt: skip
    cut = written.cut(seen)
    for name, value in msgspec.structs.asdict(cut).items():
        if isinstance(value, str):
            assert len(value) <= 6 * 100, name
        if isinstance(value, tuple):
            assert len(value) <= 64, name
            assert all(len(one) <= 255 for one in value), name


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("claude-opus-4-20250514", "claude-opus-4-20250514"),
        ("litellm 1.82.7", "litellm 1.82.7"),
        ("llama3.1:8b-instruct-q4_K_M", "llama3.1:8b-instruct-q4_K_M"),
        ("jo@example.org", written.HIDDEN),
        ("sk-proj-abcdefghijklmnop1234", written.HIDDEN),
        ("please send my salary", written.HIDDEN),
        ("0123456789", written.HIDDEN),
        ("", None),
    ],
)
def test_of_models_and_tools_only_names_are_kept(word, kept):
    seen = Observation(
        ts=1, src="10.0.0.1", sport=1, dst="10.0.0.2", dport=2, transport=Transport.TCP,
        kind=ObservationKind.HTTP_RESPONSE, model=word, software=word, tools=(word,),
    )  # fmt: skip
    cut = written.cut(seen)
    assert (cut.model, cut.software, cut.tools) == (kept, kept, (kept,) if kept else ())


@pytest.mark.parametrize("kind", [ObservationKind.TLS, ObservationKind.QUIC, ObservationKind.DNS])
def test_a_hello_or_question_that_claims_what_only_answers_tell_is_cut_as_they_are(kind):
    secret = "sk-" + "a1" * 12
    told = written.cut(
        Observation(
            ts=0.0,
            src="192.0.2.9",
            sport=1,
            dst="192.0.2.1",
            dport=443,
            transport=Transport.TCP,
            kind=kind,
            model=secret,
            software=secret,
            tools=(secret,),
            marks=("evil",),
            server="x" * 2_000,
        )
    )
    assert (told.model, told.software, told.tools, told.marks, told.server) == ("*", "*", ("*",), (), None)
