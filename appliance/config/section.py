"""What every section of the configuration is: a frozen record whose unknown keys are refused."""

import msgspec


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the configuration."""
