"""What a request and its answer tell together: whose bare version it is, that nobody asked for a key, another model.

Owns: the table of requests that wait for their answer. Rules: pure, time is that of the packets; bounded in number and
time; one request waits for each connection, and nothing is concluded where it was sent ahead of an answer. An answer
keeps its direction (`src` is the server).
"""

from collections import OrderedDict
from typing import Final

import msgspec
from msgspec.structs import replace

from appliance.model.names import ObservationKind
from appliance.model.observation import Observation
from discovery.fingerprints import API_PATHS, SERVERS, Server
from discovery.marks import UNNAMED, Mark
from discovery.model_names import unlike

MAX_WAITING: Final = 8_192
WAIT_S: Final = 120.0  # a model may think for long before its first byte
_OK: Final = 200
_MANY: Final = "h2"  # many requests at once
_MODEL_CHARS: Final = 48

type _Key = tuple[str, int, str, int]


class _Waiting(msgspec.Struct):
    """A request. `ahead`: it was sent before the one before it was answered, so whose answer comes is not known."""

    asked: Observation
    ahead: bool
    answered: bool = False


class Exchanged:
    """One sensor's table. `take` every observation in the order of the capture."""

    def __init__(self, limit: int = MAX_WAITING, wait_s: float = WAIT_S) -> None:
        self._limit, self._wait_s = limit, wait_s
        self._waiting: OrderedDict[_Key, _Waiting] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, seen: Observation) -> Observation:
        """The observation; an answer with what its request adds."""
        if seen.kind is ObservationKind.HTTP and seen.method != "CONNECT":
            self._asked(seen)
        elif seen.kind is ObservationKind.HTTP_RESPONSE:
            waiting = self._waiting.get((seen.dst, seen.dport, seen.src, seen.sport))
            if waiting is not None and seen.ts - waiting.asked.ts <= self._wait_s:
                waiting.answered = True
                return seen if waiting.ahead else answered(waiting.asked, seen)
        return seen

    def _asked(self, seen: Observation) -> None:
        key = (seen.src, seen.sport, seen.dst, seen.dport)
        before = self._waiting.pop(key, None)
        unanswered = before is not None and not before.answered
        ahead = _MANY in seen.notes or (unanswered and not _same(before, seen))
        self._waiting[key] = _Waiting(seen, ahead)
        if len(self._waiting) > self._limit:
            self._waiting.popitem(last=False)


def _same(before: _Waiting | None, seen: Observation) -> bool:
    """Whether it is the same request once more, now with its body: it is told as soon as its head is whole."""
    if before is None or before.ahead:
        return False
    told = before.asked
    return (told.method, told.path, told.host) == (seen.method, seen.path, seen.host) and set(told.marks) <= set(
        seen.marks
    )


def answered(asked: Observation, answer: Observation) -> Observation:
    """The answer with the path it is for, and with what the two tell together."""
    marks, notes = list(answer.marks), list(answer.notes)
    path = (asked.path or "").partition("?")[0]
    if answer.status == _OK and Mark.CREDENTIAL not in asked.marks and _serves(asked, answer, path):
        marks.append(Mark.NO_AUTHENTICATION)
    if Mark.CHAT_ANSWER in marks and asked.model and answer.model and unlike(asked.model, answer.model):
        marks.append(Mark.OTHER_MODEL)
        notes.append(f"asked {asked.model[:_MODEL_CHARS]}")
    return replace(
        answer,
        marks=tuple(dict.fromkeys(marks)),
        notes=tuple(dict.fromkeys(notes)),
        software=_owned(answer, path),
        method=asked.method,
        path=asked.path,
    )


def _serves(asked: Observation, answer: Observation, path: str) -> bool:
    """Whether a model has answered, or tells which models it has; tools count as well."""
    shown = not {Mark.CHAT_ANSWER, Mark.MODEL_LIST, Mark.MCP_TOOLS_LIST}.isdisjoint(answer.marks)
    streamed = not {Mark.SSE, Mark.NDJSON}.isdisjoint(answer.marks)
    return shown or (streamed and (Mark.CHAT_REQUEST in asked.marks or path in API_PATHS))


def _owned(answer: Observation, path: str) -> str | None:
    """The software, where the path tells whose bare version it is; None rather than a version of nobody."""
    name, _, version = (answer.software or "").rpartition(" ")
    if name != UNNAMED:
        return answer.software
    fitting = [server for server in SERVERS if path in server.versions]
    sure = [one for one in fitting if answer.sport in one.ports or one.service in answer.marks]
    if not sure and path not in _GENERAL:
        sure = fitting
    return f"{_software(sure[0])} {version}" if len(sure) == 1 else None


_GENERAL: Final = frozenset({"/version", "/api/version"})  # many programs have these


def _software(server: Server) -> str:
    return server.software or server.service
