"""`gnomon catalogue update | show`: what a file would change, the file that says so, and why a host is matched.

Rules: nothing is written before the whole result was read back as sound; what lies under a wider name of another owner
is told, not refused, because carving out is what an override is for. The operator's file is written whole, beside and
then in place of the old one, with its first comment lines; other comments do not survive and the caller is told so.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from appliance.config import yaml_source
from appliance.config.catalogue import Placed, catalogue_of, embedded, laid_over, override_files
from appliance.config.catalogue_file import CatalogueFile, Change, read_file
from appliance.config.yaml_source import Document
from appliance.model.catalogue import Catalogue, Service
from appliance.model.errors import OperatorError

UPDATED = "update.yaml"  # in a folder of overrides: the file that updates go to


class Line(msgspec.Struct, frozen=True):
    """One service of a difference. `fields`: name, before, after; empty for one that came or went."""

    id: str
    names: tuple[str, ...]
    fields: tuple[tuple[str, str, str], ...] = ()


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Two catalogues side by side. `overlaps`: names that lie below another owner's suffix, newly."""

    before: str
    after: str
    added: tuple[Line, ...] = ()
    changed: tuple[Line, ...] = ()
    removed: tuple[Line, ...] = ()
    overlaps: tuple[str, ...] = ()
    written: str | None = None

    def text(self) -> str:
        """For a person."""
        lines = [f"+ {line.id}: {', '.join(line.names) or '(no name)'}" for line in self.added]
        lines += [f"- {line.id}: {', '.join(line.names) or '(no name)'}" for line in self.removed]
        for line in self.changed:
            lines += [f"~ {line.id}.{field}: {old} -> {new}" for field, old, new in line.fields]
        lines += [f"note: {overlap}" for overlap in self.overlaps]
        counts = f"{len(self.added)} added, {len(self.changed)} changed, {len(self.removed)} removed"
        same = "nothing changes" if self.before == self.after else f"catalogue {self.before} -> {self.after}"
        return "\n".join([*lines, f"{counts}; {same}"])


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Why a host is taken for a service. `place`: where the entry stands; `also`: wider entries that lost."""

    host: str
    version: str
    entry: str | None = None
    place: str | None = None
    why: str = "no entry covers this name: it is no AI service to this catalogue"
    service: Service | None = None
    also: tuple[tuple[str, str], ...] = ()


def update(path: Path, override: Path | None, *, apply: bool = False) -> Difference:
    """What the file at `path` changes over what is in force; with `apply` it is written into `override`.

    OperatorError: the file is not sound, or contradicts what is in force (every fault is listed), or there is no
    override to write to. Then nothing was written.
    """
    if apply and override is None:
        raise OperatorError(
            "catalogue update: there is no file to write to; name one in the configuration "
            "(catalogue.override: FILE, an empty file will do)"
        )
    coming = yaml_source.read(path)
    standing = [yaml_source.read(file) for file in override_files(override)]
    now = laid_over(embedded(), standing)
    before = catalogue_of(now)
    after = catalogue_of(laid_over(now, [coming], gone=embedded()))
    told = difference(before, after)
    if not apply or override is None:
        return told
    target = override / UPDATED if override.is_dir() else override
    return msgspec.structs.replace(told, written=_write(target, coming, standing, told))


def difference(before: Catalogue, after: Catalogue) -> Difference:
    """What is in one and not, or not so, in the other; by id."""
    old, new = before.services, after.services
    known = set(_overlaps(before))
    return Difference(
        before=before.version,
        after=after.version,
        added=tuple(Line(name, new[name].names) for name in sorted(new.keys() - old.keys())),
        removed=tuple(Line(name, old[name].names) for name in sorted(old.keys() - new.keys())),
        changed=tuple(
            Line(name, new[name].names, tuple(_fields(old[name], new[name])))
            for name in sorted(new.keys() & old.keys())
            if new[name] != old[name]
        ),
        overlaps=tuple(one for one in _overlaps(after) if one not in known),
    )


def show(host: str, override: Path | None) -> Shown:
    """Which entry takes `host`, where it stands, and which others would have."""
    placed = laid_over(embedded(), map(yaml_source.read, override_files(override)))
    catalogue = catalogue_of(placed)
    hits = catalogue.covering(host)
    if not hits:
        return Shown(host=host, version=catalogue.version)
    service, entry = hits[0]
    return Shown(
        host=host,
        version=catalogue.version,
        entry=entry,
        place=placed[service.id][1],
        why=_why(entry),
        service=service,
        also=tuple((hit.entry, hit.service.id) for hit in hits[1:]),
    )


def _why(entry: str) -> str:
    if entry.startswith("."):
        return f"the name lies at or below {entry[1:]}, and no entry is closer to it"
    return f"the name fits {entry}" if "*" in entry else "the name itself is in the catalogue"


def _fields(old: Service, new: Service) -> Iterator[tuple[str, str, str]]:
    for field in old.__struct_fields__:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            yield field, _told(before), _told(after)


def _told(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _overlaps(catalogue: Catalogue) -> Iterator[str]:
    for service in catalogue.services.values():
        for name in service.domains:
            for hit in catalogue.covering(name.removeprefix(".")):
                if hit.service.owner != service.owner and hit.entry != name:
                    yield f"{name} ({service.owner}) lies within {hit.entry} ({hit.service.owner})"


def _write(target: Path, coming: Document, standing: Sequence[Document], told: Difference) -> str:
    mine = [document for document in standing if document.name == str(target)]
    others = [document for document in standing if document.name != str(target)]
    merged = _merged(read_file(mine[0])[0] if mine else CatalogueFile(), read_file(coming)[0], embedded())
    text = _head(target) + yaml_source.render(msgspec.to_builtins(merged))
    again = laid_over(embedded(), [*others, yaml_source.parse(text.encode(), str(target))])
    if catalogue_of(again).version != told.after:
        raise OperatorError(f"{target}: what would be written does not read back as the change; nothing was written")
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OperatorError(f"{target}: cannot be written ({error.strerror}); nothing was changed") from error
    return str(target)


def _merged(mine: CatalogueFile, coming: CatalogueFile, below: Placed) -> CatalogueFile:
    """One file that means both, the second laid over the first."""
    services = {service.id: service for service in mine.services}
    change, remove = dict(mine.change), set(mine.remove)
    for name in coming.remove:
        services.pop(name, None)
        change.pop(name, None)
        if name in below:
            remove.add(name)
    for service in coming.services:
        services[service.id] = service
        change.pop(service.id, None)
        remove.discard(service.id)
    for name, asked in coming.change.items():
        if name in services:
            services[name] = asked.made(services[name])
        else:
            change[name] = _joined(change.get(name, Change()), asked)
    return CatalogueFile(services=tuple(services.values()), change=change, remove=tuple(sorted(remove)))


def _joined(first: Change, second: Change) -> Change:
    """What both say; the second has the last word. `also` of the first falls where the second names all domains."""
    said = {
        field: value
        for field in second.__struct_fields__
        if field != "also" and (value := getattr(second, field)) is not msgspec.UNSET
    }
    also = (() if "domains" in said else first.also) + second.also
    return msgspec.structs.replace(first, **said, also=tuple(dict.fromkeys(also)))


def _head(target: Path) -> str:
    """The comment lines that a file begins with."""
    try:
        lines = target.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    except FileNotFoundError:
        return ""
    kept: list[str] = []
    for line in lines:
        if not line.startswith("#"):
            break
        kept.append(line)
    return "".join(kept)
