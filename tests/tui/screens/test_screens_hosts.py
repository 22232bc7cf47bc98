"""The list of hosts and one host, under a pilot."""

import msgspec
from fake_store import NOW, FakeStore, finding

from appliance.bus.server import Reply
from appliance.model.errors import PeerError
from appliance.store.host_pages import (
    HostDetail,
    HostKey,
    HostOrder,
    HostRecord,
    HostRequest,
    HostsHead,
    HostsRequest,
    ServiceUse,
)

HOSTILE = "\x1b]52;c;x\x07[red]evil[/red]\u202e"


def host(at, **changes):
    said = {
        "address": f"a_{at:03}", "mac": f"d_{at}", "vendor": "Dell", "names": (f"n_{at:03}",), "told_by": ("dhcp",),
        "system": "MSFT 5.0", "router": False, "first_seen": NOW - 9_000, "last_seen": NOW - at * 60.0,
        "services": ("openai",) if at % 2 else (), "exchanges": at, "past": 0, "bytes_up": at, "bytes_down": 0,
        "at_least": False,
    }  # fmt: skip
    return HostRecord(**said | changes)


class HostStore(FakeStore):
    def __init__(self, run_dir, hosts):
        self.hosts = hosts
        super().__init__(run_dir, [finding(0)])
        self.people |= {each.names[-1]: f"laptop-{each.address[2:]}" for each in hosts if each.names}
        self.people |= {each.address: f"10.0.0.{at}" for at, each in enumerate(hosts)}

    def verbs(self):
        from appliance.bus.server import Verb

        own = {"hosts": (HostsRequest, self._hosts), "host": (HostRequest, self._host)}
        return super().verbs() | {
            name: Verb(record, self._answering(name, answer)) for name, (record, answer) in own.items()
        }

    def _hosts(self, request):
        def rank(each):
            return each.last_seen if request.order is HostOrder.LAST_SEEN else float(each.bytes_up + each.bytes_down)

        fits = [
            each
            for each in self.hosts
            if (not request.ai or each.services) and (request.text or "") in self.people.get(each.names[-1], "")
        ]
        rows = sorted(fits, key=lambda each: (-rank(each), each.address))
        if (key := request.before) is not None:
            rows = [each for each in rows if (-rank(each), each.address) > (-key.rank, key.address)]
        shown = rows[: request.limit]
        following = HostKey(rank(shown[-1]), shown[-1].address) if len(rows) > len(shown) else None
        return Reply(HostsHead(len(shown), len(fits), following), msgspec.json.encode(shown))

    def _host(self, request):
        for each in self.hosts:
            if each.address == request.address:
                use = ServiceUse("openai", "api", 3, 1, 0, 10, 20, False, NOW, NOW)
                return Reply(HostDetail(each, (use,), (finding(0, name="Service of note"),)))
        raise PeerError("no host", 404)


async def test_the_list_its_order_and_a_host_in_full(open_desk, run_dir):
    async with open_desk(store=HostStore(run_dir, [host(at) for at in range(30)])) as desk:
        await desk.press("4")
        await desk.see("hosts 30", "laptop-000", "10.0.0.1", "Dell", "last seen first")
        await desk.press("o", "o")
        await desk.until(lambda: desk.store.asked("hosts")[-1].order is HostOrder.BYTES)
        await desk.see("most bytes first")
        await desk.until(lambda: desk.app.screen.window.rows[0].address == "a_029")
        await desk.press("g", "enter")
        await desk.see("WHAT IT IS", "called laptop-029  by dhcp", "openai api  through 3, past 1", "Service of note")
        await desk.press("escape")
        await desk.see("hosts 30")


async def test_users_of_ai_alone_and_a_text(open_desk, run_dir):
    async with open_desk(store=HostStore(run_dir, [host(at) for at in range(30)])) as desk:
        await desk.press("4")
        await desk.see("hosts 30")
        await desk.press("i")
        await desk.see("hosts 15", "users of AI only")
        await desk.press("slash")
        desk.type("laptop-007")
        await desk.see("hosts 1 ", "filtered", "laptop-007")
        await desk.press("enter", "escape")
        await desk.see("hosts 15")
        assert "filtered" not in desk.text()


async def test_down_through_all_pages_and_back(open_desk, run_dir):
    async with open_desk(store=HostStore(run_dir, [host(at) for at in range(630)])) as desk:
        await desk.press("4")
        await desk.see("hosts 630")
        window = desk.app.screen.window
        while window.rows[-1].address != "a_629":
            before = window.rows[-1].address
            await desk.press("G")
            await desk.until(lambda before=before: window.rows[-1].address != before or window.next is None)
            assert len(window.rows) <= 500
        while window.start is not None:
            before = window.start
            await desk.press("g")
            await desk.until(lambda before=before: window.start != before)
        assert window.rows[0].address == "a_000"


async def test_a_hostile_name_is_shown_inert(open_desk, run_dir):
    store = HostStore(run_dir, [host(0, system=HOSTILE, vendor=HOSTILE, services=(HOSTILE,))])
    store.people |= {"n_000": HOSTILE, "a_000": HOSTILE, "d_0": HOSTILE}
    async with open_desk(store=store) as desk:
        await desk.press("4")
        await desk.see("[red]evil")
        assert not any(char in desk.text() for char in "\x1b\x07\u202e")
        await desk.press("enter")
        await desk.see("WHAT IT IS", "[red]evil")
        assert not any(char in desk.text() for char in "\x1b\x07\u202e")


async def test_no_host_says_so(open_desk, run_dir):
    async with open_desk(store=HostStore(run_dir, [])) as desk:
        await desk.press("4")
        await desk.see("no host was seen yet")
