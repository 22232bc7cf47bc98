"""TLS of the listeners themselves, with certificates of clients where they are asked for.

Theory of operation. One OpenSSL context, made of the operator's files; it is made anew when one of them has changed, so
that a revocation list or a renewed certificate holds from the next handshake on. Rules: with `identity.certificates` a
client may show a certificate, and one that does not verify (authority, dates, purpose, revocation) ends the handshake;
no session is resumed then, because a resumed one is not verified again; a changed file that cannot be used leaves the
context before it in force, except the revocation list: without a good one no certificate is taken (`identity`).
"""

import time
from collections.abc import Callable
from pathlib import Path

from OpenSSL import SSL, crypto

from appliance.config.identity_schema import ClientCertificates
from appliance.identity.client_certificates import authorities, revocation_lists
from appliance.model.errors import OperatorError

LOOK_EVERY = 1.0  # seconds between two looks at the files' dates

CERTIFICATE_REFUSED = "the client's certificate is not accepted: authority, dates, purpose or revocation"

type Plain = Callable[[Path, Path], SSL.Context]


class ListenerTls:
    """`context()` is what the next handshake uses. `problem`: empty, or why changed files are not used.

    `plain`: makes the context of certificate and key. OperatorError at the start: a file is not usable.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        clients: ClientCertificates | None,
        plain: Plain,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._certificate, self._key, self._clients, self._plain = certificate, key, clients, plain
        self._clock = clock
        more = (Path(clients.ca), *((Path(clients.crl),) if clients.crl else ())) if clients else ()
        self._files = (certificate, key, *more)
        self.problem = ""
        self._seen = self._stamps()
        self._context = self._make()
        self._next_look = clock() + LOOK_EVERY

    def context(self) -> SSL.Context:
        """The context, made anew if a file has changed."""
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            stamps = self._stamps()
            if stamps != self._seen:
                self._seen = stamps
                self._renew()
        return self._context

    def _renew(self) -> None:
        try:
            self._context = self._make()
        except OperatorError as error:
            self.problem = str(error)
        else:
            self.problem = ""

    def _make(self) -> SSL.Context:
        context = self._plain(self._certificate, self._key)
        if self._clients is not None:
            ask_clients(context, self._clients)
        return context

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in self._files)


def shown_in_vain(error: str | None) -> bool:
    """A handshake failed because of the certificate that the client showed (OpenSSL's words for it)."""
    return "certificate verify failed" in (error or "").lower()


def ask_clients(context: SSL.Context, clients: ClientCertificates) -> None:
    """Ask clients for a certificate, and verify what they show. OperatorError: a file is not usable."""
    found = authorities(Path(clients.ca))
    store = context.get_cert_store()
    if store is None:
        raise OperatorError("identity.certificates: OpenSSL gives no store of authorities")
    try:
        for each in found:
            store.add_cert(crypto.X509.from_cryptography(each))
            context.add_client_ca(each)
        if clients.crl:
            for each_list in revocation_lists(Path(clients.crl)):
                store.add_crl(each_list)
            store.set_flags(crypto.X509StoreFlags.CRL_CHECK)
    except (SSL.Error, crypto.Error):
        raise OperatorError(f"identity.certificates: {clients.ca}: not usable as authorities of clients") from None
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_verify(SSL.VERIFY_PEER)  # a certificate may be missing: other methods, or `required`, decide then


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
