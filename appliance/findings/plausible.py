"""What bytes on the wire say of the tokens in the ledger: whether the one can have carried the other.

Owns: the bounds of bytes for tokens. Rules: pure; a hint for people, never a verdict, so the bounds are wide: pictures
take few tokens for many bytes, a context that the provider keeps takes many for few.
"""

from enum import StrEnum
from typing import Final


class Plausibility(StrEnum):
    """What bytes on the wire say of the tokens in the ledger."""

    PLAUSIBLE = "plausible"
    MORE_BYTES = "more_bytes"  # more went up than such prompts take: files, pictures, or something that is no prompt
    MORE_TOKENS = "more_tokens"  # more tokens than the bytes can hold: context kept by the provider, or a wrong count


# A token is 1-16 bytes of text in every common vocabulary; compression and cached contexts make less of it, JSON
# escapes of non-Latin text (\uXXXX, 6 bytes a character) more. Head, handshake and framing come on top per request.
LEAST_BYTES_PER_TOKEN: Final = 0.25
MOST_BYTES_PER_TOKEN: Final = 48.0
BYTES_PER_REQUEST: Final = 16_384


def plausible(
    bytes_up: int, input_tokens: int, requests: int, *, untold_bytes: int = 0, at_least: bool = False
) -> Plausibility:
    """Whether `input_tokens` in `requests` can have been what `bytes_up` carried.

    `untold_bytes`: of requests whose tokens nobody told; they may have gone up twice over, in whatever packing.
    `at_least`: there may have been more bytes.
    """
    if bytes_up > input_tokens * MOST_BYTES_PER_TOKEN + requests * BYTES_PER_REQUEST + 2 * untold_bytes:
        return Plausibility.MORE_BYTES
    if not at_least and bytes_up < input_tokens * LEAST_BYTES_PER_TOKEN:
        return Plausibility.MORE_TOKENS
    return Plausibility.PLAUSIBLE
