"""Where keys of a provider are revoked: the pages of the providers themselves.

Rules: data with its source, as of `AS_OF`; an address is shown to people and never fetched; a provider that is not here
is told as unknown, never guessed.
"""

from typing import Final, NamedTuple

AS_OF: Final = "2026-11"


class Page(NamedTuple):
    """`address`: where keys are listed and deleted; `source`: what says so."""

    address: str
    source: str


_LISTED: Final = "https://doc.aiscouncil.com/advanced/api-keys"
_AZURE: Final = Page("https://portal.azure.com", "https://learn.microsoft.com/azure/ai-services/rotate-keys")
_GOOGLE: Final = Page("https://aistudio.google.com/app/apikey", "https://ai.google.dev/gemini-api/docs/api-key")

PAGES: Final[dict[str, Page]] = {
    "openai": Page("https://platform.openai.com/api-keys", "https://howtorotate.com/docs/tutorials/openai"),
    "anthropic": Page("https://console.anthropic.com/settings/keys", "https://support.claude.com/en/articles/8384961"),
    "gemini": _GOOGLE,
    "google_ai_studio": _GOOGLE,
    "azure_openai": _AZURE,
    "azure_ai": _AZURE,
    "bedrock": Page(
        "https://console.aws.amazon.com/iam", "https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html"
    ),
    "huggingface": Page("https://huggingface.co/settings/tokens", "https://huggingface.co/docs/hub/security-tokens"),
    "huggingface_inference": Page(
        "https://huggingface.co/settings/tokens", "https://huggingface.co/docs/hub/security-tokens"
    ),
    "openrouter": Page("https://openrouter.ai/keys", _LISTED),
    "deepseek": Page("https://platform.deepseek.com/api_keys", _LISTED),
    "groq": Page("https://console.groq.com/keys", _LISTED),
    "mistral": Page("https://console.mistral.ai/api-keys", _LISTED),
    "xai": Page("https://console.x.ai", _LISTED),
}


def page_of(service: str) -> Page | None:
    """Where keys of a service, by its catalogue id, are revoked; None: not known."""
    return PAGES.get(service)
