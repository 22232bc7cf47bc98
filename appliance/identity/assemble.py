"""From the `identity` section of the configuration to the methods that it asks for.

Rules: the order is stated once, here: signed tokens, virtual keys, passwords, then certificates, then addresses, so
that what somebody shows on purpose goes before what a machine always shows, and a proven person is not taken for a
mapped machine; a credential that no method takes is refused and never ignored; without any method `required` cannot be
met and is refused at start.
"""

import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path

from appliance.config.identity_checks import is_address
from appliance.config.identity_schema import Identity, TokenIssuer
from appliance.identity.addresses import AddressMap, AddressMapping
from appliance.identity.authenticator import BasicAuthenticator, PasswordSource
from appliance.identity.backoff import BackOff
from appliance.identity.basic import basic_challenge
from appliance.identity.bearer import Issuer, TokenMethod, bearer_challenge
from appliance.identity.claims import ClaimRules
from appliance.identity.jwks import MAX_JWKS, parse_jwks
from appliance.identity.kept_keys import KeptKeys
from appliance.identity.keyring import Fetch, KeyRing
from appliance.identity.members import Members, load_members
from appliance.identity.method import Answer, Identification, IdentityMethod, IdentityRequest, wrong
from appliance.identity.password_file import PasswordFile
from appliance.identity.realms import OURS, Realm, in_realm
from appliance.identity.virtual_key_file import VirtualKeyFile
from appliance.identity.virtual_key_method import VirtualKeyMethod
from appliance.model.errors import OperatorError

type Opened = Callable[[tuple[str, int], tuple[str, int]], None]  # our own end of a connection and the far one
type FetchOf = Callable[[str, str | None], Fetch]  # address of a key set, PEM file of authorities: how it is fetched


class UnclaimedCredential:
    """An `IdentityMethod` behind those that take credentials in headers: refuses the rest."""

    def __init__(self, challenge: str, *, passwords: bool) -> None:
        self._challenge = challenge
        self._passwords = passwords

    async def identify(self, request: IdentityRequest, now: float) -> Answer | None:  # noqa: ARG002 - the interface has it
        """None: nothing was shown that a method should have taken."""
        if request.token is not None or request.key is not None:
            return wrong(request, "this appliance does not take such a credential", self._challenge)
        if self._passwords and request.proxy_authorization is not None and request.listener == "proxy":
            return wrong(request, "this appliance does not take that scheme of Proxy-Authorization", self._challenge)
        return None


def make_identification(
    settings: Identity,
    executor: Executor,
    *,
    virtual_keys: VirtualKeyFile | None = None,
    fetch: FetchOf | None = None,
    opened: Opened | None = None,
    state: Path | None = None,
) -> Identification:
    """Methods in their order. `executor`: threads for password checks. OperatorError: files or networks are wrong.

    `virtual_keys`: needed where the section takes them; `fetch`: where an issuer's keys lie at an address. `opened`
    hears of connections to a directory before TLS begins on them. `state`: the folder in which fetched keys are kept.
    """
    if settings.required and not settings.proves:
        raise OperatorError("identity.required: nobody can be known; set a method, e.g. identity.htpasswd")
    challenge, backoff, taken = _challenge(settings), BackOff(), _taken(settings)
    methods: list[IdentityMethod] = []
    if settings.tokens:
        issuers = [_issuer(each, number, fetch, taken, state) for number, each in enumerate(settings.tokens)]
        methods.append(TokenMethod(issuers, challenge=challenge, cache_s=settings.cache_s, backoff=backoff))
    if settings.virtual_keys and virtual_keys is not None:
        methods.append(VirtualKeyMethod(virtual_keys, challenge=challenge, backoff=backoff))
    source, method = _passwords(settings, opened)
    if source is not None:
        realm, cache_s = settings.realm, settings.cache_s
        passwords = BasicAuthenticator(
            source, executor, realm=realm, cache_s=cache_s, backoff=backoff, method=method, challenge=challenge
        )
        realm_of = Realm(settings.ldap.prefix or "", taken) if settings.ldap is not None else OURS
        methods.append(in_realm(passwords, realm_of))
    methods.append(UnclaimedCredential(challenge, passwords=bool(settings.tokens)))
    if settings.certificates is not None:
        from appliance.identity.client_certificates import CertificateMethod

        realm_of = Realm(settings.certificates.prefix or "", taken)
        methods.append(in_realm(CertificateMethod(settings.certificates), realm_of))
    if settings.addresses:
        entries = [AddressMapping(item.network, item.user, item.groups, item.department) for item in settings.addresses]
        methods.append(AddressMap(entries))
    members = Members(load_members(Path(settings.members)) if settings.members else {})
    asked = challenge if source is not None or settings.tokens else None
    return Identification(tuple(methods), required=settings.required, challenge=asked, enrich=members.enrich)


def _challenge(settings: Identity) -> str:
    """What a client may send: with both, one header with both schemes (RFC 9110 11.7.1)."""
    basic = (basic_challenge(settings.realm),) if settings.htpasswd or settings.ldap else ()
    bearer = (bearer_challenge(settings.realm),) if settings.tokens or not basic else ()
    return ", ".join((*basic, *bearer))


def _passwords(settings: Identity, opened: Opened | None) -> tuple[PasswordSource | None, str]:
    if settings.ldap is not None:
        from appliance.identity.directory import DirectoryPasswords

        return DirectoryPasswords(settings.ldap, opened=opened), "ldap"
    return (PasswordFile(Path(settings.htpasswd)) if settings.htpasswd is not None else None), "basic"


def _taken(settings: Identity) -> tuple[str, ...]:
    """Prefixes in use: what stands under one is its source's alone."""
    return tuple(sorted({prefix for _, prefix in settings.asserting if prefix}))


def _issuer(
    issuer: TokenIssuer, number: int, fetch: FetchOf | None, taken: tuple[str, ...], kept_in: Path | None
) -> Issuer:
    algorithms = frozenset[str](issuer.algorithms)
    if not is_address(issuer.jwks):
        source: Fetch = partial(_read, Path(issuer.jwks), number)
    elif fetch is not None:
        source = fetch(issuer.jwks, issuer.ca_bundle)
    else:
        raise OperatorError(f"identity.tokens[{number}].jwks: addresses cannot be fetched here")
    kept = KeptKeys(kept_in, issuer.issuer, issuer.jwks) if kept_in is not None and is_address(issuer.jwks) else None
    parse = partial(parse_jwks, accepted=algorithms)
    ring = KeyRing(source, parse, refresh_s=issuer.refresh_s, kept_s=issuer.kept_s, kept=kept)
    ring.begin(time.time())
    rules = ClaimRules(
        issuer.issuer,
        frozenset(issuer.audience),
        leeway_s=issuer.leeway_s,
        user=issuer.user,
        groups=issuer.groups,
        department=issuer.department,
        kind=issuer.kind,
        realm=Realm(issuer.prefix or "", taken),
    )
    return Issuer(rules, algorithms, ring)


async def _read(path: Path, number: int) -> bytes:
    """A key set in a file: small, local, and read seldom."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_JWKS + 1)
    except OSError as error:
        raise OperatorError(f"identity.tokens[{number}].jwks: {path}: cannot be read ({error.strerror})") from None
