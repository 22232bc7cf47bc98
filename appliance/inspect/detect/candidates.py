"""Expressions for values that may be secret by the name that they are assigned to.

Owns: the candidate rules. Rules: as for every key rule, and a candidate lies in one line, and its value is in one of
the groups `double`, `single`, `tick` (quoted) or `bare`. What a candidate is, `judging` says.

A region is a line, so what begins like a candidate is enough to look for: it is told once, and not at every letter.
"""

import re
from typing import NamedTuple

from appliance.inspect.detect import judging
from appliance.inspect.detect.keyrules import NAMED_RULES, NAMED_VERSION, KeyRule

_REVISION = "2"
_NAMED = "named-key"
_MANY_WORDS = 20


class _Shape(NamedTuple):
    """`signal`: what to look for first; empty: head, and how the value begins."""

    head: str
    value: str
    begun: str
    signal: str = ""


_APART = r"(?<![^\s`\"'(\[,])"
_QUOTE_NEXT = r"(?=[\"'])"
_VALUE = (
    r"(?:\\?\"(?P<double>(?:[^\"\\\r\n]|\\[^\"\r\n]){3,128})\\?\""
    r"|\\?'(?P<single>(?:[^'\\\r\n]|\\[^'\r\n]){3,128})\\?'|`(?P<tick>[^`\r\n]{3,128})`"
    r"|(?P<bare>[^\s\"'`,;<>\\]{3,128}))"
)
_BEGUN = r"(?:\\?[\"'`][^\r\n]{3}|[^\s\"'`,;<>\\]{3})"
_CLOSED = r"[\"'\])}`]{0,2}"
_BETWEEN = (
    r"[ \t]{0,16}(?:=>|:=|={1,3}|!={1,2}|\?=|::?|->|,|\(|>)[ \t]{0,16}[\[(@]?[ \t]?(?:[urbLf$@]" + _QUOTE_NEXT + ")?"
)
_IS = r"[ \t]{1,4}(?:is|was|are)[ \t]{1,4}"
_SAID = r"(?:[ \t]for[ \t][^\r\n:=]{1,40})?[ \t]{1,4}(?:is|was|are)(?:[ \t](?:now|set to))?[ \t]{1,4}"

# Words that a name ends with.
_SECRETS = (
    r"(?i:p(?:ass(?:w(?:or[dt]|d)|phrase|code|wd)?s?|wd|swd|sswd|w)|secret(?:[_-]?key)?s?|token|credentials?"
    r"|(?:a(?:pi|ccess|uth|pp(?:lication)?)|p(?:rivate)|s(?:igning|hared|ervice|erver)|encrypt(?:ion)?|lic(?:ense|ence)"
    r"|deploy|master|account|client|consumer|rest|admin|storage|web|function|connection|developer|read|write)[_ .-]?key"
    r"|[_-]key|[_-]pat|unseal key)(?:[_-]?(?:b64|base64|value|string))?[0-9]{0,2}"
)
_ASSIGNED = _Shape(f"{_SECRETS}{_CLOSED}(?:{_BETWEEN}|{_SAID})", _VALUE, _BEGUN)
_HEADER = _Shape(
    r"(?i:authorization|x-[a-z-]{1,24})[\"']{0,2}[ \t]{0,2}[:=,][ \t]{0,2}[\"']{0,2}"
    r"(?:(?i:basic|bearer|token|api-?key|api-token|ssws)[ \t:=\"']{1,3})?",
    r"(?P<bare>[A-Za-z0-9+/=._~@-]{6,1024})",
    r"[A-Za-z0-9+/=._~@-]{6}",
)
_BEARER = _Shape(r"(?i:bearer)[ \t:]{1,3}", r"(?P<bare>[A-Za-z0-9+/=._~@-]{12,1024})", r"[A-Za-z0-9+/=._~@-]{12}")
_PAIR_VALUE = (
    r"(?:\"(?P<double>[^\"\r\n]{0,64}:[^\"\r\n]{0,128})\"|'(?P<single>[^'\r\n]{0,64}:[^'\r\n]{0,128})'"
    r"|(?P<bare>[^\s\"'`,;<>|]{0,64}:[^\s\"'`,;<>|]{0,128}))"
)
_PAIR = _Shape(_APART + r"-(?:u|-user|-proxy-user|U)(?:=|[ \t]{0,4})", _PAIR_VALUE, r"[^\r\n]{0,65}:")
_FLAG = _Shape(_APART + r"--?(?i:p|[a-z-]{0,16}(?:pass(?:word|wd)?|pwd|token|secret|key))[ \t=]{1,3}", _VALUE, _BEGUN)
_LOGIN = _Shape(
    r"(?i:login|user)[ \t][^\s\"']{1,64}[ \t]{1,4}(?i:password|pass)[ \t]{1,4}",
    r"(?P<bare>[^\s\"'<>]{3,128})",
    r"[^\s\"'<>]{3}",
)
_LINE = _Shape(_APART + r"(?i:password|passwd)[ \t]{1,4}", r"(?P<bare>[^\s\"'<>]{4,128})(?![^\s])", r"[^\s\"'<>]{4}")
_CALL = _Shape(
    r"(?i:networkcredential|directoryentry|basicauth|plainauth|passwordauthentication)\(",
    r"(?:[\"'][^\"'\r\n]{0,80}[\"'],[ \t]{0,2}){1,2}"
    r"(?:\"(?P<double>[^\"\r\n]{3,128})\"|'(?P<single>[^'\r\n]{3,128})')",
    r"[\"']",
)
_QUOTE = r"(?:\\?\"(?P<double>[^\"\\\r\n]{3,128})\\?\"|\\?'(?P<single>[^'\\\r\n]{3,128})\\?')"
_QUOTED = _Shape(
    _APART + r"(?:(?i:password|passwd|identified by)[ \t]{1,4}"
    r"|(?i:name|key|id)=[\"'][A-Za-z0-9_.:-]{0,40}(?i:password|passwd|pwd|secret|api_?key)[\"'][ \t]{1,4}(?i:value)=)",
    _QUOTE,
    r"\\?[\"'][^\r\n]{3}",
)


def _tree(words: list[str]) -> str:
    """One expression for all words, branching at each letter where they part, so that no choice is wide."""
    if len(words) == 1:
        return re.escape(words[0])
    branches = []
    for first in sorted({word[0] for word in words if word}):
        rest = sorted({word[1:] for word in words if word.startswith(first)})
        branches.append(re.escape(first) + (_tree(rest) if rest != [""] else ""))
    made = branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
    return f"(?:{made})?" if "" in words else made


def _groups() -> list[list[str]]:
    """All words of providers, some at a time: an expression of all of them is more than Hyperscan takes."""
    words = sorted({word for rule in NAMED_RULES for word in rule.words})
    return [words[place : place + _MANY_WORDS] for place in range(0, len(words), _MANY_WORDS)]


def _named(words: list[str]) -> _Shape:
    name = f"(?i:{_tree(words)})[A-Za-z0-9_. -]{{0,24}}"
    return _Shape(
        f"{name}{_CLOSED}(?:{_BETWEEN}|{_IS})[\"'`]{{0,3}}",
        r"(?P<bare>[^\s\"'`,;<>\\]{12,512})",
        "",
        name + r"[\"'\])}` \t]{0,18}(?:[-=:,(>?!][^\r\n]{0,26}|[ \t](?:is|was|are)[ \t\"'`]{1,7})[!-~]{12}",
    )


def _first_example(words: list[str]) -> str:
    return next(rule.example for rule in NAMED_RULES if rule.words[0] in words)


def _candidate(name: str, entity: str, shape: _Shape, example: str, near: str, judge: str = "") -> KeyRule:
    version = f"{_REVISION}.{judging.VERSION}.{NAMED_VERSION}"
    score = judging.NAMED if judge == _NAMED else judging.BEST
    begins = shape.head.removeprefix(_APART).replace(_QUOTE_NEXT, "") + shape.begun
    signal = shape.signal or begins
    return KeyRule(name, entity, shape.head + shape.value, score, signal, "", judge or name, version, example, near)


CANDIDATES = (
    *(
        _candidate(f"named-by-{number}", "API_KEY", _named(words), _first_example(words), "", _NAMED)
        for number, words in enumerate(_groups())
    ),
    _candidate(
        "assigned-secret", "GENERIC_SECRET", _ASSIGNED, 'db_password = "<word:12>"', 'db_password = "${DB_PASSWORD}"'
    ),
    _candidate(
        "authorization", "AUTHORIZATION", _HEADER, "Authorization: Bearer <word:32>", "Authorization: Bearer $TOKEN"
    ),
    _candidate("bearer", "AUTHORIZATION", _BEARER, "Bearer <word:32>", "Bearer token"),
    _candidate("user-pair", "PASSWORD", _PAIR, "curl -u admin:<word:12> x", "curl -u $USER:$PASS x"),
    _candidate("flag", "PASSWORD", _FLAG, "mysql --password=<word:12>", "mysql --password=$PASS"),
    _candidate("line", "PASSWORD", _LINE, "\npassword <word:12>\n", "\npassword prompt\n"),
    _candidate("quoted", "PASSWORD", _QUOTED, "create user app password '<word:12>';", "password 'password'"),
    _candidate("call", "PASSWORD", _CALL, 'PlainAuth("me", "<word:12>")', 'PlainAuth("me", password)'),
    _candidate("login", "PASSWORD", _LOGIN, "login me password <word:12>", "login me password yours"),
)


def entities(rule: KeyRule) -> tuple[str, ...]:
    """All that a rule may find."""
    if rule.judge == _NAMED:
        return tuple(dict.fromkeys((rule.entity, *(one.entity for one in NAMED_RULES))))
    return (rule.entity, "PASSWORD") if rule.name == "assigned-secret" else (rule.entity,)
