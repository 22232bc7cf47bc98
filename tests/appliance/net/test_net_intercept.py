"""Which tunnels are opened."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.catalogue import Catalogue, Service
from appliance.model.errors import OperatorError
from appliance.model.names import RefusalReason
from appliance.net.intercept import Handling, Interception

CATALOGUE = Catalogue(
    (
        Service(id="openai", name="OpenAI", owner="OpenAI", category="llm", domains=("api.openai.com",)),
        Service(id="azure", name="Azure", owner="Microsoft", category="llm", domains=(".openai.azure.com",)),
    ),
    "1",
)
NEVER = ("bank.example", ".clinic.example", "sealed.openai.azure.com")


@pytest.mark.parametrize(
    ("mode", "host", "opened"),
    [
        ("ai", "api.openai.com", True),
        ("ai", "API.OPENAI.COM.", True),
        ("ai", "x.openai.azure.com", True),
        ("ai", "sealed.openai.azure.com", False),
        ("ai", "news.example", False),
        ("all", "news.example", True),
        ("ai+unclassified", "news.example", True),
        ("all", "bank.example", False),
        ("all", "www.bank.example", True),
        ("all", "clinic.example", False),
        ("all", "a.b.clinic.example", False),
        ("all", "10.0.0.1", False),
        ("all", "not a name", False),
    ],
)
def test_which_names_are_opened(mode, host, opened):
    assert Interception(mode, NEVER, CATALOGUE).intercepts(host) is opened


@pytest.mark.parametrize(
    ("mode", "connect", "sni", "handling", "reason"),
    [
        ("ai", "api.openai.com", "api.openai.com", Handling.OPEN, None),
        ("ai", "api.openai.com", None, Handling.OPEN, None),
        ("ai", "93.184.216.34", "api.openai.com", Handling.OPEN, None),
        ("ai", "news.example", "news.example", Handling.PASS, None),
        ("ai", "news.example", "cdn.news.example", Handling.PASS, None),
        ("ai", "93.184.216.34", None, Handling.PASS, None),
        ("ai", "sealed.openai.azure.com", "sealed.openai.azure.com", Handling.PASS, None),
        ("ai", "news.example", "api.openai.com", Handling.REFUSE, RefusalReason.NAME_DISAGREEMENT),
        ("ai", "api.openai.com", "news.example", Handling.REFUSE, RefusalReason.NAME_DISAGREEMENT),
        ("ai", "bank.example", "api.openai.com", Handling.REFUSE, RefusalReason.NAME_DISAGREEMENT),
        ("ai", "x.openai.azure.com", "sealed.openai.azure.com", Handling.REFUSE, RefusalReason.NAME_DISAGREEMENT),
        ("ai", "sealed.openai.azure.com", "x.openai.azure.com", Handling.REFUSE, RefusalReason.NAME_DISAGREEMENT),
        ("all", "a.example", "b.example", Handling.REFUSE, RefusalReason.NAME_DISAGREEMENT),
        ("all", "bank.example", "bank.example", Handling.PASS, None),
        ("all", "93.184.216.34", None, Handling.REFUSE, RefusalReason.OUTSIDE_INTERCEPT),
        ("all", None, None, Handling.REFUSE, RefusalReason.OUTSIDE_INTERCEPT),
    ],
)
def test_what_happens_to_a_handshake(mode, connect, sni, handling, reason):
    verdict = Interception(mode, NEVER, CATALOGUE).tunnel(connect, sni)
    assert (verdict.handling, verdict.reason) == (handling, reason)
    assert bool(verdict.host) is (handling is Handling.OPEN)


names = st.sampled_from([
    None, "api.openai.com", "x.openai.azure.com", "sealed.openai.azure.com", "bank.example", "a.clinic.example",
    "news.example", "10.0.0.1", "[::1]", "", "not a name", "API.openai.com.",
])  # fmt: skip


@given(st.sampled_from(["ai", "all", "ai+unclassified"]), names, names)
def test_never_wins_and_ai_never_passes_unless_sealed(mode, connect, sni):
    interception = Interception(mode, NEVER, CATALOGUE)
    verdict = interception.tunnel(connect, sni)
    present = [name for name in (connect, sni) if name is not None]
    if any(interception.sealed(name) for name in present):
        assert verdict.handling is not Handling.OPEN
    if any(interception.intercepts(name) for name in present):
        assert verdict.handling is not Handling.PASS


@pytest.mark.parametrize("entry", ["10.0.0.1", "*.bank.example", "", "a b", "."])
def test_a_bad_never_entry_is_refused(entry):
    with pytest.raises(OperatorError, match=r"egress\.never"):
        Interception("ai", (entry,), CATALOGUE)


def test_a_bad_mode_is_refused():
    with pytest.raises(OperatorError, match=r"egress\.intercept"):
        Interception("some", (), CATALOGUE)
