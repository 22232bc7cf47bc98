"""The records hold their promises: strictness order, conservation law, round trip, catalogue matching."""

import msgspec

from appliance.model.catalogue import Catalogue, Service
from appliance.model.detection import Coverage
from appliance.model.event import Event, Notice
from appliance.model.names import Disposition


def test_dispositions_are_ordered_from_allow_to_block():
    ranks = [Disposition(word).strictness for word in ("allow", "observe", "coach", "pseudonymise", "redact", "block")]
    assert ranks == sorted(ranks)


def test_coverage_balances_only_when_every_byte_is_told():
    assert Coverage(length=10, structure=4, text_scanned=3, text_unscanned={"x": 2}, opaque={"y": 1}).balanced
    assert not Coverage(length=10, structure=4).balanced


def test_events_round_trip_by_tag():
    event = Notice(1.5, "w0", "info", "journal at 80 %")
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event


def test_catalogue_prefers_exact_then_longest_suffix_then_pattern():
    exact = Service(id="a", name="A", owner="o", category="api", domains=("api.x.test",))
    suffix = Service(id="b", name="B", owner="o", category="api", domains=(".x.test",))
    regional = Service(id="c", name="C", owner="o", category="api", patterns=("rt.*.cloud.test",))
    catalogue = Catalogue((exact, suffix, regional), "1")
    names = ("API.x.test.", "y.x.test", "rt.eu-1.cloud.test", "z")
    assert [getattr(catalogue.match(name), "id", None) for name in names] == ["a", "b", "c", None]
    assert catalogue.match("rt.eu.evil.cloud.test") is None
