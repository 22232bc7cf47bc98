"""Groups and departments of users from a file, beside what tokens, keys and directories tell.

Rules: a file is taken whole or refused whole; read when a worker starts (`gnomon reload` takes up a changed one); added
only to people who are known, never to an anonymous caller; groups of both sources hold, and the department of the
credential goes before that of the file.
"""

from pathlib import Path

import msgspec

from appliance.config.conversion import load_struct
from appliance.config.section import Section
from appliance.identity.claims import MAX_GROUPS, is_name
from appliance.identity.method import ANONYMOUS
from appliance.model.errors import OperatorError
from appliance.model.facts import Principal

MAX_MEMBERS = 100_000


class MemberEntry(Section, frozen=True):
    """What the file says of one user."""

    groups: tuple[str, ...] = ()
    department: str | None = None


class _File(Section, frozen=True):
    users: dict[str, MemberEntry] = {}


def load_members(path: Path) -> dict[str, MemberEntry]:
    """The users of a file. OperatorError lists every fault as `FILE:LINE: key: what`."""
    users = load_struct(path, _File).users
    if len(users) > MAX_MEMBERS:
        raise OperatorError(f"{path}: more than {MAX_MEMBERS} users")
    for user, entry in users.items():
        names = (user, *entry.groups, *(() if entry.department is None else (entry.department,)))
        if not all(map(is_name, names)) or len(entry.groups) > MAX_GROUPS:
            raise OperatorError(f"{path}: users.{user[:64]}: names are printable text of at most 256 characters")
    return users


class Members:
    """Adds what the file says."""

    def __init__(self, users: dict[str, MemberEntry]) -> None:
        self._users = users

    def enrich(self, principal: Principal) -> Principal:
        """With the file's groups and department."""
        entry = self._users.get(principal.name)
        if entry is None or principal.name == ANONYMOUS:
            return principal
        groups = tuple(dict.fromkeys((*principal.groups, *entry.groups)))
        return msgspec.structs.replace(principal, groups=groups, department=principal.department or entry.department)
