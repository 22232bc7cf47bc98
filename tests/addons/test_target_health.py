"""How targets are, as a worker tells it: what breakers and probes think, in times that do not change by themselves."""

from types import SimpleNamespace

from addons.keys import Sender
from addons.routing import Routing
from addons.target_health import target_health
from appliance.bus.control import MAX_TARGETS
from appliance.config.catalogue import load_catalogue
from appliance.config.credentials import Keys
from appliance.config.route_schema import Health, ProviderEntry, RouteEntry, TargetEntry
from appliance.config.schema import Config, Gateway

WALL = 1_763_700_000.0


def routing_of(tmp_path, clock):
    routes = {
        "plain": RouteEntry(service="openai", target="https://a.test", fallbacks=("https://b.test:8443",)),
        "two": RouteEntry(targets=(TargetEntry("own"),)),
    }
    providers = {"own": ProviderEntry("openai", "http://10.0.0.1:8000", "held:none-there")}
    config = Config(
        state_dir=str(tmp_path),
        providers=providers,
        gateway=Gateway(routes=routes, health=Health(failures=2, open_s=10)),
    )
    return Routing(config, load_catalogue(None), Sender(Keys({}, {})), clock=lambda: clock.now)


def test_each_target_of_each_route(tmp_path):
    clock = SimpleNamespace(now=50.0)
    routing = routing_of(tmp_path, clock)

    def told():
        return target_health(routing, ("plain", "two"), lambda: WALL + clock.now)

    a, b, own = told()
    assert (a.route, a.service, a.target, a.state, a.faults, a.until, a.probed) == (
        "plain", "openai", "https://a.test", "closed", 0, 0, None,
    )  # fmt: skip
    assert (b.target, own.target, own.provider, own.key, a.key) == (
        "https://b.test:8443", "http://10.0.0.1:8000", "own", False, True,
    )  # fmt: skip
    breaker = routing.breakers[routing.legs("plain")[0].name]
    breaker.unreached(clock.now)
    breaker.failed(clock.now)
    (a, *_) = before = told()
    assert (a.state, a.faults, a.until, a.probed) == ("open", 2, int(WALL + 60), False)
    clock.now = 53.0
    assert told() == before  # nothing has changed but the time
    clock.now = 61.0
    assert told()[0].state == "half_open"
    breaker.reached(clock.now)
    breaker.succeeded()
    assert (told()[0].state, told()[0].probed, told()[0].until) == ("closed", True, 0)


def test_there_are_at_most_so_many(tmp_path):
    routing = routing_of(tmp_path, SimpleNamespace(now=0.0))
    assert len(target_health(routing, ["plain"] * MAX_TARGETS, lambda: WALL)) == MAX_TARGETS
