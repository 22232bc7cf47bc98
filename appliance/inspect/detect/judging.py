"""Whether what a name is assigned is a secret: features of name and value, and a score.

Owns: the judgement. Rules: pure, linear. A value whose provider is named and whose shape fits is a key; all else is a
guess, however good, and its score says so: never above `BEST`, below what policies act on by default.
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import NamedTuple

from appliance.inspect.detect import fillers, ordinary
from appliance.inspect.detect.checks import bits, jumbled, random_looking, scrambled, switching
from appliance.inspect.detect.keyrules import NAMED_RULES

VERSION = "2"
BEST = 0.45
LEAST = 0.4
NAMED = 0.8

_ENOUGH = 10  # letters of a key that nobody chose
_SHORTEST = 4
_WORDED = 8
_HEADER = 24
_ENDS_LOOKED_AT = 4
_DULL = 2.2  # bits for each letter: less has no key
_LIVELY = 2.8
_DENSE = 3.5
_GROUPED, _EVERY_FEW = 14, 5
_SURE, _LIKELY, _POSSIBLE = 1.0, 0.4, 0.3


class Seen(NamedTuple):
    """A candidate. `before`: left of it in its line; `head`: the candidate up to its value."""

    before: str
    head: str
    value: str
    quoted: bool


class Told(NamedTuple):
    """A secret. `skip`, `cut`: characters of the value, at its ends, that are none of it."""

    entity: str
    score: float
    rule: str
    skip: int = 0
    cut: int = 0


type Judge = Callable[[Seen], Told | None]

_NAMED = [
    (word, rule, [re.compile(one, re.ASCII) for one in rule.shapes]) for rule in NAMED_RULES for word in rule.words
]
_ENDS = re.compile(r"[)\]}&?#|:.\\]")
_CREDENTIAL = re.compile(
    r"(?i:key|token|secret|pass|pwd|auth|cred|cert|api|sid|login|pat\b|jwt|bearer|account|contribsys)"
)
_PASSWORD_WORD = re.compile(r"(?i:p(?:ass(?!ive)|wd|swd|w\b))")
_SHORT_WORD = re.compile(r"(?i:pass(?!w|phrase|code)|pw)")
_NAMES_ONE = re.compile(r"(?i:passw|passphrase|pwd)[^,(]{0,40}\Z")  # and neither a list nor a call
_FIRST_ARGUMENT = re.compile(r"\([\"'][A-Za-z0-9_.-]{1,40}\Z")
_LISTED = re.compile(r"[\"'][ \t]*,")  # a word among words
_COMPARED = re.compile(r"(?i:secret)[A-Za-z_\"')\]]{0,8}[ \t]{0,16}[=!]==?[ \t]{0,16}[\"']\Z")
_GLUED = re.compile(r"(?i:db|user|my|admin|root|login|ftp|smtp|sql|mail|ldap|key|auth|old|new|app|test|wifi)\Z")
_CONNECTION = re.compile(r"(?i:user id|uid|server|data source|initial catalog|database|host)[ \t]?=[^;]{0,60};")
_QUERY = re.compile(r"[?&][A-Za-z0-9_-]{0,40}\Z")
_SAYS = re.compile(r"\b(?:is|was|are)\b")
_TOOL = re.compile(r"(?i:curl|wget|http|oauth|auth|elastic|svn|git)")
_LOGGING_IN = re.compile(r"(?i:-u |--user|login|psexec|sshpass|mysql)")
_NO_PASSWORD = re.compile(r"(?i:pass.{0,4}|pw|your.*|xxx.*|.*token)")
_DIGIT = re.compile(r"[0-9]")
_MIXED = (_DIGIT, re.compile(r"[A-Z]"), re.compile(r"[^A-Za-z0-9]"))


def named_key(seen: Seen) -> Told | None:
    """A provider's word in the name, and a value of a shape that its keys have."""
    if _inside_a_word(seen):
        return None
    lowered = seen.head.lower()
    meant = [(rule, shapes) for word, rule, shapes in _NAMED if word in lowered]
    for cut in (0, *_trailing(seen.value)):
        kept = seen.value[: len(seen.value) - cut]
        if fillers.templated(kept) or fillers.monotonous(kept) or fillers.hashed(kept):
            continue
        for rule, shapes in meant:
            if any(shape.fullmatch(kept) for shape in shapes) and _believable(seen.head, kept):
                return Told(rule.entity, NAMED, rule.name, cut=cut)
    return None


def _inside_a_word(seen: Seen) -> bool:
    """The provider's word is part of another: rookTable."""
    last = seen.before[-1:]
    return last.isalpha() and not (last.islower() and seen.head[0].isupper())


def _trailing(value: str) -> list[int]:
    """How many characters may stand behind a key that belong to the text around it."""
    return [len(value) - place.start() for place in _ENDS.finditer(value)][:_ENDS_LOOKED_AT]


def _believable(head: str, value: str) -> bool:
    """A name that says more than whose it is, or a value that nobody would have chosen."""
    if bits(value) <= _DULL:
        return False
    return _CREDENTIAL.search(head) is not None or (random_looking(value) and "." not in head[-4:])


def assigned(seen: Seen) -> Told | None:
    """`password = "..."`, `api_key: ...`, `the password is ...`."""
    is_password = _PASSWORD_WORD.search(seen.head) is not None
    if _names_something_else(seen):
        return None
    value = _without_ends(seen)
    if value != seen.value and fillers.templated(seen.value):
        return None  # cut off by who wrote it: abc...
    if is_password and _CONNECTION.search(seen.before):
        return _in_connection_string(seen.value)
    score = _scored(seen._replace(value=value), is_password=is_password)
    if score <= 0.0:
        return None
    entity = "PASSWORD" if is_password else "GENERIC_SECRET"
    return Told(entity, round(LEAST + (BEST - LEAST) * score, 3), "assigned-secret", cut=len(seen.value) - len(value))


def _in_connection_string(value: str) -> Told | None:
    """There any word may be a password."""
    kept = value.partition(";")[0]
    if fillers.templated(kept) or fillers.monotonous(kept):
        return None
    return Told("PASSWORD", LEAST, "connection-string", cut=len(value) - len(kept))


def _names_something_else(seen: Seen) -> bool:
    """`bypass: `, `compass = `; names under which hashes stand."""
    before, head = seen.before, seen.head
    glued = before[-1:].isalpha() and before[-1].islower() is head[0].islower() and not _GLUED.search(before)
    return (glued and _SHORT_WORD.match(head) is not None) or fillers.labels_a_hash(before[-16:])


def _without_ends(seen: Seen) -> str:
    """A bare value ends before the bracket or the stop that belongs to the text around it."""
    if seen.quoted:
        return seen.value
    value = seen.value.partition("&")[0] if _QUERY.search(seen.before) else seen.value
    return value.rstrip(").]}:&|")


def _scored(seen: Seen, *, is_password: bool) -> float:
    """Above 0 for a secret, 1.0 for no doubt."""
    value = seen.value
    if " " in value:
        phrase = is_password and seen.quoted and _NAMES_ONE.match(seen.head) and ordinary.phrase(value)
        return _POSSIBLE if phrase else 0.0
    if len(value) < _SHORTEST or ordinary.stands_for_itself(value) or _is_filler(value):
        return 0.0
    if ordinary.slug(value) and not (is_password and seen.quoted):
        compared = _COMPARED.match(seen.head) and not ordinary.says_what_it_is(value)
        return _POSSIBLE if compared else 0.0
    worked_out = ordinary.pattern(value) if seen.quoted else ordinary.code(value) or _refers(seen)
    if worked_out:
        return 0.0
    return _judged(seen, is_password=is_password)


def _is_filler(value: str) -> bool:
    return fillers.stands_in(value) or fillers.counted(value) or fillers.hashed(value)


def _judged(seen: Seen, *, is_password: bool) -> float:
    if ordinary.identifies(seen.value):
        return 0.0 if ordinary.dated(seen.value) else _LIKELY
    if random_looking(seen.value) and len(seen.value) >= _ENOUGH:
        return _SURE
    if jumbled(seen.value):
        return _LIKELY
    return _chosen(seen) if is_password else _worded(seen)


def _refers(seen: Seen) -> bool:
    """Bare words are variables in code: only what no program could be named is a value."""
    value = seen.value
    if not ordinary.identifier(value):
        return False
    if _SAYS.search(seen.head):
        return not _DIGIT.search(value)
    tight = seen.head.endswith("=") and " " not in seen.head[-3:] and not seen.before.strip(" \t#-").count(" ")
    if tight and (seen.before[-1:] == "_" or not seen.before):
        return False
    return not _DIGIT.search(value) or ("." in value and not _in_groups(value))


def _in_groups(value: str) -> bool:
    """A key whose letters are told in groups: digits in each of them, or one of them none that anybody would name."""
    groups = value.split(".")
    if any(scrambled(group) for group in groups):
        return True
    digits = len(_DIGIT.findall(value))
    return all(map(_DIGIT.search, groups)) and digits * _EVERY_FEW >= len(value) >= _GROUPED and random_looking(value)


def _chosen(seen: Seen) -> float:
    """A password that a person chose: nearly anything, but no label, message or name of a field."""
    value = seen.value
    if _LISTED.search(seen.head) and ordinary.word(value) and not _FIRST_ARGUMENT.search(seen.before):
        return 0.0
    if ordinary.names_a_field(value) or (value.endswith((":", "?", "!")) and value[:-1].isalpha()):
        return 0.0
    mixed = sum(one.search(value) is not None for one in _MIXED)
    if mixed:
        return 0.5 + 0.15 * mixed
    return _POSSIBLE if seen.quoted or not ordinary.word(value) or seen.head.endswith("=") else 0.0


def _worded(seen: Seen) -> float:
    """A key that is no random text: shared secrets that people made up."""
    value = seen.value
    if len(value) < _WORDED or ordinary.identifier(value) or ordinary.says_what_it_is(value):
        return 0.0
    odd = _DIGIT.search(value) or (seen.quoted and ordinary.odd(value))
    return _POSSIBLE if odd and bits(value) > _LIVELY else 0.0


def header(seen: Seen) -> Told | None:
    """`Authorization: Basic ...`, `X-Api-Key: ...`."""
    lowered, value = seen.head.lower(), seen.value
    if not any(word in lowered for word in ("key", "token", "auth", "secret")):
        return None
    if "basic" in lowered:
        return _basic(value)
    if "HMAC" in value or ordinary.slug(value) or fillers.stands_in(value) or _attribute(value):
        return None
    if random_looking(value) or (len(value) >= _HEADER and bits(value) > _DENSE):
        return Told("AUTHORIZATION", BEST, "authorization")
    return None


def _attribute(value: str) -> bool:
    return "." in value and ordinary.identifier(value) and not _DIGIT.search(value)


def bearer(seen: Seen) -> Told | None:
    """`Bearer ...`, wherever it stands."""
    if fillers.stands_in(seen.value) or not random_looking(seen.value):
        return None
    return Told("AUTHORIZATION", BEST, "bearer")


def _basic(value: str) -> Told | None:
    try:
        inside = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, _password = inside.partition(b":")
    return Told("AUTHORIZATION", BEST, "authorization") if colon and name.isascii() else None


def user_pair(seen: Seen) -> Told | None:
    """`curl -u name:password`."""
    name, _, password = seen.value.partition(":")
    if not password:
        return _key_as_user(seen, name)
    drawn = random_looking(password) or switching(password)  # a line that goes on from the one with the tool's name
    if not _TOOL.search(seen.before) and (seen.before.strip() or not drawn):
        return None
    if fillers.templated(name) or fillers.templated(password) or _NO_PASSWORD.fullmatch(password):
        return None
    if len(password) < _SHORTEST - 1 or ordinary.common(password):
        return None
    if fillers.monotonous(password) and not _DIGIT.search(password):
        return None
    return Told("PASSWORD", LEAST, "user-pair", skip=len(name) + 1)


def _key_as_user(seen: Seen, name: str) -> Told | None:
    """`curl -u key:`, as many services take their keys."""
    drawn = len(name) >= _ENOUGH and random_looking(name) and not ordinary.identifier(name)
    if not drawn or not _TOOL.search(seen.before) or fillers.stands_in(name):
        return None
    return Told("PASSWORD", LEAST, "user-pair", cut=1)


def flag(seen: Seen) -> Told | None:
    """`--password x`, `-p x` behind a user."""
    value, short = seen.value, seen.head.startswith(("-p ", "-p\t", "-p="))
    if short and not _LOGGING_IN.search(seen.before):
        return None
    if (
        ordinary.code(value)
        or value.startswith("-")
        or value.endswith("/")
        or (not short and not seen.quoted and value.isalpha())
    ):
        return None
    is_password = short or _PASSWORD_WORD.search(seen.head) is not None
    score = _scored(Seen(seen.before, " =", value, quoted=True), is_password=is_password)
    return Told("PASSWORD", LEAST, "flag") if score > 0.0 else None


def login(seen: Seen) -> Told | None:
    """`login me password x`, as in .netrc."""
    value = seen.value
    if fillers.stands_in(value) or ordinary.stands_for_itself(value) or not _DIGIT.search(value):
        return None
    return Told("PASSWORD", LEAST, "login")


def line(seen: Seen) -> Told | None:
    """`password x` alone in its line, as .netrc may have it."""
    told = None if seen.before.strip() else login(seen)
    return told and told._replace(rule="line")


def quoted(seen: Seen) -> Told | None:
    """`identified by 'x'`, `password "x"`, `key="Password" value="x"`."""
    score = _scored(Seen(seen.before, " =", seen.value, quoted=True), is_password=True)
    return Told("PASSWORD", LEAST, "quoted") if score > 0.0 else None


def call(seen: Seen) -> Told | None:
    """`NetworkCredential("user", "password")`."""
    score = _scored(Seen("", "= ", seen.value, seen.quoted), is_password=True)
    return Told("PASSWORD", LEAST, "call") if score > 0.0 else None


JUDGES: dict[str, Judge] = {
    "named-key": named_key,
    "assigned-secret": assigned,
    "authorization": header,
    "bearer": bearer,
    "user-pair": user_pair,
    "flag": flag,
    "login": login,
    "line": line,
    "quoted": quoted,
    "call": call,
}
