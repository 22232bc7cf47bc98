"""`gnomon prices update`: what a file of prices changes over the one in force, and writing it there.

Rules: nothing is written before the whole file was found sound; the file in force is replaced in one step by an exact
copy, comments included.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.config.prices_file import load_prices
from appliance.config.prices_schema import DiscountEntry, PriceEntry, PricesFile
from appliance.model.errors import OperatorError


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Two files side by side, in lines for a person; `written`: where it went."""

    before: str
    after: str
    lines: tuple[str, ...] = ()
    written: str | None = None

    def text(self) -> str:
        """For a person."""
        same = "nothing changes" if self.before == self.after else f"prices {self.before or '-'} -> {self.after}"
        return "\n".join([*self.lines, same])


def update(path: Path, standing: Path | None, *, apply: bool = False) -> Difference:
    """What `path` changes over `standing`; with `apply` it takes its place. OperatorError: nothing was written."""
    if apply and standing is None:
        raise OperatorError(
            "prices update: there is no file to write to; name one in the configuration "
            "(prices.file: FILE, an empty file will do)"
        )
    after, version = load_prices(path)
    before, old = load_prices(standing) if standing is not None and standing.exists() else (PricesFile(), "")
    told = Difference(before=old, after=version, lines=tuple(_changes(before, after)))
    if not apply or standing is None:
        return told
    draft = standing.with_name(f".{standing.name}.{os.getpid()}.draft")
    try:
        draft.write_bytes(path.read_bytes())
        draft.chmod(standing.stat().st_mode & 0o777 if standing.exists() else 0o644)
        load_prices(draft)
        draft.replace(standing)
    except OSError as error:
        raise OperatorError(f"{standing}: cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return msgspec.structs.replace(told, written=str(standing))


def _changes(before: PricesFile, after: PricesFile) -> Iterator[str]:
    old, new = _named(before), _named(after)
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"- {name}"
        elif name not in old:
            yield f"+ {name}"
        elif old[name] != new[name]:
            fields = new[name].__struct_fields__
            pairs = ((field, getattr(old[name], field, None), getattr(new[name], field, None)) for field in fields)
            yield f"~ {name}: " + ", ".join(f"{field} {one} -> {other}" for field, one, other in pairs if one != other)


def _named(file: PricesFile) -> dict[str, PriceEntry | DiscountEntry]:
    entries: tuple[PriceEntry | DiscountEntry, ...] = (*file.models, *file.discounts)
    return {_name(one): one for one in entries}


def _name(entry: PriceEntry | DiscountEntry) -> str:
    kind = "price" if isinstance(entry, PriceEntry) else "discount"
    where = "".join(f" {key} {value}" for key in ("provider", "route") if (value := getattr(entry, key)))
    return f"{kind} of {entry.service or 'any service'} {entry.model}{where}"
