"""What is wrong with the sections about signals and about telling other systems. Pure.

Rules: a metrics endpoint off loopback names who may read it, and never everybody; a collector's address is a place and
carries no credentials.
"""

import ipaddress
from collections.abc import Iterator
from typing import Final

from appliance.config.schema import Config
from appliance.config.yaml_source import Path_
from appliance.route.targets import is_address, parse_host_port, parse_target

type Fault = tuple[Path_, str]

MEASURES: Final = ("prompts", "logprobs", "repeats", "models", "conversations")
_MAX_DAYS, _MAX_FACTOR, _MIN_INTERVAL = 28, 1000, 1
_ALL = 100


def faults(config: Config) -> Iterator[Fault]:
    """Every fault, with its place."""
    yield from _signals(config)
    yield from _metrics(config)
    yield from _otel(config)
    for service, entry in config.neutrality.items():
        if entry.cached_share is not None and not 0 <= entry.cached_share <= 1:
            yield ("neutrality", service, "cached_share"), "must lie between 0 and 1"
        if entry.first_byte_ms is not None and entry.first_byte_ms <= 0:
            yield ("neutrality", service, "first_byte_ms"), "must be more than 0"


def _signals(config: Config) -> Iterator[Fault]:
    signals = config.signals
    if not 1 <= signals.days <= _MAX_DAYS:
        yield ("signals", "days"), f"must lie between 1 and {_MAX_DAYS}"
    if not 0 < signals.percentile < _ALL:
        yield ("signals", "percentile"), "must lie between 0 and 100, without these"
    if not 1 <= signals.factor <= _MAX_FACTOR:
        yield ("signals", "factor"), f"must lie between 1 and {_MAX_FACTOR}"
    for name in MEASURES:
        if getattr(signals, name) < 1:
            yield ("signals", name), "must be at least 1"


def _metrics(config: Config) -> Iterator[Fault]:
    listen, place = config.metrics.listen, ("metrics", "listen")
    if listen is None:
        return
    try:
        found = parse_host_port(listen, any_port=True)
    except ValueError as error:
        yield place, str(error)
        return
    yield from _clients(config)
    if not is_address(found[0]):
        yield place, "write an address of this machine, e.g. 127.0.0.1:9464"
    elif not ipaddress.ip_address(found[0]).is_loopback and not config.metrics.clients:
        yield place, "is reachable from other machines: set metrics.clients to the networks that may read it"


def _clients(config: Config) -> Iterator[Fault]:
    for number, text in enumerate(config.metrics.clients):
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            yield ("metrics", "clients", number), f"not a network: {error}; write e.g. 10.1.2.0/24"
            continue
        if network.prefixlen == 0:
            yield ("metrics", "clients", number), "admits every address; name the networks that may read it"


def _otel(config: Config) -> Iterator[Fault]:
    if config.otel.endpoint is not None:
        try:
            parse_target(config.otel.endpoint)
        except ValueError as error:
            yield ("otel", "endpoint"), str(error)
    if config.otel.interval_s < _MIN_INTERVAL:
        yield ("otel", "interval_s"), f"must be at least {_MIN_INTERVAL}"
