"""Passwords proven by an LDAP directory (RFC 4511, 4513), with groups and department of who has proven one.

Theory of operation. One attempt is one connection: TLS, verified by the standard library against the host's name; where
people are searched, a service account finds exactly one entry; then the person's own bind proves the password. Rules:
runs on threads only, never on the event loop; nothing is sent before TLS is up; an empty password is refused here,
because directories take it for an anonymous sign-in (RFC 4513 5.1.2); referrals are not followed; each step has its
time; when the directory is down that is remembered for some seconds, so that threads do not all wait for it. Its host
is the operator's word and is not judged as upstream addresses are.
"""

import ssl
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import ldap3  # type: ignore[import-untyped] # it has no types
from ldap3.core.exceptions import (  # type: ignore[import-untyped]
    LDAPBindError,
    LDAPException,
    LDAPOperationResult,
    LDAPSASLPrepError,
    LDAPStartTLSError,
)
from ldap3.protocol.sasl.sasl import validate_simple_password  # type: ignore[import-untyped]

from appliance.config.identity_schema import Directory
from appliance.identity.authenticator import DirectoryDownError
from appliance.identity.claims import MAX_GROUPS, is_name
from appliance.identity.credential_cache import Member
from appliance.identity.ldap_names import attribute_of, escaped, group_name, group_names, host_and_port
from appliance.model.errors import OperatorError

DOWN_S = 3.0  # how long nobody is sent to a directory that has just not answered
MAX_PASSWORD = 1024
_NO_SUCH_PERSON = frozenset({32, 34, 48, 49, 50, 53})  # result codes of RFC 4511 that say no, and not that it is ill


type Opened = Callable[[tuple[str, int], tuple[str, int]], None]  # our own end of a connection and the far one


@dataclass(frozen=True, slots=True)
class _Entry:
    dn: str
    attributes: dict[str, list[str]]


class _VerifiedTls(ldap3.Tls):  # type: ignore[misc] # the library is untyped
    """TLS by the standard library's own rules: chain, name, version. The library's own check of names is not used."""

    def __init__(self, context: ssl.SSLContext, opened: Opened | None = None) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context = context
        self._opened = opened

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:
        """Replace the socket; ssl.SSLError or TimeoutError when the other side is not the directory."""
        del do_handshake
        if self._opened is not None:
            self._opened(connection.socket.getsockname()[:2], connection.socket.getpeername()[:2])
        connection.socket = self._context.wrap_socket(connection.socket, server_hostname=connection.server.host)


class DirectoryPasswords:
    """What `BasicAuthenticator` asks. `opened` hears of connections before TLS. OperatorError: a file is unusable."""

    def __init__(
        self, settings: Directory, *, clock: Callable[[], float] = time.monotonic, opened: Opened | None = None
    ) -> None:
        self._settings = settings
        self._opened = opened
        self._host, self._port, self._tls_first = host_and_port(settings.url)
        self._context = _context(settings.ca_bundle)
        self._secret = _secret(settings.bind_password)
        self._clock = clock
        self._down_until = 0.0
        self.problem = ""
        self._lock = threading.Lock()
        self._name = attribute_of(settings.user_dn or settings.search)

    @property
    def passwords(self) -> "DirectoryPasswords":
        """Itself."""
        return self

    def refresh(self, now: float) -> bool:  # noqa: ARG002 - the interface has it
        """Nothing changes here: what was proven holds until its time."""
        return False

    def check(self, user: str, password: str) -> bool | Member:
        """Whose password it is; False: nobody's. DirectoryDownError: the directory does not answer."""
        if not password or len(password) > MAX_PASSWORD or not is_name(user) or not _is_password(password):
            return False
        with self._lock:
            if (left := self._down_until - self._clock()) > 0:
                raise DirectoryDownError(max(1, ceil(left)))
        try:
            found = self._asked(user, password)
        except (LDAPException, OSError) as error:  # ssl.SSLError is an OSError
            self.problem = f"identity.ldap: {self._host}: {type(error).__name__}"
            with self._lock:
                self._down_until = self._clock() + DOWN_S
            raise DirectoryDownError(ceil(DOWN_S)) from None
        self.problem = ""
        return found

    def _asked(self, user: str, password: str) -> bool | Member:
        settings = self._settings
        connection = self._open()
        try:
            if settings.user_dn:
                dn = settings.user_dn.format(user=escaped(user))
                if not self._bound(connection, dn, password):
                    return False
                found = self._search(connection, dn, "(objectClass=*)", ldap3.BASE)
                return self._member(connection, found[0] if found else _Entry(dn, {}), user)
            if not self._bound(connection, settings.bind_dn or "", self._secret):
                raise LDAPBindError("the account that searches is refused")
            found = self._search(connection, settings.base, settings.search.format(user=escaped(user)), ldap3.SUBTREE)
            if len(found) != 1:
                return False  # nobody, or a filter that does not tell people apart
            member = self._member(connection, found[0], user)
            return member if self._bound(connection, found[0].dn, password) else False
        finally:
            connection.unbind()

    def _open(self) -> Any:
        wait = max(1, ceil(self._settings.timeout_s))
        server = ldap3.Server(
            self._host,
            port=self._port,
            use_ssl=self._tls_first,
            tls=_VerifiedTls(self._context, self._opened),
            get_info=ldap3.NONE,
            connect_timeout=wait,
        )
        connection = ldap3.Connection(
            server,
            auto_bind=ldap3.AUTO_BIND_NONE,
            auto_referrals=False,
            check_names=False,
            read_only=True,
            receive_timeout=wait,
        )
        try:
            self._begin(connection)
        except BaseException:
            if connection.socket is not None:  # the library leaves it open
                connection.socket.close()
            raise
        return connection

    def _begin(self, connection: Any) -> None:
        connection.open(read_server_info=False)
        if not self._tls_first:
            connection.start_tls(read_server_info=False)
        if not isinstance(connection.socket, ssl.SSLSocket):
            raise LDAPStartTLSError("no TLS")

    def _bound(self, connection: Any, dn: str, password: str) -> bool:
        if connection.rebind(user=dn, password=password, authentication=ldap3.SIMPLE, read_server_info=False):
            return True
        if connection.result["result"] in _NO_SUCH_PERSON:
            return False
        raise LDAPBindError("the directory cannot say")

    def _search(self, connection: Any, base: str, query: str, scope: str) -> list[_Entry]:
        wanted = [name for name in ("memberOf", self._settings.department, self._name) if name]
        limit = MAX_GROUPS + 1 if base == self._settings.groups_base else 2
        connection.search(
            base, query, scope, attributes=wanted, size_limit=limit, time_limit=ceil(self._settings.timeout_s)
        )
        if connection.result["result"] not in (0, 4, 32):  # success, size limit, no such object
            raise LDAPOperationResult("the directory cannot say")
        entries = [each for each in connection.response or () if each.get("type") == "searchResEntry"]
        if connection.result["result"] and 0 < len(entries) < limit:
            raise self._of_one("the directory's own limit leaves entries out; raise it for the account that searches")
        return [_Entry(each["dn"], _texts(each["raw_attributes"])) for each in entries]

    def _of_one(self, what: str) -> DirectoryDownError:
        """What keeps one person from being judged; others are still asked for."""
        self.problem = f"identity.ldap: {self._host}: {what}"
        return DirectoryDownError(ceil(DOWN_S))

    def _member(self, connection: Any, entry: _Entry, user: str) -> Member:
        settings = self._settings
        if settings.groups_base:
            query = settings.groups_search.format(dn=escaped(entry.dn), user=escaped(user))
            names = tuple(
                name
                for each in self._search(connection, settings.groups_base, query, ldap3.SUBTREE)
                if (name := group_name(each.dn)) is not None
            )
        else:
            names = group_names(entry.attributes.get("memberof", ()))
        if len(names) > MAX_GROUPS:
            raise self._of_one("more groups than can be judged")
        told = entry.attributes.get(settings.department.lower(), [])
        department = told[0] if told and is_name(told[0]) else None
        return Member(_written(entry.attributes.get((self._name or "").lower(), []), user), names, department)


def _is_password(password: str) -> bool:
    """It can be sent (RFC 4513 5.1.3). Found out here: on its way it would look as if the directory were down."""
    try:
        return bool(validate_simple_password(password)) and "\0" not in password
    except LDAPSASLPrepError:
        return False


def _written(values: list[str], typed: str) -> str:
    """One name for one person, however it was typed: directories compare without case and width."""
    name = values[0] if len(values) == 1 and is_name(values[0]) else typed
    return unicodedata.normalize("NFKC", name).casefold()


def _texts(raw: dict[str, list[bytes]]) -> dict[str, list[str]]:
    return {name.lower(): [value.decode("utf-8", "replace") for value in values] for name, values in raw.items()}


def _context(bundle: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=bundle)
    except OSError:
        raise OperatorError(f"identity.ldap.ca_bundle: {bundle}: not readable as PEM certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _secret(path: str | None) -> str:
    if path is None:
        return ""
    try:
        if Path(path).stat().st_mode & 0o077:
            raise OperatorError(f"identity.ldap.bind_password: {path}: others may read it; run: chmod 600 {path}")
        text = Path(path).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"identity.ldap.bind_password: {path}: not readable as a line of text") from error
    if not text or len(text) > MAX_PASSWORD or not text.isprintable():
        raise OperatorError(f"identity.ldap.bind_password: {path}: must hold the password, one line")
    return text
