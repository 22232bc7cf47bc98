"""Which figures of the appliance are shown, and under which names: pure.

Rules: labels are closed words, catalogue ids, and names of the appliance's own workers and sensors: no people, no
addresses, no hosts and no models, because those come from the network. What cannot be asked is left out, and
`gnomon_up` says that it could not.
"""

from collections.abc import Callable, Iterator
from typing import Final

from appliance.bus.control import ChildStatus, Status
from appliance.observe.exposition import Buckets, Labels, Metric, Sample
from appliance.store.pages import Health
from appliance.store.tally_pages import BOUNDS, COUNTERS, HISTOGRAMS, Family, Tallied

PREFIX: Final = "gnomon_"


def figures(tallied: Tallied | None, health: Health | None, status: Status | None) -> list[Metric]:
    """Everything that is known. None: it could not be asked."""
    ups = (("store", health is not None and tallied is not None), ("supervisor", status is not None))
    found = [_gauge("up", "Whether a part of the appliance answers.", *(_sample(up, part=part) for part, up in ups))]
    if tallied is not None:
        found += _counted(tallied)
    if health is not None:
        found += _stored(health)
    if status is not None:
        found += _standing(status)
    return found


def _counted(tallied: Tallied) -> Iterator[Metric]:
    for family in COUNTERS:
        series = sorted((one.labels, one.value) for one in tallied.series if one.family == family.name)
        samples = tuple(Sample(_labels(family, labels), value) for labels, value in series)
        yield Metric(PREFIX + family.name, "counter", family.words, samples)
    for family in HISTOGRAMS:
        spreads = sorted((one.labels, one.counts, one.sum) for one in tallied.spreads if one.family == family.name)
        buckets = tuple(Buckets(_labels(family, labels), BOUNDS, counts, total) for labels, counts, total in spreads)
        yield Metric(PREFIX + family.name, "histogram", family.words, buckets)
    yield _gauge("exchanges_running", "Exchanges without an end yet.", _sample(tallied.running))


def _stored(health: Health) -> Iterator[Metric]:
    rows = (_sample(count, table=table) for table, count in sorted(health.rows.items()))
    yield _gauge("store_rows", "Rows of each table.", *rows)
    yield _gauge("store_file_bytes", "Size of the evidence file.", _sample(health.file_bytes))
    yield _gauge("store_wal_bytes", "Size of its write-ahead file.", _sample(health.wal_bytes))
    yield _gauge("store_waiting", "Frames and jobs that wait to be written.", _sample(health.waiting))
    yield _gauge("store_last_commit_seconds", "Time of the last commit.", _sample(health.last_commit_ms / 1000))
    for name, words, value in (
        ("store_records", "Records taken in.", health.records),
        ("store_repeats", "Records that came again.", health.repeats),
        ("store_frames_refused", "Frames refused.", health.refused),
        ("store_unplaced", "Records that fit no table and are kept whole.", health.unplaced),
    ):
        yield Metric(PREFIX + name, "counter", words, (_sample(value),))


def _standing(status: Status) -> Iterator[Metric]:
    workers = [child for child in status.children if child.journal_fill is not None]

    def each(name: str, words: str, value: Callable[[ChildStatus], float]) -> Metric:
        return _gauge(name, words, *(_sample(value(child), worker=child.name) for child in workers))

    yield _gauge("info", "Version and stage.", _sample(1, version=status.version, stage=status.stage.value))
    yield _gauge("uptime_seconds", "Since the supervisor was started.", _sample(status.seconds))
    yield _gauge("policy_version", "Number of the policy snapshot.", _sample(status.policy_version))
    yield _gauge("policy_applied", "Workers that judge by it.", _sample(status.applied))
    yield _gauge("problems", "Problems that a person must see to.", _sample(len(status.problems)))
    yield Metric(PREFIX + "restarts", "counter", "Children started anew after a death.", (_sample(status.restarts),))
    yield each("worker_flows", "Flows under way.", lambda child: child.active or 0)
    yield each("worker_journal_fill", "Journal not yet stored, of its limit.", lambda child: child.journal_fill or 0)
    sensors = [(sensor.name, sensor) for sensor in status.sensors]
    running = (_sample(sensor.state == "capturing", sensor=name) for name, sensor in sensors)
    yield _gauge("sensor_capturing", "Whether a sensor captures.", *running)
    lost = (_sample(sensor.lost_last_minute, sensor=name) for name, sensor in sensors)
    yield _gauge("sensor_lost_last_minute", "Packets lost in the last minute.", *lost)


def _labels(family: Family, values: tuple[str, ...]) -> Labels:
    return tuple(zip(family.labels, values, strict=True))


def _sample(value: float, **labels: str) -> Sample:
    return Sample(tuple(labels.items()), float(value))


def _gauge(name: str, words: str, *samples: Sample) -> Metric:
    return Metric(PREFIX + name, "gauge", words, samples)
