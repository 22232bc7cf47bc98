"""The set of intermediates: one key, one certificate for each group of names, and when they are issued anew.

Owns: what a set must be and which of its certificates are kept. Rules: pure but for fresh keys and serial numbers; all
certificates of a set have one key and end together, so that no key serves longer than one life; new names issue the
groups that changed and keep the others; where names have gone or the end is near all is issued anew under a fresh key,
because an old certificate that still permits a name must not belong to a key in use.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum

from appliance.ca.authority import DAY, Issuer, expires, make_intermediate, new_key
from appliance.ca.groups import grouped
from appliance.ca.reach import Reach, reach_in, union

RENEW_BEFORE = 30 * DAY
_TOLD = 5  # names in a message


class Need(StrEnum):
    """Whether intermediates are to be issued anew; `soon` can wait for the root key, `now` cannot."""

    NO = "no"
    SOON = "soon"
    NOW = "now"


def issued(root: Issuer, reach: Reach, now: float, present: Sequence[Issuer] = ()) -> tuple[Issuer, ...]:
    """One issuer for each group of `reach`; what still serves of `present` is kept, and its key."""
    groups = grouped(reach)
    kept = _kept(present, groups, now) if reach.includes(reach_of_all(present)) else {}
    if not kept:
        key = new_key()
        return tuple(make_intermediate(root, group, now, key=key) for group in groups)
    one = next(iter(kept.values()))
    until = min(expires(issuer.certificate) for issuer in kept.values())
    return tuple(kept.get(group) or make_intermediate(root, group, now, key=one.key, until=until) for group in groups)


def reach_of_all(present: Iterable[Issuer]) -> Reach:
    """What a set may sign for."""
    return union(reach_in(issuer.certificate) for issuer in present)


def renewal(present: Sequence[Issuer], reach: Reach, now: float) -> tuple[Need, str]:
    """How urgently a set no longer serves `reach`, and why not; the reason stands behind "intermediate"."""
    if not present:
        return Need.NOW, "there is none"
    held = [reach_in(issuer.certificate) for issuer in present]
    whole = union(held)
    left = min(expires(issuer.certificate) for issuer in present) - now
    begin = max(issuer.certificate.not_valid_before_utc.timestamp() for issuer in present)
    missing = _told(whole.lacks(reach))
    due: list[tuple[bool, Need, str]] = [
        (left <= 0, Need.NOW, "it has expired"),
        (now < begin, Need.NOW, "it is not valid yet; is the clock right?"),
        (not whole.includes(reach), Need.NOW, f"the intercepted domains have changed; none covers {missing}"),
        (left < RENEW_BEFORE, Need.SOON, f"it ends in {int(left // DAY)} days"),
        (whole.everything and not reach.everything, Need.SOON, "it is unconstrained, which is no longer needed"),
        (whole != reach, Need.SOON, "it permits domains that are no longer intercepted"),
        (set(held) != set(grouped(reach)), Need.SOON, "its names stand in one large certificate, or in other groups"),
    ]
    return next(((need, reason) for is_due, need, reason in due if is_due), (Need.NO, ""))


def _kept(present: Sequence[Issuer], groups: Sequence[Reach], now: float) -> dict[Reach, Issuer]:
    by_reach = {reach_in(issuer.certificate): issuer for issuer in present}
    if any(_ends_soon(issuer, now) for issuer in present):
        return {}
    return {group: by_reach[group] for group in groups if group in by_reach}


def _ends_soon(issuer: Issuer, now: float) -> bool:
    begin = issuer.certificate.not_valid_before_utc.timestamp()
    return now < begin or expires(issuer.certificate) - now < RENEW_BEFORE


def _told(names: Sequence[str]) -> str:
    if not names:
        return "every name"
    rest = len(names) - _TOLD
    return ", ".join(names[:_TOLD]) + (f" and {rest} more" if rest > 0 else "")
