"""What `gnomon ca init|export|status` do, without printing.

Owns: the way from the configuration to the authority's folder and reach. Rules: an intermediate that may sign for every
name is made only when it is asked for in so many words.
"""

import time
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization

from appliance.ca import files
from appliance.ca.authority import Issuer, expires
from appliance.ca.files import CaStatus
from appliance.ca.intermediates import Need
from appliance.ca.reach import UNCONSTRAINED, Reach, reach_of
from appliance.config.catalogue import load_catalogue
from appliance.config.schema import Config
from appliance.model.catalogue import Catalogue
from appliance.model.errors import OperatorError


def ca_folder(config: Config) -> Path:
    """Where the authority lives."""
    return config.ca_dir


def reach_for(config: Config, catalogue: Catalogue) -> Reach:
    """What has to be signed for: the catalogue's domains, or everything when more than AI names are opened."""
    return reach_of(catalogue.domains()) if config.egress.intercept == "ai" else UNCONSTRAINED


def init(config: Config, *, unconstrained: bool = False, now: float | None = None) -> str:
    """Make the root, or renew the intermediates of the one that is there; the answer tells what was done.

    OperatorError: nothing is due; the root key is away; more than AI names are opened and `unconstrained` is not given.
    """
    moment = time.time() if now is None else now
    folder, reach = config.ca_dir, _configured_reach(config)
    if reach.everything and not unconstrained:
        raise _unasked(config)
    known = files.root_path(folder).exists()
    current = files.status(folder, reach, moment)
    if known and current.renewal is Need.NO:
        raise OperatorError(
            f"{files.root_path(folder)}: a root is there already and is never replaced, and its intermediate needs "
            "no renewal; see `gnomon ca status`"
        )
    if not known:
        files.init(folder, moment)
    files.issue_intermediates(folder, reach, moment, current.reason)
    return _summary(folder, made=not known)


def prepare(
    config: Config, catalogue: Catalogue, now: float, *, starting: bool = False
) -> tuple[tuple[Issuer, ...], str]:
    """The authority for a start or a change, made or renewed as far as that needs no word from the operator.

    The text is for the log; empty: nothing to tell. OperatorError: as `files.ensure`; more than AI names are opened and
    no unconstrained intermediate was ever asked for.
    """
    folder, reach = config.ca_dir, reach_for(config, catalogue)
    if reach.everything and not files.status(folder, reach, now).unconstrained:
        raise _unasked(config)
    return files.ensure(folder, reach, now, starting=starting)


def due(config: Config, *, now: float | None = None) -> str:
    """What waits for the root key, for a person; empty: nothing."""
    return files.due(config.ca_dir, _configured_reach(config), time.time() if now is None else now)


def export(config: Config, form: str = "pem") -> bytes:
    """The root certificate for clients: `pem` (most systems) or `der` (Windows, Android)."""
    certificate = files.root_certificate(config.ca_dir)
    if form == "pem":
        return certificate.public_bytes(serialization.Encoding.PEM)
    if form == "der":
        return certificate.public_bytes(serialization.Encoding.DER)
    raise OperatorError(f"ca export: unknown form {form!r}; choose pem or der")


def status(config: Config, *, now: float | None = None) -> CaStatus:
    """What is there and what is due; never changes anything."""
    return files.status(config.ca_dir, _configured_reach(config), time.time() if now is None else now)


def _configured_reach(config: Config) -> Reach:
    override = config.catalogue.override
    return reach_for(config, load_catalogue(Path(override) if override else None))


def _unasked(config: Config) -> OperatorError:
    return OperatorError(
        f"egress.intercept is {config.egress.intercept}: that needs an intermediate which may sign for every name, "
        "so whoever steals it can impersonate any site. Say so with `gnomon ca init --unconstrained`, or set "
        "egress.intercept to ai"
    )


def _summary(folder: Path, *, made: bool) -> str:
    root = files.root_certificate(folder)
    issuers = files.load_intermediates(folder)
    until = time.strftime("%Y-%m-%d", time.gmtime(min(expires(issuer.certificate) for issuer in issuers)))
    name = issuers[0].certificate.subject.rfc4514_string() if len(issuers) == 1 else f"{len(issuers)} of one key"
    return "\n".join(
        (
            f"{'Root made' if made else 'Root kept'}: {root.subject.rfc4514_string()}",
            f"  sha256 {root.fingerprint(hashes.SHA256()).hex(':')}",
            f"  certificate {files.root_path(folder)} (clients must trust it: gnomon ca export)",
            f"  key {files.root_key_path(folder)} (take it offline once this is done; it is needed again to renew)",
            f"Intermediate issued: {name}, until {until}",
        )
    )
