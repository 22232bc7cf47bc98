"""Which sensors live: tables of configurations and ends."""

import msgspec
import pytest

from appliance.bus.control import Sensing
from appliance.config.schema import Config, Listen, SensorConfig
from appliance.supervisor.plan import Drain, Start
from appliance.supervisor.sensors import TRIES, Sensors, Source


def config(interfaces=(), captures=(), **more):
    return Config(sensor=SensorConfig(interfaces=interfaces, captures=captures), **more)


class World:
    """Sensors and what they would have done."""

    def __init__(self, *sources, **more):
        self.config = config(*sources, **more)
        self.sensors = Sensors(self.config)
        self.now = 0.0

    def act(self, after=20.0):
        self.now += after
        return [action for plan in self.sensors.plans for action in plan.actions(self.now)]

    def ready(self, name):
        self.sensors.plan_of(name).ready(name, self.now)
        return self.sensors.ready(name)

    def exit(self, name, status=0, words=""):
        asked = self.sensors.plan_of(name).exited(name, self.now)
        return self.sensors.exited(name, status, words, asked=asked)

    def states(self):
        return [(one.source, one.state, one.problem) for one in self.sensors.states()]

    def follow(self, fresh):
        self.sensors.follow(fresh, self.config)
        self.config = fresh


def test_one_for_each_source_each_once():
    world = World(("eth0", "eth1", "eth0"), ("/a.pcap",))
    assert world.act() == [Start("sensor0"), Start("sensor1"), Start("sensor2")]
    assert [world.sensors.source_of(f"sensor{n}") for n in range(3)] == [
        Source("interface", "eth0"),
        Source("interface", "eth1"),
        Source("pcap", "/a.pcap"),
    ]
    assert not world.sensors.settled
    world.ready("sensor0")
    assert world.states()[0] == ("eth0", "capturing", "")


def test_without_sources_all_is_settled():
    world = World()
    assert (world.act(), world.sensors.settled, world.sensors.ended, world.states()) == ([], True, True, [])


def test_one_that_says_what_to_do_is_told_once_and_left_alone():
    world = World(("eth0",))
    world.act()
    assert world.exit("sensor0", 2, "eth0: no right to capture") == "sensor: eth0: no right to capture"
    assert world.act() == []
    assert world.sensors.settled
    assert world.states() == [("eth0", "failed", "eth0: no right to capture")]


def test_one_that_has_captured_is_tried_again_whatever_it_says():
    world = World(("eth0",))
    world.act()
    world.ready("sensor0")
    assert world.exit("sensor0", 1) == ""
    assert world.act() == [Start("sensor0")]
    assert world.exit("sensor0", 2, "eth0: the interface is down") == "sensor: eth0: the interface is down"
    assert world.states() == [("eth0", "failed", "eth0: the interface is down")]
    assert world.act() == [Start("sensor0")]
    assert world.ready("sensor0") == ("sensor: eth0: the interface is down",), "it is over, and told anew the next time"
    assert world.states() == [("eth0", "capturing", "")]
    assert world.ready("sensor0") == ()
    assert world.sensors.restarts == 2


def test_one_that_dies_again_and_again_is_told_and_tried_on():
    world = World(("eth0",))
    told = []
    for _ in range(TRIES + 2):
        assert world.act() == [Start("sensor0")]
        told.append(world.exit("sensor0", -9, "Traceback\nValueError: x"))
    assert told == [""] * (TRIES - 1) + ["sensor: ValueError: x"] * 3
    assert world.act() == [Start("sensor0")]


def test_a_file_that_was_read_is_finished():
    world = World((), ("/a.pcap",))
    world.act()
    world.ready("sensor0")
    assert world.exit("sensor0", 0) == ""
    assert world.act() == []
    assert world.states() == [("/a.pcap", "finished", "")]
    assert world.sensors.restarts == 0


def test_a_file_whose_reading_dies_is_read_again_and_given_up_in_the_end():
    world = World((), ("/a.pcap",))
    for attempt in range(TRIES):
        assert world.act() == [Start("sensor0")]
        world.ready("sensor0")
        assert bool(world.exit("sensor0", 1, "")) is (attempt == TRIES - 1)
    assert world.act() == []
    assert world.states()[0][1] == "failed"


def test_an_interface_never_finishes():
    world = World(("eth0",))
    world.act()
    world.ready("sensor0")
    world.exit("sensor0", 0)
    assert world.act() == [Start("sensor0")]


def test_a_reload_follows_the_sources():
    world = World(("eth0",), ("/a.pcap",))
    world.act()
    for name in ("sensor0", "sensor1"):
        world.ready(name)
    world.exit("sensor1", 0)
    world.follow(config(("eth1",), ("/a.pcap",)))
    assert world.act() == [Start("sensor2"), Drain("sensor0")]
    assert [state[:2] for state in world.states()] == [("/a.pcap", "finished"), ("eth1", "starting")]
    assert world.exit("sensor0", 0) == ""
    assert world.sensors.plan_of("sensor0") is None
    world.follow(config(("eth1", "eth0"), ("/a.pcap",)))
    assert world.act() == [Start("sensor0")], "a free name is taken again"


def test_a_name_is_not_given_to_another_while_its_holder_drains():
    world = World(("eth0",))
    world.act()
    world.ready("sensor0")
    world.follow(config(("eth1",)))
    assert set(map(str, world.act())) == {str(Drain("sensor0")), str(Start("sensor1"))}


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({"listen": Listen(proxy="127.0.0.1:9090")}, True),
        ({"sensor": SensorConfig(interfaces=("eth0",), suppression_s=5)}, True),
        ({"sensor": SensorConfig(interfaces=("eth0",), processes=2)}, True),
        ({"workers": 2}, False),
        ({"drain_s": 1}, False),
    ],
    ids=lambda change: next(iter(change)) if isinstance(change, dict) else str(change),
)
def test_a_reload_begins_anew_only_what_it_concerns(change, anew):
    world = World(("eth0",))
    world.act()
    world.ready("sensor0")
    world.follow(msgspec.structs.replace(world.config, **change))
    assert world.act() == ([Drain("sensor0")] if anew else [])
    if anew:
        assert world.states()[0][1] == "draining"
        assert world.exit("sensor0", 0) == ""
        assert world.act() == [Start("sensor0")]
        assert world.sensors.restarts == 0


def test_a_reload_tries_again_what_had_failed():
    world = World(("eth0",), ("/a.pcap",))
    world.act()
    for name in ("sensor0", "sensor1"):
        world.exit(name, 2, "no")
    world.follow(world.config)
    assert world.act() == [Start("sensor0"), Start("sensor1")]


def test_stopping_drains_all_and_starts_none():
    world = World(("eth0", "eth1"))
    world.act()
    world.ready("sensor0")
    world.sensors.stop()
    assert set(map(str, world.act())) == {str(Drain("sensor0")), str(Drain("sensor1"))}
    assert not world.sensors.ended
    for name in ("sensor0", "sensor1"):
        world.exit(name, 0)
    assert world.sensors.ended
    assert world.act() == []


def test_sensors_of_an_earlier_image_are_replaced_or_drained():
    world = World(("eth0",))
    assert world.sensors.adopt("sensor0", 0.0)
    assert not world.sensors.adopt("sensor7", 0.0)
    assert world.act() == [Drain("sensor0"), Drain("sensor7")]
    for name in ("sensor0", "sensor7"):
        assert world.exit(name, 0) == ""
    assert world.act() == [Start("sensor0")]
    assert world.sensors.plan_of("sensor7") is None


def test_how_a_sensor_captures_is_shown_while_it_does():
    world = World(("eth0",))
    world.act()
    world.ready("sensor0")
    told = Sensing("sensor0", "ring in 2 processes", 9, 1_767_258_000, 7)
    assert world.sensors.sensing(told)
    assert not world.sensors.sensing(told), "nothing has changed"
    assert not world.sensors.sensing(Sensing("w0", "a worker")), "no sensor"
    (state,) = world.sensors.states()
    assert msgspec.structs.astuple(state)[4:] == ("ring in 2 processes", 9, 1_767_258_000, 7, ())
    world.exit("sensor0", 1, "it broke")
    assert msgspec.structs.astuple(world.sensors.states()[0])[4:] == ("", 0, 0, 0, ())


def test_a_folder_is_a_source_that_goes_on_until_it_is_taken_away():
    world = World()
    world.follow(Config(sensor=SensorConfig(folder="/var/captures")))
    assert world.act() == [Start("sensor0")]
    assert world.sensors.source_of("sensor0") == Source("folder", "/var/captures")
    world.ready("sensor0")
    assert world.states() == [("/var/captures", "capturing", "")]
    assert world.exit("sensor0", status=1, words="gone") == ""
    assert world.act() == [Start("sensor0")], "unlike a file it is never given up"
    world.follow(Config())
    assert world.act() == [Drain("sensor0")]


@pytest.mark.parametrize(
    "change", [{"advisories": "/a"}, {"fingerprints": "/f"}, {"cadence": True}, {"folder_settled_s": 1}]
)
def test_what_a_sensor_goes_by_begins_it_anew(change):
    world = World(("eth0",))
    world.act()
    world.ready("sensor0")
    world.follow(Config(sensor=SensorConfig(interfaces=("eth0",), **change)))
    assert world.act() == [Drain("sensor0")]
