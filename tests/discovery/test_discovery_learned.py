"""Hints by what the gateway has met: when there are any, how weak they are, and that they keep no name."""

import pytest
from sensing import BOX, seen, sensor

from appliance.bus.programs import Program
from appliance.model.known import FingerprintsFile, Handshake
from appliance.model.names import ObservationKind
from appliance.net.ja4 import without_name
from discovery.evidence import WEAK_CAP, WEIGHTS, Source
from discovery.fingerprints import Known
from discovery.learned import ENOUGH, MANY, Learned

JA4 = "t13d1714h1_5b57614c22b0_6a1c4b4a0b0e"
BARE = without_name(JA4)
ELSEWHERE = "intranet.example"


def met(ai=0, other=0, program=None, service="openai", ja4=JA4):
    found = [Program(ja4, "", "", ai, other, 1.0)]
    return found + ([Program(ja4, program, service, ai, 0, 1.0)] if program else [])


def told(programs, *observations, known=None):
    """What a sensor that knows of these programs records."""
    one = sensor()
    one.learned = Learned(programs, known or Known())
    records = [record for observation in observations for record in one.take(observation)]
    return [record.event for record in [*records, *one.flush()]]


def test_a_connection_that_names_nobody_is_hinted_by_its_handshake():
    (event,) = told(met(ENOUGH, program="claude-cli"), seen(None, ja4=BARE))
    assert (event.service, event.seen, event.cause) == ("unnamed", ObservationKind.FLOW, None)
    assert event.confidence == WEIGHTS[Source.LEARNED] <= WEAK_CAP
    assert event.evidence == (f"ja4 {BARE}: 3 of 3 such handshakes at the proxy were with AI services, by claude-cli",)


@pytest.mark.parametrize(
    ("programs", "ja4"),
    [
        (met(ENOUGH - 1), BARE),
        (met(ENOUGH, other=ENOUGH + 1), BARE),
        (met(ENOUGH), "t13i0000h1_000000000000_000000000000"),
        (met(ENOUGH), None),
        ([], BARE),
        ([Program(JA4, "claude-cli", "openai", 99, 0, 1.0)], BARE),
    ],
    ids=["too few", "everybody's library", "another handshake", "none", "nothing met", "no handshake counted"],
)
def test_what_is_too_little_for_a_hint(programs, ja4):
    assert told(programs, seen(None, ja4=ja4)) == []


def test_regions_are_summed_and_the_share_is_the_weight():
    (event,) = told([*met(2), *met(2, other=4)], seen(None, ja4=BARE))
    assert event.confidence == WEIGHTS[Source.LEARNED] * 0.5


def test_a_connection_that_names_somebody_needs_much_more_and_its_name_is_not_kept():
    assert told(met(MANY - 1), seen(ELSEWHERE, ja4=JA4)) == []
    assert told(met(MANY, other=2), seen(ELSEWHERE, ja4=JA4)) == []
    (event,) = told(met(MANY, other=1), seen(ELSEWHERE, ja4=JA4))
    assert (event.service, event.name) == ("unnamed", event.server)
    assert ELSEWHERE not in repr(event)


def test_what_is_known_otherwise_needs_no_hint():
    (event,) = told(met(MANY), seen("api.openai.com", ja4=JA4))
    assert event.service == "openai"


def test_the_way_to_the_appliance_is_not_hinted():
    assert told(met(MANY), seen(None, ja4=BARE, dst="10.0.0.5", dport=8080)) == []
    assert BOX.listener("10.0.0.5", 8080)


def request(agent):
    return seen(None, kind=ObservationKind.HTTP, method="GET", host=ELSEWHERE, path="/secret", user_agent=agent)


def test_a_program_in_clear_is_known_by_what_the_gateway_has_seen_it_use():
    programs = [Program("", "AcmeBot", "openai", ENOUGH, 0, 1.0)]
    (event,) = told(programs, request("AcmeBot/2.0 (someone@example.com)"))
    assert (event.service, event.path, event.host) == ("unnamed", None, None)
    assert event.evidence == ("user-agent AcmeBot: it uses openai through the appliance",)
    assert told(programs, request("OtherBot/1.0")) == []
    assert told(programs, request(None)) == []
    assert told([Program("", "AcmeBot", "openai", ENOUGH - 1, 0, 1.0)], request("AcmeBot/2.0")) == []


@pytest.mark.parametrize("agent", ["curl/8.5", "Mozilla/5.0 (X11)", "python-requests/2.32", "node", "axios/1.7"])
def test_what_everybody_uses_for_everything_hints_at_nothing(agent):
    programs = [Program("", agent.split("/")[0], "openai", 10_000, 0, 1.0)]
    assert told(programs, request(agent)) == []


def test_a_handshake_that_the_site_names_hints_without_the_gateway():
    site = FingerprintsFile(
        handshakes=(Handshake(ja4=BARE, program="acme-agent", ai=True), Handshake(ja4=JA4, program="acme-browser"))
    )
    (event,) = told([], seen(None, ja4=BARE), known=Known(site))
    assert event.evidence == (f"ja4 {BARE}: acme-agent, as the site says",)
    assert told([], seen(None, ja4=JA4), known=Known(site)) == []
