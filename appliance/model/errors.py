"""Exceptions that cross package borders, named by whose fault it is.

Rules: the message is for a person: what, where (file, line, key), what to do. No secret ever goes into one.
"""


class OperatorError(Exception):
    """Configuration, policy, files or environment are wrong: the operator mends it; the command exits with 2."""


class PeerError(Exception):
    """The other side of a connection broke the protocol; `status` is the HTTP answer it gets."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class EvidenceError(Exception):
    """Stored evidence (journal, store) is damaged or cannot be written: nothing may be overwritten."""
