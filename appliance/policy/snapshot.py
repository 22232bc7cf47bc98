"""A policy snapshot: everything a verdict depends on beside the facts, numbered, as one record.

Rules: pure; JSON with a format number; a snapshot is never changed, a new one gets the next number; what cannot be read
whole is refused whole, so that a worker keeps the policy it has.
"""

import msgspec

from appliance.model.decision import Decision
from appliance.model.errors import OperatorError
from appliance.model.names import Stage
from appliance.policy.rules import Rule

FORMAT = 1
MAX_BYTES = 64 << 20


class PolicySnapshot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules, decisions and stage as of `created` (epoch seconds). `version` counts up from 1."""

    version: int
    created: float
    stage: Stage = Stage.OBSERVE
    rules: tuple[Rule, ...] = ()
    decisions: tuple[Decision, ...] = ()
    catalogue_version: str = ""
    timezone: str = "UTC"  # of days and hours in rules
    format: int = FORMAT


class _Head(msgspec.Struct):
    """Just enough to tell another format from damage."""

    format: int


def encode(snapshot: PolicySnapshot) -> bytes:
    """The snapshot as JSON, keys in record order: equal snapshots give equal bytes."""
    return msgspec.json.encode(snapshot)


def decode(data: bytes, name: str = "policy snapshot") -> PolicySnapshot:
    """The snapshot back. `name` is the file that errors tell. OperatorError: other format, damaged, too large."""
    if len(data) > MAX_BYTES:
        raise OperatorError(f"{name}: larger than {MAX_BYTES} bytes; no policy is: restore it from a backup")
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.format != FORMAT:
            raise OperatorError(f"{name}: format {head.format}, this release reads format {FORMAT}; use its release")
        snapshot = msgspec.json.decode(data, type=PolicySnapshot)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OperatorError(f"{name}: damaged ({error}); remove `current` to fall back to the policy file") from error
    if snapshot.version < 1:
        raise OperatorError(f"{name}: version {snapshot.version} is not a snapshot number (1 or more)")
    return snapshot
