"""What is known to be bad: the data is sound, releases are ordered, nothing is guessed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensing import BOX, PSEUDONYMS, seen

from appliance.config.catalogue import load_catalogue
from appliance.model.errors import OperatorError
from appliance.model.known import AdvisoriesFile, Advisory, Range, SiteKnown
from appliance.model.names import FindingKind
from discovery import advisories
from discovery.advisories import within
from discovery.aggregate import Aggregate
from discovery.classify import Classifier
from discovery.sensor import Sensor
from discovery.signatures import SERVERS

KNOWN = advisories.load()
CATALOGUE = load_catalogue()


@pytest.mark.parametrize(
    ("software", "name", "category", "first"),
    [
        ("litellm 1.82.7", None, None, "litellm-2026-03"),
        ("litellm 1.82.8", None, None, "litellm-2026-03"),
        ("LiteLLM 1.82.6", None, None, "CVE-2026-42208"),
        ("litellm 1.83.5", None, None, "CVE-2026-42208"),
        ("litellm 1.83.14-stable", None, None, "GHSA-4xpc-pv4p-pm3w"),
        ("langflow 1.2.0", None, None, "CVE-2025-3248"),
        ("ollama 0.1.33", None, None, "CVE-2024-37032"),
        (None, "models.litellm.cloud", None, "litellm-2026-03"),
        (None, "x.models.litellm.cloud.", None, "litellm-2026-03"),
        (None, "checkmarx.zone", None, "litellm-2026-03"),
        (None, "openrouter.ai", "gateway", "routers-2026-04"),
    ],
)
def test_what_is_met(software, name, category, first):
    assert KNOWN.of(software=software, name=name, category=category)[0].id == first


@pytest.mark.parametrize(
    ("software", "name"),
    [("litellm 1.106.2", None), ("litellm", None), ("litellm x", None), ("vllm 1.82.7", None), ("", None),
     (None, "litellm.cloud"), (None, "notcheckmarx.zone"), (None, ".")],
)  # fmt: skip
def test_what_is_not_met(software, name):
    assert KNOWN.of(software=software, name=name, category="model_api") == []


@pytest.mark.parametrize(
    ("version", "affected", "expected"),
    [
        ("1.2.3", Range(before="1.2.3"), False),
        ("1.2.3rc1", Range(before="1.2.3"), True),
        ("1.2.3.dev4", Range(before="1.2.3"), True),
        ("1.2.3-stable.patch.1", Range(before="1.2.3"), False),
        ("1.10.0", Range(before="1.9.0"), False),
        ("v1.2", Range(since="1.2.0", before="1.3"), True),
        ("1.1.9", Range(since="1.2.0", before="1.3"), False),
        ("1.82.8", Range(since="1.82.7", last="1.82.8"), True),
        ("1.82.8.post1", Range(since="1.82.7", last="1.82.8"), True),
        ("1.82.9", Range(since="1.82.7", last="1.82.8"), False),
        ("latest", Range(before="9"), False),
        ("", Range(before="9"), False),
    ],
)
def test_releases_are_ordered(version, affected, expected):
    assert within(version, affected) is expected


def test_findings_follow_the_kind():
    kinds = {one.id: one.finding for one in KNOWN.all}
    assert kinds["litellm-2026-03"] is FindingKind.COMPROMISED
    assert kinds["CVE-2026-42208"] is FindingKind.VULNERABLE
    assert kinds["GHSA-h6m6-jj8v-94jj"] is None  # medium
    assert kinds["routers-2026-04"] is None
    assert KNOWN.of(software="litellm 1.82.7")[0].text.startswith("advisory litellm-2026-03 (critical, 2026-03-24): ")


def test_the_data_is_of_what_can_be_seen():
    shown = {server.software or server.service for server in SERVERS if any(show.version for show in server.shows)}
    shown |= {server.software or server.service for server in SERVERS if server.versions}
    assert {one.software for one in KNOWN.all if one.software} <= shown
    assert {category for one in KNOWN.all for category in one.categories} <= {
        service.category for service in CATALOGUE.services.values()
    }
    for one in KNOWN.all:
        for name in one.names:  # else the sensor would forget whom it is about
            assert CATALOGUE.match(name.removeprefix(".")).category == "known_bad"


SOUND = {"id": "CVE-1", "title": "t", "kind": "vulnerability", "severity": "high", "published": "2026",
         "sources": ["https://x.example"], "software": "x", "affected": [{"before": "1.0"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"severity": "grave"}, "severity"),
        ({"published": "yesterday"}, "published"),
        ({"sources": []}, "sources"),
        ({"sources": ["http://x.example"]}, "sources"),
        ({"affected": [{"before": "new"}]}, "before"),
        ({"affected": [{"before": "1", "last": "1"}]}, "either"),
        ({"affected": [{"since": "1"}]}, "either"),
        ({"affected": []}, "belong together"),
        ({"software": None}, "applies to nothing"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_unsound_is_refused_whole(change, word):
    with pytest.raises(OperatorError, match=word):
        advisories.load(msgspec.json.encode([SOUND | change]))


def test_an_id_stands_once():
    with pytest.raises(OperatorError, match="twice"):
        advisories.load(msgspec.json.encode([SOUND, SOUND]))
    assert len(advisories.load(msgspec.json.encode([SOUND])).all) == 1


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_looked_up(software, name):
    KNOWN.of(software=software, name=name)


OWN = Advisory(
    id="ACME-1",
    title="a mirror of ours was taken over",
    kind="compromise",
    severity="critical",
    published="2026-05-01",
    sources=("https://intranet.example/1",),
    names=(".openai.com",),
)


def test_a_sites_own_raises_its_finding_and_what_it_withdraws_raises_none():
    site = SiteKnown(advisories=AdvisoriesFile(advisories=(OWN,), withdraw=("litellm-2026-03",)))
    sight = Classifier(CATALOGUE, site=site).sight
    found = sight(seen("eu.api.openai.com"))
    assert found.kinds == (FindingKind.COMPROMISED,)
    assert OWN.text in found.evidence
    assert sight(seen("models.litellm.cloud")).kinds == ()
    assert Classifier(CATALOGUE).sight(seen("models.litellm.cloud")).kinds == (FindingKind.COMPROMISED,)
    assert [event.event.kinds for event in sensor_of(sight).take(seen("eu.api.openai.com"))] == [found.kinds]


def sensor_of(sight):
    return Sensor("sensor0", "eth0", sight, PSEUDONYMS, BOX, Aggregate(300.0), None, 0.0)
