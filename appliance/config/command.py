"""What `gnomon config check` and `gnomon config show` do; the words on the command line belong to appliance/cli.

Rules: reads only. The configuration holds names of keys and files, never a secret, so all of it may be shown.
"""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.config import classifier
from appliance.config.account_checks import faults as tenant_faults
from appliance.config.catalogue import load_catalogue
from appliance.config.conversion import nearest, refuse
from appliance.config.known_files import load_known
from appliance.config.load import load
from appliance.config.policy_command import check as check_policy
from appliance.config.schema import Config, RouteEntry
from appliance.config.yaml_source import render
from appliance.model.catalogue import Catalogue
from appliance.route.carrying import CARRIED, alike


def check(path: Path | None) -> str:
    """Check a configuration and the policy and catalogue that it names; OperatorError lists every fault."""
    config = load(path)
    catalogue = load_catalogue(_path(config.catalogue.override))
    check_routes(config, catalogue)
    load_known(config.sensor, catalogue)
    if config.inspect.recognisers:
        from appliance.config.recognisers_file import load_recognisers  # the detectors' weight only where it is needed

        load_recognisers(Path(config.inspect.recognisers))
    if config.inspect.packages:
        from appliance.config.packages import load_packages

        load_packages(Path(config.inspect.packages))
    refuse(list(classifier.check(config.inspect.classifier)))
    report = check_policy(_path(config.policy.file), _path(config.catalogue.override))
    return f"The configuration is sound: stage {config.stage}, state in {config.state_dir}.\n{report.text()}"


def check_routes(config: Config, catalogue: Catalogue) -> None:
    """OperatorError: a route names a service that the catalogue does not have, so nothing could govern it."""
    known = tuple(catalogue.services)
    faults = [
        f"gateway.routes.{name}.service: no service {route.service!r} in the catalogue{nearest(route.service, known)}"
        for name, route in config.gateway.routes.items()
        if not route.targets and route.service not in known
    ]
    faults += [
        f"providers.{name}.service: no service {entry.service!r} in the catalogue{nearest(entry.service, known)}"
        for name, entry in config.providers.items()
        if entry.service not in known
    ]
    refuse(faults)
    services = frozenset(known)
    refuse(
        [f"accounts.{'.'.join(map(str, place))}: {what}" for place, what in tenant_faults(config.accounts, services)]
    )
    refuse(
        [fault for name, route in config.gateway.routes.items() for fault in _unlike(config, catalogue, name, route)]
    )


def _unlike(config: Config, catalogue: Catalogue, name: str, route: RouteEntry) -> Iterator[str]:
    """Targets of another dialect than the first that nothing is carried over to: they would not understand."""
    first = catalogue.services[route.service]
    for number, entry in enumerate(route.targets):
        there = catalogue.services[config.providers[entry.provider].service]
        if not alike((first, there)):
            place = f"gateway.routes.{name}.targets[{number}].provider"
            told = f"{there.name} speaks {there.dialect or 'no dialect'}, the first target {first.dialect or 'none'}"
            yield f"{place}: {told}; calls are carried over between {', '.join(sorted(CARRIED))} only"


def show(config: Config, *, as_json: bool = False) -> str:
    """The values in force, defaults included, as YAML that can be used as a file, or as JSON."""
    if as_json:
        return msgspec.json.format(msgspec.json.encode(config), indent=2).decode()
    return render(msgspec.to_builtins(config))


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
