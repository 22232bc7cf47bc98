"""Values that are no secret although they stand where one would: code, paths, words, names of fields.

Owns: the lists and shapes of ordinary values. Rules: pure, linear, about one value of bounded length.
"""

import re

_CODE = re.compile(
    r"[()\[\]{}]|^(?:self|this|os|process|env|config|settings|args|options|props|params|request|req|ctx|data|var|local"
    r"|secrets|module|kwargs|credentials|user|session|st|app|context|input|form|event|payload|body|res)\b[.\[]"
    r"|^[&*]|::|->|=>|^[A-Za-z_.]{1,40}=(?!=)"
    r"|\.(?:get|env|read|value|password|token|secret|key|to_s|text|com/|md|html?|js|py|go|json|ya?ml|png|svg)\b"
)
_COMMON = frozenset(
    word
    for line in (
        "true false null none nil undefined string str int integer number bool boolean bytes text char varchar",
        "object any optional required password passwords passwd token secret key value input hidden submit",
        "username user email login name admin_password new_password current_password type default empty test",
        "testing public private basic bearer digest self this auth oauth jwt api env var the a an and or not to",
        "for of in on is it be as at by incorrect invalid valid wrong correct missing unset expired encrypted",
        "hashed stored sent used reset changed important strong weak protected safe secure too very also only",
        "always never being set now still already that your my our their his her what which who how when then if",
        "else return print get post put delete const let function class def import from file path url uri http",
        "https localhost host port database server client id uuid hash salt length size count limit max min first",
        "last next previous left right top bottom all both each every other same such than",
    )
    for word in line.split()
)
_TOLD = frozenset(
    word
    for line in (
        "must contain contains characters character letters letter digits digit match matches blank short long weak",
        "strong does doesn did can cannot could may should shall enter please provide provided supply specify choose",
        "again confirm confirmation repeat forgot forgotten mot passe contrase clave senha wachtwoord passwort fail",
        "failed fails error match mismatch found least more than with without using use has have had was were will",
        "here there field hint label prompt message description encoding hash base plain raw some thing cannot",
    )
    for word in line.split()
)
_PHRASE = re.compile(r"[a-z0-9]{3,16}(?: [a-z0-9]{3,16}){1,5}\Z")
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$.]*\Z")
_WORD = re.compile(r"[a-z]+\Z|[A-Z][a-z]+\Z|[A-Z_]+\Z")
_SLUG = re.compile(r"[a-z]+[0-9]{0,3}(?:[-.:/][a-z]+[0-9]{0,3})+\Z")
_SECRET_WORD = re.compile(r"(?i:pass(?:word|wd|phrase)|token|secret|credential|(?:^|[_-])key|apikey|username)")
_PATH = re.compile(
    r"^(?:[,:;)\]}&|]|arn:|[.~]?/|https?://|[A-Za-z]:\\|#|\.[a-z])"
    r"|^[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+\.[a-z]{2,4}\Z|^[A-Za-z_-]+/[A-Za-z_#/-]+\Z"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")
_VERSION = 14
_NUMBER = re.compile(
    r"[0-9.:_/-]+\Z|v?[0-9]+(?:\.[0-9]+){1,3}\S{0,12}\Z|[0-9]{1,6}[a-z]{0,2}\Z|[A-Za-z]{2,12}-[0-9]+(?:\.[0-9]+)+\Z"
)
_CAMEL = re.compile(r"[a-z]+[A-Z]")
_PATTERN = re.compile(
    r"\\[wdsWDSbB][+*?{)\]]|\[\^?[A-Za-z0-9]-[A-Za-z0-9]|\{[0-9]+,?[0-9]*\}|\(\?[:=!<P]|\\u[0-9A-Fa-f]{4}"
)
_PARTS = re.compile(r"[_.-]")
_DIGIT = re.compile(r"[0-9]")
_ODD = re.compile(r"[^A-Za-z0-9_./-]")


def stands_for_itself(value: str) -> bool:
    """A plain word of code or of a label, a path, an address, a number, a date, a version."""
    return common(value) or _PATH.search(value) is not None or _NUMBER.match(value) is not None


def common(value: str) -> bool:
    """A word that code, forms and sentences have in that place."""
    return value.lower() in _COMMON


def phrase(value: str) -> bool:
    """Words that a person chose for a password, and none that labels and messages are made of: open sesame."""
    words = value.split(" ")
    return _PHRASE.match(value) is not None and not any(one in _COMMON or one in _TOLD for one in words)


def code(value: str) -> bool:
    """A call, a look-up, an argument: what a program works out."""
    return _CODE.search(value) is not None


def pattern(value: str) -> bool:
    """A regular expression, or letters written as escapes."""
    return _PATTERN.search(value) is not None


def identifier(value: str) -> bool:
    """What a variable could be called."""
    return _IDENTIFIER.match(value) is not None


def word(value: str) -> bool:
    """Letters as of a word or of a constant."""
    return _WORD.match(value) is not None


def slug(value: str) -> bool:
    """Words joined: my-service-secret, held:team."""
    return _SLUG.match(value) is not None


def identifies(value: str) -> bool:
    """A UUID: a key as often as an identifier."""
    return _UUID.match(value) is not None


def dated(value: str) -> bool:
    """A UUID made from time and place (RFC 9562, versions 1, 2, 6 and 7): not drawn at random, so no key."""
    return value[_VERSION] in "1267"


def says_what_it_is(value: str) -> bool:
    """The value names a secret itself."""
    return _SECRET_WORD.search(value) is not None


def names_a_field(value: str) -> bool:
    """It names one and is made like a name: admin_password, Password."""
    made = _PARTS.search(value) or value[:1].isupper() or _CAMEL.match(value)
    return bool(made) and says_what_it_is(value) and not _DIGIT.search(value)


def odd(value: str) -> bool:
    """It holds a letter that names and paths have not."""
    return _ODD.search(value) is not None
