"""A master with only what the appliance uses, and a chain of addons that closes when one of them fails.

Theory of operation. mitmproxy looks through every addon for every hook of every event, and logs an exception in a hook
and goes on. Here the functions behind a hook are looked up once, and an exception closes what the hook was about; the
wrapper around our own addons does the same earlier and better, this is the second lock. Rules: the chain is complete
before the listeners open; exceptions are logged by type and place only.
"""

import inspect
import logging
import traceback
from collections.abc import Callable, Coroutine
from dataclasses import fields
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from mitmproxy import addonmanager, ctx, exceptions, flow, hooks, options, tls
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client
from mitmproxy.master import Master
from mitmproxy.proxy import layer, server_hooks

from addons.faults import fault_of
from addons.upstream.layers import RefusingLayer
from appliance.model.names import RefusalReason

LOG = logging.getLogger("gnomon.proxy")
FAULT = "gateway fault"

HookFunction = Callable[..., Any]


_FIELDS: dict[type[hooks.Hook], tuple[str, ...]] = {}


def arguments_of(hook: hooks.Hook) -> list[Any]:
    """`hook.args()`, with the field names of each class looked up once."""
    names = _FIELDS.get(type(hook))
    if names is None:
        names = _FIELDS[type(hook)] = tuple(field.name for field in fields(hook))  # type: ignore[arg-type]
    return [getattr(hook, name) for name in names]


class LeanAddons(addonmanager.AddonManager):
    """The chain, with a table from hook name to functions."""

    def __init__(self, master: Master) -> None:
        super().__init__(master)  # type: ignore[no-untyped-call]
        self._table: dict[str, tuple[HookFunction, ...]] = {}

    def add(self, *addons: object) -> None:
        """Add to the end of the chain."""
        super().add(*addons)  # type: ignore[no-untyped-call]
        self._table.clear()

    def remove(self, addon: object) -> None:
        """Take out of the chain."""
        super().remove(addon)  # type: ignore[no-untyped-call]
        self._table.clear()

    def start(self, hook: hooks.Hook) -> Coroutine[Any, Any, None] | None:
        """Run a hook as far as it goes without waiting. None: it is done; otherwise await the rest."""
        functions = self._table.get(hook.name)
        if functions is None:
            found = (self._iter_hooks(addon, hook) for addon in self.chain)
            functions = self._table[hook.name] = tuple(function for pairs in found for _, function in pairs)
        if not functions:
            return None
        arguments = arguments_of(hook)
        for index, function in enumerate(functions):
            try:
                result = function(*arguments)
            except exceptions.AddonHalt:
                return None
            except BaseException as error:  # noqa: BLE001 - see the module's theory
                close(hook, fault_of(error))
                continue
            if result is not None and inspect.isawaitable(result):
                return self._rest(hook, result, functions[index + 1 :])
        return None

    async def _rest(self, hook: hooks.Hook, first: Any, functions: tuple[HookFunction, ...]) -> None:
        try:
            await first
            for function in functions:
                result = function(*arguments_of(hook))
                if result is not None and inspect.isawaitable(result):
                    await result
        except exceptions.AddonHalt:
            return
        except BaseException as error:  # noqa: BLE001 - see the module's theory
            close(hook, fault_of(error))

    async def trigger_event(self, event: hooks.Hook) -> None:
        """Run a hook of the master itself."""
        rest = self.start(event)
        if rest is not None:
            await rest


class Registry:
    """Owner of the options that mitmproxy's layers read; opens no server. `starters` run when the master starts."""

    name = "proxyserver"

    def __init__(self) -> None:
        self.starters: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def load(self, loader: addonmanager.Loader) -> None:
        """Declare mitmproxy's own proxy options."""
        Proxyserver.load(self, loader)  # type: ignore[arg-type]

    async def setup_servers(self) -> bool:
        """Open the listeners."""
        for starter in self.starters:
            await starter()
        return True


class LeanMaster(Master):
    """Build it inside a running loop. `addons` are the chain, in order, after the option registry."""

    addons: LeanAddons

    def __init__(self, addons: list[object], **settings: Any) -> None:
        super().__init__(options.Options())
        # Its log handler hands every record to every addon; ours go to stderr only.
        self._legacy_log_events.uninstall()
        self.addons = LeanAddons(self)
        self.registry = Registry()
        self.addons.add(self.registry, *addons)
        known = {name: value for name, value in settings.items() if name in self.options}
        self.options.update(connection_strategy="lazy", validate_inbound_headers=True, http3=False, **known)

    @cached_property
    def fixed_options(self) -> SimpleNamespace:
        """The options as they stand when the first connection comes: each reading of the live ones copies deeply."""
        return SimpleNamespace(**{name: getattr(self.options, name) for name in self.options.keys()})  # noqa: SIM118

    async def running(self) -> None:
        """Tell the addons; a test may run several masters, so the context is set again here."""
        ctx.master, ctx.options = self, self.options
        await super().running()


def close(hook: hooks.Hook, error: BaseException) -> None:
    """Close what a failed hook was about, and say so without quoting anything."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    LOG.error("hook %s failed, closed: %s at %s:%s", hook.name, type(error).__name__, frame.name, frame.lineno)
    subject = hook.args()[0] if hook.args() else None
    if isinstance(subject, flow.Flow):
        subject.error = flow.Error(flow.Error.KILLED_MESSAGE)
    elif isinstance(subject, server_hooks.ServerConnectionHookData):
        subject.server.error = FAULT
    elif isinstance(subject, Client):
        subject.error = FAULT
    elif isinstance(subject, tls.TlsData):
        subject.ssl_conn = None
    elif isinstance(subject, layer.NextLayer):
        subject.layer = RefusingLayer(subject.context, RefusalReason.INTERNAL_FAULT, FAULT)
