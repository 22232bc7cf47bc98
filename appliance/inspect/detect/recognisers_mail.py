r"""Mail addresses inside paths and queries: `/users/anna@example.com/edit`, `http://tracker/?by=anna@example.com`.

Theory. Presidio's expression takes `/`, `?` and `=` for letters of a mailbox (RFC 5322 allows them), and then asks the
public suffix list about all that it took: where the host before it is an internal one, or where there is none, the
whole is refused, and the address leaves in clear. So what stands behind such a sign is asked about by itself.

Rules: mailboxes here are made of what people use (letters, digits and `._%+-`, at most 64, RFC 5321 4.5.3.1.1); a
domain counts that ends in a public suffix, as presidio's does, by the packaged list.
"""

from typing import Final

from appliance.inspect.detect.presidio import PatternRule, Recogniser, no_opinion, offline_suffixes

_BEGINS: Final = r"[/?#]"  # the list is asked about what stands before the first of these
_LETTERS: Final = r"[A-Za-z0-9_!$%&'*+.=^`{|}~-]{0,128}"  # that presidio takes for a mailbox
_SIGNS: Final = r"[!$%&'*=^`{|}~]"
_BOX: Final = r"[A-Za-z0-9_+-][A-Za-z0-9._%+-]{0,63}"
_DOMAIN: Final = r"(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}"
_VALUE: Final = rf"(?P<value>{_BOX}@{_DOMAIN})(?![A-Za-z0-9_-])"
_SCORE: Final = 0.5
_suffixes = offline_suffixes()


def _has_suffix(word: str) -> bool | None:
    return _suffixes(word.rpartition("@")[2]).fqdn != ""


MAIL: Final = Recogniser(
    "EmailInPathRecogniser",
    "EMAIL_ADDRESS",
    (
        PatternRule("email-in-path", rf"{_BEGINS}{_VALUE}", _SCORE),
        PatternRule("email-in-query", rf"{_BEGINS}{_LETTERS}{_SIGNS}{_VALUE}", _SCORE),
    ),
    (),
    _has_suffix,
    no_opinion,
    valued=True,
)
