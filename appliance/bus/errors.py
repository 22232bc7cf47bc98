"""What a call over the bus can end in beside a reply.

Rules: `RemoteError` is the other side's answer and means that it lives; `Unreachable` means that no answer came and
that nobody can tell whether the call took effect.
"""


class RemoteError(Exception):
    """The server refused the call. `kind` is a word to branch on, `message` a sentence for people.

    Kinds that the bus itself gives: malformed, unknown_verb, unknown_topic, forbidden, busy, too_large, peer, operator,
    evidence, internal. A handler may raise RemoteError with a kind of its own.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class Unreachable(Exception):  # noqa: N818 - a state, in the words of its readers
    """Nobody listens, the connection broke, or the time ran out. The message names the socket."""
