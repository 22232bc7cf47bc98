"""Names of several sources, kept apart by prefixes: `alice` of a partner's issuer is `partner/alice` here.

Rules: pure; everything that a source asserts carries its prefix: user, groups, department; a prefix is a word and one
slash, so that none can be the beginning of another; a source without prefix that asserts a name under somebody else's
is refused whole, or it could be whoever it likes. Names that the operator writes (htpasswd, virtual keys, addresses,
members) are the operator's word and may name anybody.
"""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from appliance.identity.method import Answer, IdentityMethod, IdentityRequest, Refusal
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason

FOREIGN = "names a user, group or department of another source of names"


@dataclass(frozen=True, slots=True)
class Realm:
    """`prefix`: of one source, "" for none; `taken`: prefixes of all sources."""

    prefix: str = ""
    taken: tuple[str, ...] = ()

    def named(
        self, user: str, groups: Collection[str], department: str | None
    ) -> tuple[str, list[str], str | None] | None:
        """The names as they are known here; None: one of them is another source's."""
        if self.prefix:
            under = [self.prefix + group for group in groups]
            return self.prefix + user, under, department and self.prefix + department
        if self.taken and any(name.startswith(self.taken) for name in (user, *groups, department or "")):
            return None
        return user, list(groups), department


OURS = Realm()


class InRealm:
    """An `IdentityMethod` whose names are put into a realm."""

    def __init__(self, method: IdentityMethod, realm: Realm) -> None:
        self._method = method
        self._realm = realm

    @property
    def problem(self) -> str:
        """The method's."""
        return str(getattr(self._method, "problem", ""))

    async def identify(self, request: IdentityRequest, now: float) -> Answer | None:
        """What the method says."""
        answer = await self._method.identify(request, now)
        if not isinstance(answer, Principal):
            return answer
        named = self._realm.named(answer.name, answer.groups, answer.department)
        if named is None:
            return Refusal(403, RefusalReason.IDENTITY_FAILED, f"the credential {FOREIGN}")
        user, groups, department = named
        return msgspec.structs.replace(answer, name=user, groups=tuple(groups), department=department)


def in_realm(method: IdentityMethod, realm: Realm) -> IdentityMethod:
    """The method itself where no prefix is in use."""
    return InRealm(method, realm) if realm.prefix or realm.taken else method
