"""The appliance's own pages: plain HTML for people whose request was stopped.

Rules: no script, no outside resource, nothing that is not escaped; the policy in the header allows one style and one
form and nothing else; never framed, never cached, no referrer (a page's address may carry a token).
"""

import base64
import hashlib
import html
from dataclasses import dataclass

from appliance.sanitise import one_line

_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:38em;margin:3em auto;padding:0 1em;color:#222;background:#fff}"
    "dt{font-weight:bold}dd{margin:0 0 .8em}button{font:inherit;padding:.5em 1.2em}small{color:#555}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_TYPE = "text/html; charset=utf-8"
HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none';"
        " base-uri 'none'"
    ),
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}
FOOT = "This page comes from your organisation's AI gateway, not from the site you asked for."
_MAX_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Button:
    """A form of one button: POST to `action`, a path on this host."""

    action: str
    label: str


@dataclass(frozen=True, slots=True)
class Page:
    """What a page says. `rows`: a word and what it stands for; `link`: the operator's own address that leads on."""

    title: str
    lead: str
    rows: tuple[tuple[str, str], ...] = ()
    button: Button | None = None
    link: str = ""


def render(page: Page) -> bytes:
    """The whole page."""
    title = _text(page.title)
    rows = "".join(f"<dt>{_text(word)}</dt><dd>{_text(told)}</dd>" for word, told in page.rows)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1><p>{_text(page.lead)}</p>"
        + (f"<dl>{rows}</dl>" if rows else "")
        + (f'<p><a href="{html.escape(page.link)}" rel="noreferrer">{_text(page.link)}</a></p>' if page.link else "")
        + _button(page.button)
        + f"<p><small>{_text(FOOT)}</small></p></body></html>"
    ).encode()


def _button(button: Button | None) -> str:
    if button is None:
        return ""
    action = html.escape(button.action)
    return f'<form method="post" action="{action}"><button type="submit">{_text(button.label)}</button></form>'


def _text(text: str) -> str:
    return html.escape(one_line(text, _MAX_TEXT))
