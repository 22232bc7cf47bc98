"""Probes: what they find decides who is tried, and they send nothing but a handshake."""

from types import SimpleNamespace

from seam_world import TestAuthority, Upstream

from addons.keys import Sender
from addons.probing import ProbingAddon
from addons.routing import Routing
from addons.upstream import Dialler
from appliance.config.catalogue import load_catalogue
from appliance.config.credentials import Keys
from appliance.config.route_schema import Health, RouteEntry
from appliance.config.schema import Config, Egress, Gateway
from appliance.route.breaker import State


async def nothing(_seen, _reply):
    raise AssertionError


async def test_a_target_that_cannot_be_reached_comes_last_until_it_can(tmp_path):
    authority, clock = TestAuthority(tmp_path), SimpleNamespace(now=0.0)
    route = RouteEntry(service="openai", target="https://a.test", fallbacks=("https://b.test",))
    config = Config(
        state_dir=str(tmp_path),
        egress=Egress(ca_bundle=str(authority.path)),
        gateway=Gateway(routes={"openai": route}, health=Health(failures=2, probe_s=60)),
    )
    routing = Routing(config, load_catalogue(None), Sender(Keys({}, {})), clock=lambda: clock.now)
    async with Upstream(authority, nothing, "a.test") as a, Upstream(authority, nothing, "b.test") as b:
        dialler = Dialler({"a.test:443": "127.0.0.1:1", "b.test:443": b.place})
        probing = ProbingAddon(config, routing, dialler)
        first, second = (routing.breakers[leg.name] for leg in routing.targets)
        for _ in range(2):
            assert first.takes(0)
            await probing.once()
        assert (first.state(0), second.state(0)) == (State.OPEN, State.CLOSED)
        dialler._hosts[("a.test", 443)] = ("127.0.0.1", a.port)
        await probing.once()
        assert first.state(0) is State.HALF_OPEN
        assert first.takes(0)
        assert a.seen == b.seen == []
        stranger = tmp_path / "stranger"
        stranger.mkdir()
        async with Upstream(TestAuthority(stranger), nothing, "b.test") as untrusted:
            dialler._hosts[("b.test", 443)] = ("127.0.0.1", untrusted.port)
            await probing.once()
            await probing.once()
            assert second.state(0) is State.OPEN


def test_without_a_time_nothing_is_dialled(tmp_path):
    config = Config(state_dir=str(tmp_path))
    probing = ProbingAddon(config, Routing(config, load_catalogue(None), Sender(Keys({}, {}))))
    probing.running()
    assert probing._task is None


async def test_probes_are_noted_as_our_own_before_they_say_anything(tmp_path):
    authority, told = TestAuthority(tmp_path), []
    async with Upstream(authority, nothing, "a.test") as a:
        config = Config(
            state_dir=str(tmp_path),
            egress=Egress(ca_bundle=str(authority.path), hosts={"a.test:443": a.place}),
            gateway=Gateway(
                routes={"openai": RouteEntry(service="openai", target="https://a.test")}, health=Health(probe_s=60)
            ),
        )
        routing = Routing(config, load_catalogue(None), Sender(Keys({}, {})))
        probing = ProbingAddon(config, routing, opened=lambda near, far: told.append((near, far)))
        await probing.once()
    assert [far for _, far in told] == [("127.0.0.1", a.port)]
