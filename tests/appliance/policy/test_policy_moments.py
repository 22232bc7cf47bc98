"""Days and hours in the site's time zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from policy_facts import CATALOGUE, facts, rule

from appliance.model.names import Disposition, Stage
from appliance.policy.engine import compile_policy
from appliance.policy.moments import Clock
from appliance.policy.rules import Match, Moments
from appliance.policy.snapshot import PolicySnapshot

WORK = Moments(days=("mon", "tue", "wed", "thu", "fri"), hours=("08:00-18:00",))


def holds(moments, text, zone="Europe/Berlin"):
    there = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return Clock(moments, zone).holds(there.timestamp())


@pytest.mark.parametrize(
    ("moments", "text", "expected"),
    [
        (WORK, "2027-01-15T08:00", True),  # a Friday
        (WORK, "2027-01-15T07:59", False),
        (WORK, "2027-01-15T17:59", True),
        (WORK, "2027-01-15T18:00", False),
        (WORK, "2027-01-16T12:00", False),
        (Moments(days=("sat",)), "2027-01-16T23:59", True),
        (Moments(days=("sat",)), "2027-01-17T00:00", False),
        (Moments(days=("fri",), hours=("22:00-06:00",)), "2027-01-15T22:00", True),
        (Moments(days=("fri",), hours=("22:00-06:00",)), "2027-01-16T05:59", True),
        (Moments(days=("fri",), hours=("22:00-06:00",)), "2027-01-15T05:00", False),  # Thursday's night
        (Moments(days=("mon",), hours=("22:00-06:00",)), "2027-01-19T01:00", True),
        (Moments(hours=("18:00-24:00", "00:00-08:00")), "2027-01-15T23:59", True),
        (Moments(days=WORK.days, hours=WORK.hours, outside=True), "2027-01-16T12:00", True),
        (Moments(days=WORK.days, hours=WORK.hours, outside=True), "2027-01-15T12:00", False),
    ],
)
def test_when_a_rule_looks(moments, text, expected):
    assert holds(moments, text) is expected


def test_summer_time_moves_the_hour_and_not_the_clock():
    summer, winter = "2027-07-15T08:30", "2027-01-15T08:30"
    assert holds(WORK, summer)
    assert holds(WORK, winter)
    assert not Clock(WORK, "Europe/Berlin").holds(datetime(2027, 7, 15, 5, 59, tzinfo=ZoneInfo("UTC")).timestamp())
    assert Clock(WORK, "Europe/Berlin").holds(datetime(2027, 7, 15, 6, 0, tzinfo=ZoneInfo("UTC")).timestamp())


def test_the_snapshot_says_whose_clocks_count():
    night = rule("night", Disposition.BLOCK, Match(time=Moments(hours=("00:00-06:00",))))
    now = datetime(2027, 1, 15, 20, tzinfo=ZoneInfo("UTC")).timestamp()  # five in the morning in Tokyo
    for zone, expected in (("UTC", Disposition.ALLOW), ("Asia/Tokyo", Disposition.BLOCK)):
        snapshot = PolicySnapshot(version=1, created=now, stage=Stage.ENFORCE, rules=(night,), timezone=zone)
        judged = compile_policy(snapshot, CATALOGUE, b"k" * 32)
        assert judged.judge(facts(), now).disposition is expected
        assert judged.destination(None, principal="p", client="a", now=now, host="x").disposition is expected
