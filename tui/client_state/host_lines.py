"""A host as a row of cells and as a page of lines.

Rules: a host's names, its system and its vendor are foreign text and pass `foreign`, as `Names.show` has them; a digest
stands where no clear value is known; counts, sizes and times have bounded widths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.client_state.finding_lines import severity, title
from tui.client_state.moments import ago, count, stamp
from tui.client_state.spans import Line, Span, foreign, line

if TYPE_CHECKING:
    from appliance.store.host_pages import HostDetail, HostRecord, ServiceUse
    from tui.client_state.names import Names

# Heading and width of each column; width 0 takes what is left.
COLUMNS: Final = (
    ("HOST", 0), ("ADDRESS", 17), ("VENDOR", 15), ("SERVICES", 24), ("PROXY", 6), ("PAST", 6), ("BYTES", 8),
    ("SEEN", 10),
)  # fmt: skip
_SHOWN: Final = 3  # services in a row
_KIB: Final = 1024.0


def size(number: int) -> str:
    """Bytes in at most 7 characters: `999 B`, `12 KiB`, `3.4 GiB`."""
    if number < _KIB:
        return f"{number} B"
    shown = float(number)
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        shown /= _KIB
        if shown < 1000:  # noqa: PLR2004 - three digits fit
            return f"{shown:.1f} {unit}" if shown < 10 else f"{shown:.0f} {unit}"  # noqa: PLR2004 - one digit leaves room
    return "lots"


def row(host: HostRecord, names: Names, now: float) -> tuple[Line, ...]:
    """The cells, in the order of COLUMNS."""
    used = host.bytes_up + host.bytes_down
    return (
        _called(host, names),
        line(names.show(host.address)),
        line(Span(foreign(host.vendor, 40) or "-", "dim")),
        _services(host),
        line(Span(count(host.exchanges), "" if host.exchanges else "dim")),
        line(Span(count(host.past), "bad" if host.past else "dim")),
        line(Span(f"{'>' if host.at_least else ''}{size(used)}" if used else "-", "" if used else "dim")),
        line(ago(host.last_seen, now)),
    )


def _called(host: HostRecord, names: Names) -> Line:
    """By its newest name."""
    if not host.names:
        return line(Span("behind a router" if host.router else "unnamed", "dim"))
    return line(Span(names.show(host.names[-1]), "name"))


def _services(host: HostRecord) -> Line:
    if not host.services:
        return line(Span("-", "dim"))
    more = f" +{len(host.services) - _SHOWN}" if len(host.services) > _SHOWN else ""
    return line(", ".join(foreign(each, 40) for each in host.services[:_SHOWN]) + more)


def page(detail: HostDetail, names: Names, now: float) -> list[Line]:
    """The whole host: what it is, what it used, which findings it takes part in."""
    host = detail.host
    return [
        line(*_called(host, names), "  ", names.show(host.address)),
        line(),
        *_what(host, names),
        line(),
        line(Span("WHEN", "title")),
        line(f"  first {stamp(host.first_seen)}, last {stamp(host.last_seen)} ({ago(host.last_seen, now)})"),
        line(),
        line(Span(f"SERVICES ({len(detail.services)})", "title")),
        *([_use(each, now) for each in detail.services] or [line(Span("  no AI service was used", "dim"))]),
        line(),
        line(Span(f"FINDINGS ({len(detail.findings)})", "title")),
        *(
            [
                line("  ", severity(each.severity), "  ", *title(each), f"  {each.state.value}")
                for each in detail.findings
            ]
            or [line(Span("  none", "dim"))]
        ),
    ]


def _what(host: HostRecord, names: Names) -> list[Line]:
    told = [line(Span("WHAT IT IS", "title"))]
    for name, by in zip(reversed(host.names), reversed(host.told_by), strict=False):
        told.append(line("  called ", Span(names.show(name), "name"), Span(f"  by {foreign(by, 20)}", "dim")))
    if host.mac:
        vendor = foreign(host.vendor, 40)
        told.append(line("  hardware address ", names.show(host.mac), Span(f"  {vendor}", "dim")))
    elif host.router:
        told.append(line(Span("  behind a router: its hardware address is not known", "dim")))
    if host.system:
        told.append(line("  says it runs ", foreign(host.system, 80)))
    return told if len(told) > 1 else [*told, line(Span("  nothing but its address is known", "dim"))]


def _use(use: ServiceUse, now: float) -> Line:
    ways = f"through {count(use.exchanges)}, past {count(use.past)}, signs {count(use.hints)}"
    least = "at least " if use.at_least else ""
    sizes = f", {least}{size(use.bytes_up)} up, {size(use.bytes_down)} down" if use.bytes_up or use.bytes_down else ""
    sizes += "" if use.cost_micros is None else f", about ${use.cost_micros / 1e6:.2f}"
    name = Span(foreign(use.service, 40), "name")
    return line("  ", name, Span(f" {foreign(use.surface, 10)}", "dim"), f"  {ways}{sizes}, {ago(use.last_seen, now)}")
