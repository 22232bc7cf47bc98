"""Sending to the configured collector over OTLP/HTTP, and nowhere else.

Rules: one address, no redirects, no proxies of the environment; certificates are verified; an answer is read up to
64 KiB. What the collector cannot take now (429, 502-504, no connection) is sent again with the next turn; what it
refuses is let go and told. The headers may hold a key: they are read from a file of the owner's own and never shown.
"""

import http.client
import re
import ssl
import stat
from pathlib import Path
from typing import Final

from appliance.model.errors import OperatorError
from appliance.route.targets import Target, parse_target

TIMEOUT_S: Final = 10.0
MAX_ANSWER: Final = 65_536
TRACES, METRICS = "/v1/traces", "/v1/metrics"
_AGAIN: Final = frozenset({429, 502, 503, 504})  # OTLP/HTTP specification, "retryable response codes"
_TAKEN: Final = range(200, 300)
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}\Z")
_VALUE: Final = re.compile(r"[\x20-\x7e\t]{0,4096}\Z")


class AwayError(Exception):
    """The collector cannot take it now."""


class RefusedError(Exception):
    """The collector will not take it."""


def read_headers(path: Path | None) -> dict[str, str]:
    """Lines `NAME: VALUE`. OperatorError names file and line, never what stands there."""
    if path is None:
        return {}
    place = f"otel.headers: {path}"
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise OperatorError(f"{place}: others may read it; run: chmod 600 {path}")
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"{place}: cannot be read as text ({type(error).__name__})") from None
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon or not _NAME.match(name) or not _VALUE.match(value):
            raise OperatorError(f"{path}:{number}: otel.headers: write NAME: VALUE, one a line, in ASCII")
        found[name] = value.strip()
    return found


class Collector:
    """Blocking; one connection per sending."""

    def __init__(self, endpoint: str, headers: dict[str, str]) -> None:
        self._target: Target = parse_target(endpoint)
        self._headers = {**headers, "Content-Type": "application/json", "User-Agent": "gnomon"}
        self._tls = ssl.create_default_context() if self._target.scheme == "https" else None

    def send(self, path: str, body: bytes) -> None:
        """Hand `body` over. AwayError: later; RefusedError: never; neither shows what was sent or answered."""
        connection = self._connection()
        try:
            connection.request("POST", path, body, self._headers)
            answer = connection.getresponse()
            answer.read(MAX_ANSWER)
        except (OSError, http.client.HTTPException) as error:
            raise AwayError(f"{self._target}: {type(error).__name__}") from None
        finally:
            connection.close()
        if answer.status in _AGAIN:
            raise AwayError(f"{self._target}: answered {answer.status}")
        if answer.status not in _TAKEN:
            raise RefusedError(f"{self._target}: answered {answer.status} to {path}")

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._target.host, self._target.port
        if self._tls is None:
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=self._tls)
