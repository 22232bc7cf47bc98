"""What a translation cannot carry over: told where it is harmless, refused where it is not.

Rules: nothing is left out without a line here. What is harmless stands in a closed table, by the name of the field; a
field that is not in it makes a request be refused, by name. In an answer there is nothing left to refuse: its losses
are told.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

MAX_TOLD: Final = 64
_INDEX = re.compile(r"\[\d+\]")
_PLAIN = re.compile(r"[^\w.\[\]$-]+")
_NO_LINE = re.compile(r"[^\x20-\x7e]+")
_BESIDE: Final = "says nothing to the model"
_SPEED: Final = "changes speed or price, not the answer"
_DRAW: Final = "changes which words are drawn"
HARMLESS: Final[Mapping[str, str]] = {
    "user": _BESIDE,
    "safety_identifier": _BESIDE,
    "metadata": _BESIDE,
    "client_metadata": _BESIDE,
    "labels": _BESIDE,
    "user_id": _BESIDE,
    "store": "nothing is kept at the other service",
    "service_tier": _SPEED,
    "speed": _SPEED,
    "inference_geo": "the route decides where",
    "prompt_cache_key": _SPEED,
    "prompt_cache_retention": _SPEED,
    "prompt_cache_options": _SPEED,
    "cache_control": _SPEED,
    "prediction": _SPEED,
    "keep_alive": _SPEED,
    "num_ctx": "the other service has a context of its own",
    "num_batch": _SPEED,
    "num_gpu": _SPEED,
    "num_thread": _SPEED,
    "main_gpu": _SPEED,
    "use_mmap": _SPEED,
    "include_obfuscation": "deltas are not padded",
    "stream_options": "deltas are not padded",
    "seed": _DRAW,
    "top_k": _DRAW,
    "verbosity": "the other service has no such switch",
    "safety_settings": "the other service has filters of its own",
    "safetySettings": "the other service has filters of its own",
    "media_resolution": "the other service chooses the resolution itself",
    "mediaResolution": "the other service chooses the resolution itself",
    "anthropic-beta": "a header of the caller's own service",
    "openai-beta": "a header of the caller's own service",
}
"""Name of a field of the caller's, wherever it stands, to why it may be left out."""
LACKING: Final[Mapping[str, str]] = {
    "temperature": _DRAW,
    "top_p": _DRAW,
    "detail": "the other service chooses the resolution itself",
    "strict": "the schema goes along, the promise to keep it does not",
    "effort": "the other service decides how long it thinks",
    "thinking": "reasoning of an earlier turn, which the other service does not take",
    "signature": "sealed for another provider",
    "max_tokens": "the other service needs a number, and gets one",
    "system": "instructions between turns go in front of them",
    "is_error": "the other service has no mark for a tool's failure",
    "title": "the other service takes no name of a document",
    "format_name": "the other service takes no name of a schema",
    "shown": "the other service decides itself whether it shows its reasoning",
    "tools": "no call was wanted, and there tools cannot be told without being offered",
    **{name: HARMLESS[name] for name in ("top_k", "seed", "user", "metadata")},
}
"""What was read and another dialect has no place for, to why that is harmless. No name of a caller's gets here."""


class Loss(msgspec.Struct, frozen=True, gc=False):
    """One thing that was not carried over. `field`: its path, positions left out. `why`: words for a person."""

    field: str
    why: str


class Refused(Exception):  # noqa: N818 - a decision, not an error
    """What cannot be translated. `message` names the fields; `status` is the HTTP answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Losses:
    """Collects the losses of one message."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._refusing: dict[str, str] = {}

    def tell(self, field: str, why: str = "") -> None:
        """`field` is not carried over: told where its last name is in the table, else refused."""
        path = _PLAIN.sub("?", _INDEX.sub("[]", field))[:200]
        harmless = HARMLESS.get(path.rpartition(".")[2].removesuffix("[]"))
        if harmless is None:
            self.refuse(path, why)
        elif len(self._told) < MAX_TOLD:
            self._told.setdefault(path, why or harmless)

    def lack(self, word: str, why: str = "") -> None:
        """The other dialect has no place for what was read: told where the word is in LACKING, else refused."""
        if word not in LACKING:
            self.refuse(word, why)
        elif len(self._told) < MAX_TOLD:
            self._told.setdefault(word, why or LACKING[word])

    def refuse(self, field: str, why: str = "") -> None:
        """`field` is not carried over, and that would change what is asked or said.

        Both may hold words of the other side: they are shown in letters that break no line, and cut.
        """
        if len(self._refusing) < MAX_TOLD:
            path, told = (_NO_LINE.sub("?", text)[:200] for text in (field, why or "has no counterpart"))
            self._refusing.setdefault(path, told)

    def settle(self) -> tuple[Loss, ...]:
        """Losses of a request; Refused where one of them is not harmless."""
        if self._refusing:
            listed = "; ".join(f"{field}: {why}" for field, why in self._refusing.items())
            raise Refused(f"this request cannot be carried over to the other service's dialect: {listed}"[:2000])
        return self.told()

    def told(self) -> tuple[Loss, ...]:
        """Losses of an answer: all of them."""
        return tuple(Loss(field, why) for field, why in {**self._told, **self._refusing}.items())
