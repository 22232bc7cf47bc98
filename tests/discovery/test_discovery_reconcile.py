"""Why a connection came past the appliance, and what its bytes say of the tokens."""

import pytest

from appliance.model.names import Cause, Governance, Leg, ObservationKind
from discovery.reconcile import PINNED_S, Rejections, Way, cause, governance, plausible, private

TLS = ObservationKind.TLS


def way(server="198.51.100.7", kind=TLS, leg=Leg.DIRECT, category="model_api", **more):
    return Way(leg, kind, server, category, **more)


@pytest.mark.parametrize(
    ("seen", "word", "why"),
    [
        (way(leg=Leg.PROXY), Governance.GOVERNED, None),
        (way(leg=Leg.PROXY, connect=True), Governance.GOVERNED, None),
        (way(kind=ObservationKind.DNS), Governance.UNKNOWN, None),
        (way("8.8.8.8"), Governance.BYPASS, Cause.DIRECT_ADDRESS),
        (way("8.8.8.8", ObservationKind.QUIC), Governance.BYPASS, Cause.QUIC),
        (way("8.8.8.8", ObservationKind.QUIC, pinned=True), Governance.BYPASS, Cause.PINNED),
        (way("8.8.8.8", connect=True, pinned=True), Governance.BYPASS, Cause.TUNNEL),
        (way("8.8.8.8", hidden=True), Governance.BYPASS, Cause.ECH),
        (way("10.1.2.3", ObservationKind.HTTP, category="local_model"), Governance.BYPASS, Cause.LAN_MODEL),
        (way("fd00::1", ObservationKind.HTTP, category="mcp"), Governance.BYPASS, Cause.LAN_MODEL),
        (way("8.8.8.8", ObservationKind.HTTP, category="local_model"), Governance.BYPASS, Cause.DIRECT_ADDRESS),
        (way("10.1.2.3"), Governance.BYPASS, Cause.DIRECT_ADDRESS),
    ],
    ids=str,
)
def test_each_way_has_its_word_and_its_cause(seen, word, why):
    assert (governance(seen), cause(seen)) == (word, why)


def test_what_is_no_address_is_not_private():
    assert not private("nowhere")


def test_a_rejection_counts_for_its_client_and_service_and_a_while():
    seen = Rejections()
    seen.note(100, "c", "openai")
    assert seen.pinned(100, "c", "openai")
    assert seen.pinned(100 + PINNED_S, "c", "openai")
    for now, client, service in (
        (99, "c", "openai"),
        (101 + PINNED_S, "c", "openai"),
        (100, "d", "openai"),
        (100, "c", "x"),
    ):
        assert not seen.pinned(now, client, service)


def test_rejections_are_bounded():
    seen = Rejections(limit=2)
    for client in "abc":
        seen.note(1, client, "s")
    assert [seen.pinned(1, client, "s") for client in "abc"] == [False, True, True]


@pytest.mark.parametrize(
    ("up", "tokens", "requests", "at_least", "word"),
    [
        (5_000, 500, 1, False, "plausible"),
        (4_000_000, 1_000_000, 1, False, "plausible"),
        (100, 1_000, 1, False, "more_tokens"),
        (100, 1_000, 1, True, "plausible"),
        (5_000_000, 100, 1, False, "more_bytes"),
        (5_000_000, 100, 1, True, "more_bytes"),
        (160_000, 0, 10, False, "plausible"),
        (0, 0, 0, False, "plausible"),
    ],
)
def test_tokens_and_bytes_are_held_against_each_other(up, tokens, requests, at_least, word):
    assert plausible(up, tokens, requests, at_least=at_least) == word
