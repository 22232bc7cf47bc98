"""Why a connection came past the appliance, and what its bytes say of the tokens."""

import pytest

from appliance.model.names import Cause, Governance, Leg, ObservationKind
from discovery.reconcile import PINNED_S, Pinned, Rejections, Way, cause, governance, private

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
    assert [bool(seen.pinned(1, client, "s")) for client in "abc"] == [False, True, True]
    for client in "abc" * 2:
        seen.left(1, client, "t")
    assert not any(seen.pinned(1, client, "t") for client in "abc"), "a third drives out the first each time"


@pytest.mark.parametrize(
    ("happened", "why"),
    [
        ("L", None),
        ("LL", Pinned.LEFT),
        ("LAL", None),
        ("LALL", Pinned.LEFT),
        ("LLA", None),
        ("LLN", Pinned.SAID),
        ("NA", Pinned.SAID),
    ],
)
def test_leaving_twice_is_a_rejection_unless_the_client_finishes_a_handshake(happened, why):
    seen = Rejections()
    for now, what in enumerate(happened):
        if what == "A":
            seen.accepted("c", "s")
        else:
            (seen.left if what == "L" else seen.note)(now, "c", "s")
    assert seen.pinned(len(happened), "c", "s") is why
    assert seen.pinned(len(happened), "d", "s") is None


def test_leaving_is_forgotten_and_once_in_a_while_is_nothing():
    seen = Rejections()
    for now in (0, PINNED_S + 1):
        seen.left(now, "c", "s")
    assert seen.pinned(PINNED_S + 1, "c", "s") is None
    seen.left(PINNED_S + 2, "c", "s")
    assert seen.pinned(PINNED_S + 2, "c", "s") is Pinned.LEFT
    assert seen.pinned(3 * PINNED_S, "c", "s") is None


def test_what_a_worker_knows_is_certain():
    seen = Rejections()
    seen.known = lambda client, service, now: (client, service, now) == ("c", "s", 7)
    assert seen.pinned(7, "c", "s") is Pinned.SAID
    assert seen.pinned(7, "d", "s") is None
