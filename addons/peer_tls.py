"""TLS between an edge and its central appliance: 1.3, and both sides prove themselves.

Rules: authorities are those of the files `central.ca` and `peers.ca` alone, never the system's; a peer without a
certificate, or with one that does not verify, ends the handshake; no session is resumed, because a resumed one is not
verified again; files are read when a worker starts, so that the key that signs (`appliance/identity/asserted.py`) is
that of the connections' certificate: renewed files hold from `gnomon reload` on.
"""

from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL

from appliance.config.placement_schema import Central, Peers
from appliance.identity.asserted import PRIVATE_KEYS, PrivateKey
from appliance.model.errors import OperatorError

ALPN = b"http/1.1"


def hop_context(central: Central) -> SSL.Context:
    """Of an edge, towards its central appliance. OperatorError: a file is not usable."""
    context = _context(SSL.TLS_CLIENT_METHOD, "central", central)
    context.set_verify(SSL.VERIFY_PEER)
    return context


def peers_context(peers: Peers) -> SSL.Context:
    """Of a central appliance, towards its edges. OperatorError: a file is not usable."""
    context = _context(SSL.TLS_SERVER_METHOD, "peers", peers)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)

    def choose(_: SSL.Connection, offers: list[bytes]) -> Any:
        return ALPN if ALPN in offers else SSL.NO_OVERLAPPING_PROTOCOLS

    context.set_alpn_select_callback(choose)
    return context


def signing_key(central: Central) -> PrivateKey:
    """The key of an edge's certificate. OperatorError: it cannot be read, or is of no kind that signs here."""
    try:
        key = load_pem_private_key(Path(central.key).read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        raise OperatorError(f"central.key {central.key}: not readable as a private key without a password") from None
    if not isinstance(key, PRIVATE_KEYS):
        raise OperatorError(f"central.key {central.key}: neither Ed25519, elliptic curve nor RSA")
    return key


def _context(method: int, section: str, files: Central | Peers) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    try:
        context.use_certificate_chain_file(files.certificate)
        context.use_privatekey_file(files.key)
        context.check_privatekey()
    except SSL.Error:
        words = f"{section}.certificate {files.certificate}, {section}.key {files.key}"
        raise OperatorError(f"{words}: not readable as a PEM chain and its private key") from None
    try:
        context.load_verify_locations(files.ca)
    except SSL.Error:
        raise OperatorError(f"{section}.ca {files.ca}: not readable as PEM certificates") from None
    return context
