"""What an operator does with held keys: add, rotate, rotate all, retire, and what should have been done.

Rules: values come in as bytes, go into files, and are shown nowhere; a key is replaced at one stroke, and what it
replaces stays beside it until it is retired; many are changed all or none: every value is laid down before the first
one is sent. A running appliance takes up what changed within a second.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from appliance.config import credentials, key_register
from appliance.config.credentials import NEW, OLD, Sealer, asked_for, checked, key_print
from appliance.config.schema import Config
from appliance.config.site_key import load_site_key
from appliance.model.errors import OperatorError
from appliance.model.names import KeyState
from appliance.route.held import HeldKey
from appliance.route.key_life import KeyRecord, activated, overdue, retired, staged

SITE = "the site key"


class KeyShown(msgspec.Struct, frozen=True):
    """A held key for people: its record, what its files say, and what should have been done."""

    record: KeyRecord
    asked: bool
    present: bool
    sealed: bool
    problems: tuple[str, ...] = ()


class Rotation:
    """Changes held keys. `clock` gives epoch seconds."""

    def __init__(self, config: Config, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock
        self._sealer = Sealer(config)
        self._site_key: bytes | None = None

    def add(self, name: str, value: bytes, *, provider: str | None = None, rotate_days: int | None = None) -> KeyRecord:
        """A key of a new name. OperatorError: there is one of that name."""
        if credentials.look(self._config, name, self._sealer) is not None:
            raise OperatorError(f"{name}: there is a key of that name; replace it with: gnomon keys rotate {name}")
        return self.put(name, value, provider=provider, rotate_days=rotate_days, overlap_s=0.0)

    def put(
        self,
        name: str,
        value: bytes,
        *,
        provider: str | None = None,
        rotate_days: int | None = None,
        overlap_s: float,
    ) -> KeyRecord:
        """A key of a name, whether there is one or not."""
        self.stage({name: value}, provider=provider, rotate_days=rotate_days)
        return self.activate(name, overlap_s)

    def stage(
        self, values: Mapping[str, bytes], *, provider: str | None = None, rotate_days: int | None = None
    ) -> None:
        """Lay values down, which nothing sends yet. OperatorError: one is no key, and then none is laid down."""
        lines = {name: checked(name, value) for name, value in values.items()}
        twice = self._known(lines)
        if twice:
            raise OperatorError(f"{', '.join(twice)}: that is the key that is there already; nothing was changed")
        for name, value in lines.items():
            bound = provider if provider is not None else self._bound(name)
            credentials.write_key(self._config, name, value, provider=bound, suffix=NEW, sealer=self._sealer)
        with key_register.changing(self._config) as records:
            for name, value in lines.items():
                record = records.get(name, KeyRecord(name))
                days = record.rotate_days if rotate_days is None else rotate_days
                bound = provider if provider is not None else self._bound(name)
                record = msgspec.structs.replace(record, provider=bound, rotate_days=days)
                records[name] = staged(self._adopted(record), self._print(value), self._clock())

    def activate(self, name: str, overlap_s: float) -> KeyRecord:
        """Send the staged value from now on. OperatorError: nothing is staged."""
        staged_value = credentials.look(self._config, name, self._sealer, NEW)
        if staged_value is None:
            raise OperatorError(f"{name}: no new key is laid down; see: gnomon keys list")
        credentials.step_forward(self._config, name)
        with key_register.changing(self._config) as records:
            record = records.get(name) or staged(KeyRecord(name), self._print(staged_value.value), self._clock())
            records[name] = record = activated(record, self._clock(), overlap_s)
        return record

    def retire(self, name: str, *, whole: bool = False) -> KeyRecord:
        """Forget what a key replaced, or (`whole`) every value of the name. OperatorError: there is none."""
        states = {KeyState.OVERLAP, KeyState.NEW, KeyState.ACTIVE} if whole else {KeyState.OVERLAP}
        suffixes = ("", NEW, OLD) if whole else (OLD,)
        gone = [credentials.remove_key(self._config, name, suffix) for suffix in suffixes]
        if not any(gone):
            raise OperatorError(f"{name}: nothing to retire; see: gnomon keys list")
        with key_register.changing(self._config) as records:
            records[name] = record = retired(records.get(name, KeyRecord(name)), frozenset(states), self._clock())
        return record

    def shown(self) -> list[KeyShown]:
        """Every key that there is, was, or should be, by name."""
        records = key_register.read(self._config)
        found = {each.name: each for each in credentials.listed(self._config, self._key())}
        asked = asked_for(self._config)
        shown = []
        for name in sorted({*records, *found}):
            record = records.get(name, KeyRecord(name))
            file = found.get(name)
            present = file is not None and file.place != "-"
            problems = (*self._file_problems(record, file), *overdue(record, self._clock()))
            sealed = file is not None and (file.sealed or file.place == "systemd")
            shown.append(KeyShown(record, name in asked, present, sealed, tuple(problems)))
        return shown

    def sealing(self) -> str:
        """What is wrong with how keys are sealed, in words; empty: nothing."""
        try:
            source = self._sealer.get().source
        except OperatorError as error:
            return str(error)
        if source != SITE:
            return ""
        return (
            "keys are sealed with a key made of the site key, which lies in the same state folder: whoever copies both "
            "can open them; set gateway.sealing (file, credential or command), then gnomon keys reseal"
        )

    def reseal(self, before: Config) -> int:
        """Seal every key of the folder anew: of `before`'s sealing, or in clear; how many that were."""
        was, count = Sealer(before), 0
        for entry in credentials.listed(before, None):
            for suffix in ("", NEW, OLD):
                found = credentials.look(before, entry.name, was, suffix)
                if found is not None:
                    credentials.write_key(
                        self._config,
                        entry.name,
                        found.value,
                        provider=found.provider or self._bound(entry.name),
                        suffix=suffix,
                        sealer=self._sealer,
                    )
                    count += 1
        return count

    def _file_problems(self, record: KeyRecord, file: credentials.Listed | None) -> Iterator[str]:
        active = record.of(KeyState.ACTIVE)
        if file is None:
            if active is not None:
                yield "its file is gone"
            return
        if file.fault:
            yield file.fault
        elif file.place == "file" and not file.sealed:
            yield "lies in clear: gnomon keys reseal"
        if active and file.fingerprint and file.place == "file" and file.fingerprint != active.fingerprint:
            yield "the file holds another key than the register says: it was put there by other means"
        if record.of(KeyState.NEW) is not None:
            yield f"a new key is laid down and not sent: gnomon keys rotate {record.name} --staged"

    def _known(self, lines: Mapping[str, bytes]) -> list[str]:
        """Names whose value is the one that is there."""
        same = []
        for name, value in lines.items():
            found = credentials.look(self._config, name, self._sealer)
            if found is not None and HeldKey(found.value) == HeldKey(value):
                same.append(name)
        return same

    def _adopted(self, record: KeyRecord) -> KeyRecord:
        """With the key that is there although the register does not know it."""
        if record.of(KeyState.ACTIVE) is not None:
            return record
        found = credentials.look(self._config, record.name, self._sealer)
        if found is None:
            return record
        path: Path = self._config.credentials_dir / record.name
        since = path.stat().st_mtime
        return activated(staged(record, self._print(found.value), since), since)

    def _bound(self, name: str) -> str:
        record = key_register.read(self._config).get(name)
        return (
            record.provider if record is not None and record.provider else credentials.provider_of(self._config, name)
        )

    def _print(self, value: bytes) -> str:
        return key_print(HeldKey(value), self._key())

    def _key(self) -> bytes:
        if self._site_key is None:
            self._site_key = load_site_key(Path(self._config.state_dir))
        return self._site_key
