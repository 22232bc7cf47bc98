"""Who has moved since a decision and who has not."""

import msgspec
import pytest

from appliance.model.names import Disposition, Leg, ObservationKind, Surface
from appliance.store.bench import opened
from appliance.store.moving import MigrationRequest
from appliance.store.queries import QUERIES

NOW = 1_763_700_000.0
DECIDED = NOW + 100


def exchange(number, principal, ts, effective=Disposition.ALLOW, service="openai"):
    record = opened(f"x{number}", "w0", ts)
    facts = msgspec.structs.replace(record.facts, principal=principal, client="a_" + principal[2:], service=service)
    verdict = msgspec.structs.replace(record.verdict, disposition=effective, effective=effective)
    return msgspec.structs.replace(record, facts=facts, verdict=verdict)


def decide(connection, number, kind="redirect", service="openai", undoes=None, expires=None, body="{}"):
    values = [number, DECIDED, "ana", "admin", kind, service, None, "approved", "why", expires, undoes, body, 2]
    connection.execute(f"INSERT INTO decisions VALUES ({', '.join('?' * len(values))})", values)


@pytest.fixture
def site(ingest, life, observed, connection):
    after, move = DECIDED + 10, Disposition.REDIRECT
    wire = {"service": "openai", "surface": Surface.API, "ts": after, "until": after}
    ingest.commit(
        [
            life()
            .add(
                *(exchange(number, f"p_{name}", NOW) for number, name in enumerate(["moved", "both", "gone", "away"])),
                exchange(10, "p_moved", after, move),
                exchange(11, "p_moved", after, move),
                exchange(12, "p_both", after, move),
                exchange(13, "p_both", after),
                exchange(14, "p_new", after + 5),
                exchange(15, "p_away", after, Disposition.BLOCK),
                exchange(16, "p_other", after, service="groq"),
                observed(client="a_9", leg=Leg.DIRECT, count=3, **wire),
                observed(client="a_9", leg=Leg.PROXY, count=7, **wire),
                observed(client="a_8", leg=Leg.DIRECT, count=5, seen=ObservationKind.DNS, **wire),
                observed(client="a_7", leg=Leg.DIRECT, count=5, **(wire | {"ts": NOW, "until": NOW})),
            )
            .frame()
        ]
    )
    return connection


def asked(connection, **more):
    return QUERIES["migration"].run(connection, MigrationRequest(NOW + 1000, **more))


def test_people_are_told_apart(site):
    decide(site, 1)
    (found,) = asked(site)
    assert (found.earlier, found.moved, found.stopped, found.still, found.gone) == (4, 1, 1, 2, 1)
    assert (found.moved_exchanges, found.stopped_exchanges, found.still_exchanges) == (3, 1, 2)
    assert (found.hosts, found.past) == (1, 3)
    assert [(one.who, one.exchanges, one.past) for one in found.there] == [
        ("p_new", 1, 0),
        ("a_9", 0, 3),
        ("p_both", 1, 0),
    ]
    assert (found.route, found.surface, found.narrowed) == ("approved", None, False)
    assert len(asked(site, limit=1)[0].there) == 1


def test_only_decisions_in_force_are_told(site):
    decide(site, 1)
    decide(site, 2, "dismiss", undoes=1)
    decide(site, 3, "block", expires=NOW + 999)
    decide(site, 4, "approve")
    decide(site, 5, "coach", "groq", body='{"scope": {"principals": ["p_1"]}}')
    assert [(one.number, one.narrowed, one.still) for one in asked(site)] == [(5, True, 1)]
    assert asked(site, number=1) == []


def test_a_service_that_nobody_used(site):
    decide(site, 1, service="cohere")
    (found,) = asked(site)
    assert (found.earlier, found.moved, found.still, found.past, found.there) == (0, 0, 0, 0, ())
