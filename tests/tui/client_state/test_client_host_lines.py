"""A host in words: bounded, and inert whatever it calls itself."""

import msgspec
import pytest

from appliance.store.host_pages import HostDetail, HostRecord, ServiceUse
from appliance.store.pages import Person
from tui.client_state.host_lines import COLUMNS, page, row, size
from tui.client_state.names import Names
from tui.client_state.spans import plain

NOW = 1_763_700_000.0
HOSTILE = "\x1b[2J[bold]lap\u202etop\x07\n" + "x\u0301\u0301\u0301\u0301\u0301" * 200

HOST = HostRecord(
    address="a_1", mac="d_1", vendor="Dell", names=("n_0", "n_1"), told_by=("dhcp", "mdns"), system="MSFT 5.0",
    router=False, first_seen=NOW - 90_000, last_seen=NOW - 60, services=("anthropic", "chatgpt", "ollama", "openai"),
    exchanges=12, past=3, bytes_up=2_048, bytes_down=5_000_000, at_least=True,
)  # fmt: skip


def known(**clear):
    names = Names()
    names.learn(clear, [Person(digest, value, 0.0, 0.0) for digest, value in clear.items()])
    return names


def cells(host, names):
    return ["".join(span.text for span in cell) for cell in row(host, names, NOW)]


def test_a_row_tells_name_use_and_age():
    told = cells(HOST, known(n_1="anns-laptop", a_1="10.0.0.7"))
    assert told == ["anns-laptop", "10.0.0.7", "Dell", "anthropic, chatgpt, ollama +1", "12", "3", ">4.8 MiB", "1m"]
    assert len(told) == len(COLUMNS)


def test_what_is_not_known_is_said_and_digests_stand_for_clear_values():
    bare = msgspec.structs.replace(
        HOST, mac=None, vendor="", names=(), told_by=(), services=(), bytes_up=0, bytes_down=0, router=True
    )
    assert cells(bare, known())[:4] == ["behind a router", "a_1", "-", "-"]
    assert cells(HOST, known())[0] == "n_1"


@pytest.mark.parametrize("number", [0, 999, 1023, 1024, 999_999, 1 << 30, 1 << 50, 1 << 62])
def test_a_size_has_a_bounded_width(number):
    assert 0 < len(size(number)) <= 8


def test_nothing_that_a_host_says_acts_on_a_terminal():
    hostile = msgspec.structs.replace(HOST, system=HOSTILE, vendor=HOSTILE, services=(HOSTILE,), told_by=(HOSTILE, "x"))
    names = known(n_0=HOSTILE, n_1=HOSTILE, a_1=HOSTILE, d_1=HOSTILE)
    use = ServiceUse(HOSTILE, HOSTILE, 1, 2, 3, 4, 5, True, NOW, NOW)
    told = plain(page(HostDetail(hostile, (use,), ()), names, NOW)) + "\n".join(cells(hostile, names))
    assert all(char.isprintable() or char == "\n" for char in told)
    assert "\u202e" not in told
    assert "\u0301" * 4 not in told
    assert max(map(len, told.split("\n"))) < 400


def test_the_page_names_what_told_each_name_and_each_use():
    use = ServiceUse("chatgpt", "web", 0, 3, 1, 2_048, 5_000_000, True, NOW - 100, NOW - 60)
    told = plain(page(HostDetail(HOST, (use,), ()), known(n_0="old", n_1="new", d_1="02:00:5e:00:53:01"), NOW))
    assert told.index("called new  by mdns") < told.index("called old  by dhcp")
    assert "hardware address 02:00:5e:00:53:01  Dell" in told
    assert "chatgpt web  through 0, past 3, signs 1, at least 2.0 KiB up, 4.8 MiB down, 1m" in told
    assert "says it runs MSFT 5.0" in told
