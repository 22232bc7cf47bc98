"""Held keys on disk: one file NAME per key in `gateway.credentials_dir`, or one that systemd lays beside the service.

Owns: where a key lies, what a file must be like, writing and removing. Rules: systemd's credential of a name goes
before the folder's; a folder is 0700 and a file a regular one of 0600 or 0400, both the appliance's own, no links; what
is not so is refused whole; a key is text of one line that may stand in a header, sealed where it was written here
(appliance/config/sealing.py), and bound to a provider or to none. No error, listing or record shows a key: only its
fingerprint under the site key. NAME.new and NAME.old are what comes after a key and what stood before it.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from appliance.config.key_files import Place, make_folder, open_key, opened, replace
from appliance.config.route_schema import credentials_of
from appliance.config.schema import Config
from appliance.config.sealing import OVERHEAD, Seal, is_sealed, load_seal
from appliance.config.site_key import derive
from appliance.model.errors import OperatorError
from appliance.route.credentials import fingerprint
from appliance.route.held import MAX_KEY_BYTES, NAME, HeldKey, held_name, is_sendable

SYSTEMD = "CREDENTIALS_DIRECTORY"  # set by systemd for LoadCredential= and SetCredential=, see systemd.exec(5)
NEW, OLD = ".new", ".old"  # what comes after a key, and what stood before it
MAX_LISTED = 1000
LOOK_EVERY = 0.5  # seconds between two looks at the files of keys


class Keys(NamedTuple):
    """Keys that routes ask for: those that are there, and in words why another is not."""

    held: dict[str, HeldKey]
    faults: dict[str, str]


class Sealer:
    """What this site seals with, had once and when it is first asked for. `fault`: why it cannot be had."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._seal: Seal | None = None
        self.fault: OperatorError | None = None

    def get(self) -> Seal:
        """OperatorError: it cannot be had; nobody tries again, for a command may take its time."""
        if self.fault is not None:
            raise self.fault
        if self._seal is None:
            try:
                self._seal = load_seal(self._config)
            except OperatorError as error:
                self.fault = error
                raise
        return self._seal


class Found(NamedTuple):
    """A key in its file. `provider`: what it is bound to; empty: nothing. `sealed`: False, it lies there in clear."""

    value: bytes
    provider: str = ""
    sealed: bool = False


class Listed(msgspec.Struct, frozen=True):
    """A credential for people. `fault`: why it cannot be used; empty: it can."""

    name: str
    place: str  # file | systemd
    fingerprint: str | None
    fault: str = ""
    sealed: bool = False
    provider: str = ""


def places(config: Config) -> tuple[Place, ...]:
    """Where keys are looked for, in order."""
    given = os.environ.get(SYSTEMD)
    systemd = (Place(Path(given), ours=False),) if given and Path(given).is_absolute() else ()
    return (*systemd, Place(config.credentials_dir, ours=True))


def asked_for(config: Config) -> tuple[str, ...]:
    """Names of the held keys that routes and parent proxies want, sorted."""
    routes = config.gateway.routes.values()
    told = [one for route in routes for one in credentials_of(route, config.providers)]
    told += [entry.credential for entry in config.egress.via if entry.credential]
    return tuple(sorted({name for credential in told if (name := held_name(credential))}))


def load_keys(config: Config, sealer: Sealer | None = None) -> Keys:
    """Every key that a route asks for. Never raises for a key: one that cannot be used stands in `faults`."""
    keys, sealer = Keys({}, {}), sealer or Sealer(config)
    for name in asked_for(config):
        try:
            found = read_key(config, name, sealer)
        except OperatorError as error:
            keys.faults[name] = str(error)
            continue
        if found is None:
            keys.faults[name] = f"no held credential {name}; run: gnomon keys add {name}"
        else:
            keys.held[name] = found
    return keys


def usable(config: Config) -> frozenset[str]:
    """Names of the keys that routes ask for and that lie as they must. No key is read."""
    return frozenset(name for name in asked_for(config) if any(_lies_well(place, name) for place in places(config)))


def _lies_well(place: Place, name: str) -> bool:
    try:
        descriptor = open_key(place, name)
    except OperatorError:
        return False
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None


def check(config: Config) -> Iterator[str]:
    """What is wrong with the keys that are there; one that is missing may still come."""
    sealer = Sealer(config)
    for name in asked_for(config):
        try:
            read_key(config, name, sealer)
        except OperatorError as error:
            yield str(error)


def read_key(config: Config, name: str, sealer: Sealer | None = None) -> HeldKey | None:
    """The key, None where there is none; OperatorError names the file and what to do."""
    sealer = sealer or Sealer(config)
    for place in places(config):
        if (found := _read(place, name, sealer)) is not None:
            _check_provider(config, name, found)
            return HeldKey(found.value)
    return None


def look(config: Config, name: str, sealer: Sealer, suffix: str = "") -> Found | None:
    """What lies in the folder under a name, or beside it; None: nothing. OperatorError: it cannot be used."""
    return _read(Place(config.credentials_dir, ours=True), name, sealer, suffix)


def provider_of(config: Config, name: str) -> str:
    """The service of the routes and providers that ask for a key; empty: none does, or those of several services."""
    services = {service for _, service in _askers(config, name)}
    return services.pop() if len(services) == 1 else ""


def _askers(config: Config, name: str) -> Iterator[tuple[str, str]]:
    """Who asks for a key, in words, and for which service; of a parent proxy none."""
    entries = [(f"provider {word}", each.service, each.credential) for word, each in config.providers.items()]
    entries += [
        (f"route {word}", each.service, each.credential)
        for word, each in config.gateway.routes.items()
        if not each.targets
    ]
    entries += [("a parent proxy (egress.via)", "", each.credential or "") for each in config.egress.via]
    yield from ((word, service) for word, service, credential in entries if held_name(credential) == name)


def _check_provider(config: Config, name: str, found: Found) -> None:
    for word, service in _askers(config, name) if found.provider else ():
        if service != found.provider:
            raise OperatorError(
                f"credential {name} is sealed for {found.provider}, and {word} would send it to "
                f"{service or 'another place'}; give it a key of its own"
            )


class KeyFolder:
    """Notices that keys have changed. `clock` gives seconds; `look` may be called at any time, and reads seldom."""

    def __init__(self, config: Config, sealer: Sealer, clock: Callable[[], float]) -> None:
        self._config, self._sealer, self._clock = config, sealer, clock
        self._names = asked_for(config)
        self._seen = self._stamp()
        self._next = clock() + LOOK_EVERY

    def look(self) -> Keys | None:
        """All keys anew, where a file has changed; None: nothing has. Never raises for a key."""
        now = self._clock()
        if now < self._next or not self._names:
            return None
        self._next = now + LOOK_EVERY
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        self._seen = stamp
        return load_keys(self._config, self._sealer)

    def _stamp(self) -> tuple[object, ...]:
        found: list[object] = []
        for place in places(self._config):
            for name in self._names:
                try:
                    file = (place.folder / name).lstat()
                except OSError:
                    found.append(None)
                else:
                    found.append((file.st_ino, file.st_ctime_ns, file.st_size))
        return tuple(found)


def key_print(key: HeldKey, site_key: bytes) -> str:
    """The fingerprint of a key, the same that records show of keys seen."""
    return fingerprint(key.reveal(), derive(site_key, b"gnomon-keyprint"))


def checked(name: str, value: bytes) -> bytes:
    """A key as it may be kept. OperatorError: no name, or no key."""
    _check_name(name)
    value = _line(value)
    if not is_sendable(value):
        raise OperatorError(f"credential {name}: {_SHAPE}; nothing was written")
    return value


def write_key(
    config: Config,
    name: str,
    value: bytes,
    *,
    provider: str | None = None,
    suffix: str = "",
    sealer: Sealer | None = None,
) -> Path:
    """Put a key in place at one stroke, sealed, 0600; its file. OperatorError: no name or key, or no place to write.

    `provider`: what it is bound to; None: the service of the routes that ask for it.
    """
    value = checked(name, value)
    folder = config.credentials_dir
    try:
        make_folder(folder, Path(config.state_dir))
        bound = provider_of(config, name) if provider is None else provider
        data = (sealer or Sealer(config)).get().seal(name, bound, value)
        with opened(Place(folder, ours=True)) as descriptor:
            replace(descriptor, name + suffix, data)
    except OSError as error:
        raise OperatorError(
            f"{folder / name}: cannot be written ({error.strerror}); run as the appliance's user"
        ) from None
    return folder / name


def step_forward(config: Config, name: str) -> None:
    """NAME.new becomes NAME, and what stood there NAME.old; at no moment is there no key. OperatorError: it failed."""
    _check_name(name)
    folder = config.credentials_dir
    fresh = f".{name}.{os.getpid()}.old"
    try:
        with opened(Place(folder, ours=True)) as descriptor:
            try:
                os.link(name, fresh, src_dir_fd=descriptor, dst_dir_fd=descriptor, follow_symlinks=False)
                os.replace(fresh, name + OLD, src_dir_fd=descriptor, dst_dir_fd=descriptor)
            except FileNotFoundError:
                pass  # the first of its name
            os.replace(name + NEW, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
            os.fsync(descriptor)
    except OSError as error:
        raise OperatorError(
            f"{folder / name}: cannot be changed ({error.strerror}); run as the appliance's user"
        ) from None


def remove_key(config: Config, name: str, suffix: str = "") -> bool:
    """Remove a key from the folder; False: there was none."""
    _check_name(name)
    path = config.credentials_dir / (name + suffix)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise OperatorError(f"{path}: cannot be removed ({error.strerror}); run as the appliance's user") from None
    return True


def listed(config: Config, site_key: bytes | None) -> list[Listed]:
    """Every credential that this process can see, by name; what routes ask for and nobody gave has a fault."""
    found: dict[str, Listed] = {}
    sealer = Sealer(config)
    for place in places(config):
        for name in _names(place):
            if name not in found:
                found[name] = _listed(place, name, site_key, sealer)
    for name in asked_for(config):
        found.setdefault(name, Listed(name, "-", None, "missing"))
    return [found[name] for name in sorted(found)]


def _listed(place: Place, name: str, site_key: bytes | None, sealer: Sealer) -> Listed:
    told = "file" if place.ours else "systemd"
    try:
        found = _read(place, name, sealer) or Found(b"")
    except OperatorError as error:
        return Listed(name, told, None, str(error))
    printed = key_print(HeldKey(found.value), site_key) if found.value and site_key else None
    return Listed(name, told, printed, sealed=found.sealed, provider=found.provider)


def _names(place: Place) -> list[str]:
    try:
        return sorted(path.name for path in place.folder.iterdir() if NAME.match(path.name))[:MAX_LISTED]
    except OSError:
        return []


_SHAPE = f"a key is one line of 1 to {MAX_KEY_BYTES} visible ASCII characters"


def _check_name(name: str) -> None:
    if not NAME.match(name):
        raise OperatorError("a credential's name is a-z, 0-9, - and _, at most 64; it is never the key itself")


def _read(place: Place, name: str, sealer: Sealer, suffix: str = "") -> Found | None:
    """The key in one place, None where there is no such file."""
    descriptor = open_key(place, name + suffix)
    if descriptor is None:
        return None
    try:
        data = os.read(descriptor, MAX_KEY_BYTES + OVERHEAD + 3)
    finally:
        os.close(descriptor)
    found = _unsealed(place, name, data, sealer) if is_sealed(data) else Found(_line(data))
    if not is_sendable(found.value):
        raise OperatorError(f"{place.folder / name}: {_SHAPE}; write it with: gnomon credential set {name}")
    return found


def _unsealed(place: Place, name: str, data: bytes, sealer: Sealer) -> Found:
    seal = sealer.get()
    try:
        value, provider = seal.open(name, data)
    except ValueError as error:
        told = f"{error}; it is opened with {seal.source} (gateway.sealing)"
        raise OperatorError(f"{place.folder / name}: {told}: give that back, or set the key anew") from None
    return Found(value, provider, sealed=True)


def _line(value: bytes) -> bytes:
    """Without the one newline that an editor leaves at the end."""
    return value.removesuffix(b"\n").removesuffix(b"\r") if value.endswith(b"\n") else value
