"""The pipe between the process that parses and the one that records: what comes out is what went in, or nothing."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.errors import PeerError
from appliance.model.names import ObservationKind, Transport
from appliance.model.observation import Observation
from discovery import report
from discovery.report import MAX_FRAME, MAX_TEXT, Report, Tally


def seen(**more):
    fields = {"ts": 1.5, "src": "10.0.0.1", "sport": 1000, "dst": "2001:db8::1", "dport": 443}
    return Observation(**fields | {"transport": Transport.TCP, "kind": ObservationKind.TLS} | more)


def unframed(data):
    found = []
    while data:
        length = report.length_of(data[:4])
        found.append(report.read(data[4 : 4 + length]))
        data = data[4 + length :]
    return found


def through(observations):
    return [one for told in unframed(b"".join(report.frames(observations))) for one in told.observations]


def test_observations_come_through_as_they_are_in_order():
    some = [seen(sport=number, server_name=f"{number}.example", alpn=("h2",), notes=("ech",)) for number in range(5000)]
    assert through(some) == some
    assert all(len(data) <= MAX_FRAME for data in report.frames(some))


@pytest.mark.parametrize(
    "told",
    [
        Report(),
        Report(begun=True, barred=True),
        Report(ended=True, fault="cut short at byte 7"),
        Report(refused="x: not a capture file"),
        Report(tally=Tally(7, 5, 3, 1, {"bad_hello": 2})),
    ],
)
def test_reports_come_through(told):
    assert unframed(report.frame(told)) == [told]


_hostile = st.text(alphabet=st.characters(exclude_categories=()), max_size=3000)


@given(st.lists(st.tuples(_hostile, _hostile, st.lists(_hostile, max_size=40)), max_size=20))
def test_texts_of_any_kind_are_cut_and_come_through(texts):
    some = [
        seen(server_name=one, path=other, user_agent=other, alpn=tuple(many), notes=tuple(many))
        for one, other, many in texts
    ]
    found = through(some)
    assert len(found) == len(some)
    for one in found:
        report.check(one)
        assert len(one.path or "") <= MAX_TEXT
        assert isinstance("".join((*one.alpn, *one.notes)).encode(), bytes)


@pytest.mark.parametrize(("claimed", "told"), [(-1.5, 0.0), (2.0**64, report.LATEST), (-(2.0**63), 0.0)])
def test_a_time_that_a_file_may_claim_is_no_junk(claimed, told):
    [came] = through([seen(ts=claimed, notes=("ech",))])
    assert (came.ts, came.notes) == (told, ("ech", "odd_time"))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"path": "x" * (MAX_TEXT + 1)}, {"path": "x" * MAX_TEXT}),
        ({"path": "x" * MAX_TEXT}, {"path": "x" * MAX_TEXT}),
        ({"names": ("y", "x" * 257)}, {"names": ("y", "x" * 256)}),
        ({"names": ("x",) * 65, "alpn": ("h2",)}, {"names": ("x",) * 64, "alpn": ("h2",)}),
        ({"path": "\ud800" * (MAX_TEXT + 1)}, {"path": ("\\ud800" * MAX_TEXT)[:MAX_TEXT]}),
    ],
)
def test_what_is_longer_than_allowed_is_cut_there_and_nothing_else_changes(said, told):
    assert through([seen(**said)]) == [seen(**told)]


def test_the_largest_observations_still_fit_into_frames():
    largest = seen(**dict.fromkeys(report._TEXTS, "\U0001f600" * 9999), alpn=("\U0001f600" * 999,) * 99)
    frames = list(report.frames([largest] * 200))
    assert all(len(data) < MAX_FRAME for data in frames)
    assert sum(len(told.observations) for told in unframed(b"".join(frames))) == 200


@given(st.binary(max_size=300))
def test_junk_is_refused_with_one_kind_of_error(payload):
    try:
        found = report.read(payload)
    except PeerError:
        return
    assert isinstance(found, Report)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_report_is_refused_or_read(at, byte):
    data = bytearray(next(report.frames([seen(server_name="api.openai.com", ja4="x")])))[4:]
    data[at % len(data)] = byte
    with contextlib.suppress(PeerError):
        report.read(bytes(data))


@pytest.mark.parametrize(
    "wrong",
    [
        {"ts": float("nan")},
        {"ts": float("inf")},
        {"ts": -1.0},
        {"ts": 1e300},
        {"sport": -1},
        {"dport": 65_536},
        {"src": "client"},
        {"dst": ""},
        {"server_name": "x" * (MAX_TEXT + 1)},
        {"alpn": ("h2",) * (report.MAX_LIST + 1)},
        {"notes": ("x" * (MAX_TEXT + 1),)},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_no_parser_of_ours_says_is_refused(wrong):
    payload = msgspec.msgpack.encode({"observations": [seen(**wrong)]})
    with pytest.raises(PeerError):
        report.read(payload)


@pytest.mark.parametrize(
    "wrong",
    [
        {"persons": {}},
        {"observations": [{"kind": "tls"}]},
        {"observations": "x"},
        {"tally": {"packets": -1}},
        {"tally": {"weird": {"x" * 65: 1}}},
        {"tally": {"weird": {str(n): 1 for n in range(200)}}},
        {"refused": "x" * (MAX_TEXT + 1)},
        {"ended": 1},
        [],
        None,
    ],
)
def test_what_is_no_report_is_refused(wrong):
    with pytest.raises(PeerError):
        report.read(msgspec.msgpack.encode(wrong))


@pytest.mark.parametrize("length", [0, MAX_FRAME + 1, 0xFFFFFFFF])
def test_a_length_beyond_the_limit_is_refused_before_it_is_read(length):
    with pytest.raises(PeerError):
        report.length_of(length.to_bytes(4))


def test_what_has_grown():
    assert report.sums({"a": 1, "b": 2}, {"a": 1, "b": 5, "c": 1, "d": 0}) == {"b": 3, "c": 1}


@pytest.mark.parametrize("seconds", [1.8e19, float("inf"), -1.0, float("nan")])
def test_a_file_whose_times_claim_ages_does_not_end_its_own_reading(seconds):
    flow = Observation(
        ts=float("nan"),
        src="192.0.2.9",
        sport=1,
        dst="192.0.2.1",
        dport=443,
        transport=Transport.TCP,
        kind=ObservationKind.FLOW,
        seconds=seconds,
    )
    [data] = report.frames([flow])
    [told] = report.read(data[4:]).observations
    assert 0 <= told.seconds <= report.LATEST
    assert told.ts == 0.0
