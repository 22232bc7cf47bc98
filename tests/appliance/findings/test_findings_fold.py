"""What events add to findings, in whatever batches they come."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.findings.fold import MAX_TEXT, Delta, Fold, Subject, add, refused_service
from appliance.findings.suppress import MAX_PER_FINDING, Suppression
from appliance.model.catalogue import Catalogue, Service
from appliance.model.event import ExchangeOpened, Notice, Observed, Refused
from appliance.model.facts import Facts, Verdict
from appliance.model.finding import finding_id
from appliance.model.names import (
    Cause,
    Disposition,
    FindingKind,
    Leg,
    ObservationKind,
    RefusalReason,
    Stage,
    Surface,
    Transport,
)

NOW = 1_763_700_000.0
CATALOGUE = Catalogue(
    (
        Service(id="chat", name="Chat", owner="Acme", category="assistant", surface=Surface.WEB, domains=(".chat.ai",)),
        Service(
            id="model", name="Model", owner="Acme", category="model_api", domains=("api.model.ai",), confidence=0.7
        ),
    ),
    "v1",
)


def observed(**changed):
    said = {
        "ts": NOW, "sensor": "s0", "source": "eth0", "seen": ObservationKind.TLS, "transport": Transport.TCP,
        "leg": Leg.DIRECT, "client": "a_1", "server": "192.0.2.1", "port": 443, "service": "chat",
        "category": "assistant", "surface": Surface.WEB, "confidence": 0.9, "name": "www.chat.ai",
    }  # fmt: skip
    return Observed(**said | changed)


def exchange(ts=NOW, **changed):
    said = {
        "principal": "p_1", "client": "a_1", "service": "model", "host": "api.model.ai", "port": 443, "method": "POST",
        "path": "/v1",
    }  # fmt: skip
    verdict = Verdict(Disposition.ALLOW, Disposition.ALLOW, Stage.ENFORCE)
    return ExchangeOpened("x", ts, "w0", Facts(**said | changed), verdict, "d", "d")


def refused(reason=RefusalReason.NAME_DISAGREEMENT, host="api.model.ai", detail="", client="a_1"):
    return Refused(NOW, "w0", reason, client, "p_1", host, 443, detail)


def fold(*events):
    return Fold(CATALOGUE, Suppression(3600)).fold(enumerate(events, 1))


def only(*events):
    (delta,) = fold(*events).values()
    return delta


def counts(delta):
    return {
        name: getattr(delta, name) for name in ("governed", "via", "bypass", "hints") if getattr(delta, name)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("event", "counted"),
    [
        (observed(count=3), {"bypass": 3}),
        (observed(seen=ObservationKind.QUIC, transport=Transport.UDP), {"bypass": 1}),
        (observed(seen=ObservationKind.HTTP), {"bypass": 1}),
        (observed(seen=ObservationKind.DNS, count=2), {"hints": 2}),
        (observed(seen=ObservationKind.MDNS), {"hints": 1}),
        (observed(seen=ObservationKind.LLMNR), {"hints": 1}),
        (observed(leg=Leg.PROXY, count=4), {"via": 4}),
        (observed(leg=Leg.PROXY, seen=ObservationKind.DNS), {"hints": 1}),
        (observed(leg=Leg.PROXY, cause=Cause.PINNED), {"hints": 1}),
        (observed(seen=ObservationKind.HTTP_RESPONSE), {"hints": 1}),
        (exchange(), {"governed": 1}),
        (refused(), {"governed": 1}),
    ],
)
def test_each_kind_of_sign_counts_for_its_way(event, counted):
    assert counts(only(event)) == counted


@pytest.mark.parametrize(
    "event",
    [
        exchange(service=None),
        Notice(NOW, "w0", "info", "n"),
        refused(RefusalReason.SMUGGLING),
        refused(RefusalReason.CERTIFICATE_REJECTED, host=""),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_concerns_no_finding_adds_nothing(event):
    assert fold(event) == {}


def test_an_observation_is_seen_from_its_first_to_its_last_sighting():
    delta = only(observed(ts=NOW, until=NOW + 60, count=5))
    assert (delta.first_seen, delta.last_seen, delta.bypass_last) == (NOW, NOW + 60, NOW + 60)


def test_people_come_of_exchanges_and_hosts_of_both():
    delta = only(exchange(), exchange(ts=NOW - 5, principal="p_2"), observed(service="model", surface=Surface.API))
    assert (delta.people, delta.hosts) == ({"p_1": NOW, "p_2": NOW - 5}, {"a_1": NOW - 5})


def test_a_call_that_was_read_is_no_guess():
    assert [only(event).confidence for event in (exchange(), exchange(api="openai.chat"))] == [0.7, 1.0]


def test_a_service_that_no_catalogue_knows_makes_a_finding():
    (subject,) = fold(observed(service="brand_new"))
    assert subject == Subject(FindingKind.SERVICE_IN_USE, "brand_new", Surface.WEB)
    assert only(observed(service="brand_new")).id == finding_id(*subject)


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (refused(), (FindingKind.NAME_DISAGREEMENT, "model", Surface.API)),
        (refused(host="cdn.example", detail="CONNECT names cdn.example, SNI names www.chat.ai"),
         (FindingKind.NAME_DISAGREEMENT, "chat", Surface.WEB)),
        (refused(host="CDN.example."), (FindingKind.NAME_DISAGREEMENT, "cdn.example", Surface.API)),
        (refused(RefusalReason.CERTIFICATE_REJECTED, host="a.chat.ai"),
         (FindingKind.CERTIFICATE_REJECTED, "chat", Surface.WEB)),
    ],
)  # fmt: skip
def test_a_refusal_is_about_the_service_that_was_meant(event, subject):
    assert list(fold(event)) == [Subject(*subject)]


def test_a_detail_full_of_names_costs_little():
    assert refused_service("x.example", "a." * 100_000 + "api.model.ai", CATALOGUE) is None


def test_evidence_says_what_was_seen_and_is_cut():
    texts = [
        only(event).signs[0].text
        for event in (
            exchange(api="openai.chat", model="m", client_name="curl", client_version="8"),
            exchange(method="GET"),
            observed(evidence=("SNI www.chat.ai", "exact name")),
            observed(),
            refused(detail="y" * 5000),
        )
    ]
    assert texts[:4] == [
        "openai.chat, model m, to api.model.ai, by curl 8", "GET request, to api.model.ai",
        "SNI www.chat.ai; exact name", "www.chat.ai",
    ]  # fmt: skip
    assert len(texts[4]) == MAX_TEXT


def test_an_army_of_clients_fills_no_store():
    events = [observed(client=f"a_{number}") for number in range(500)]
    delta = only(*events)
    assert (len(delta.hosts), len(delta.signs), delta.bypass) == (500, MAX_PER_FINDING, 500)


TIMES = st.integers(0, 20_000).map(lambda offset: NOW + offset)
CLIENTS = st.sampled_from(["a_1", "a_2", "a_3"])
EVENTS = st.lists(
    st.one_of(
        st.builds(lambda ts, client: exchange(ts=ts, client=client), TIMES, CLIENTS),
        st.builds(
            lambda ts, client, seen, leg, service, count, lasts: observed(
                ts=ts, client=client, seen=seen, leg=leg, service=service, count=count, until=ts + lasts
            ),
            TIMES, CLIENTS, st.sampled_from(ObservationKind), st.sampled_from(Leg),
            st.sampled_from(["chat", "model", "other"]), st.integers(1, 9), st.integers(0, 300),
        ),
        st.builds(lambda client: refused(client=client), CLIENTS),
    ),
    max_size=40,
)  # fmt: skip


def told(deltas):
    return {
        subject: {name: getattr(delta, name) for name in Delta.__slots__} for subject, delta in deltas.items()
    }  # fmt: skip


@given(EVENTS, st.lists(st.integers(0, 40), max_size=6))
def test_any_split_into_batches_gives_the_same_findings(events, cuts):
    numbered = list(enumerate(events, 1))
    whole = Fold(CATALOGUE, Suppression(3600)).fold(numbered)
    folding, sum_of_parts = Fold(CATALOGUE, Suppression(3600)), {}
    edges = [0, *sorted(cuts), len(numbered)]
    for start, end in itertools.pairwise(edges):
        add(sum_of_parts, folding.fold(numbered[start:end]))
    assert told(sum_of_parts) == told(whole)


@given(EVENTS)
def test_nothing_is_counted_twice_or_lost(events):
    deltas = fold(*events)
    sizes = [event for event in events if isinstance(event, Observed) and event.seen is ObservationKind.FLOW]
    assert not any(event.evidence for event in sizes)
    sightings = sum(event.count if isinstance(event, Observed) else 1 for event in events if event not in sizes)
    assert sum(delta.governed + delta.via + delta.bypass + delta.hints for delta in deltas.values()) == sightings
    assert all(delta.first_seen <= delta.last_seen for delta in deltas.values())
    assert all((delta.bypass_last is None) == (not delta.bypass) for delta in deltas.values())


def test_a_sign_can_be_encoded():
    assert msgspec.json.encode(only(observed()).signs[0])


def test_a_sighting_that_an_advisory_speaks_of_makes_findings_of_their_own():
    kinds = (FindingKind.COMPROMISED, FindingKind.OTHER_MODEL)
    deltas = fold(observed(kinds=kinds, evidence=("advisory x",)), observed(ts=NOW + 1))
    assert {subject.kind: delta.bypass for subject, delta in deltas.items()} == {
        FindingKind.SERVICE_IN_USE: 2,
        FindingKind.COMPROMISED: 1,
        FindingKind.OTHER_MODEL: 1,
    }
    assert {subject.subject for subject in deltas} == {"chat"}
    assert all(delta.signs[0].text == "advisory x" for delta in deltas.values())
