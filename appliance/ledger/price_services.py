"""Whose price list holds for a service of the catalogue: catalogue id to provider of the price table.

Rules: a service is listed only where its owner's own prices are meant; servers of one's own, resellers without a list
and web pages with a subscription are not, so that they are unpriced until the operator says otherwise. Batch calls are
known by their kind.
"""

from typing import Final

PROVIDERS: Final = {
    "amazon_nova": "aws",
    "anthropic": "anthropic",
    "arcee": "arcee",
    "avian": "avian",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "baseten": "baseten",
    "bedrock": "aws",
    "bedrock_mantle": "aws",
    "cerebras": "cerebras",
    "cloudflare_workers_ai": "cloudflare",
    "codestral": "mistral",
    "cohere": "cohere",
    "databricks_ai_gateway": "databricks",
    "deepseek": "deepseek",
    "elevenlabs_api": "elevenlabs",
    "fireworks": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "meta_ai_api": "meta",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "novita": "novita",
    "openai": "openai",
    "openrouter": "openrouter",
    "ovh_ai": "ovhcloud",
    "perplexity": "perplexity",
    "together": "together",
    "typesafe": "typesafe",
    "vertex_ai": "google",
    "vertex_dedicated": "google",
    "vertex_rep": "google",
    "voyage": "voyageai",
    "xai": "x-ai",
    "zai": "zai",
    "zhipu": "zhipuai",
}
"""Services that have a price list."""
BATCH_APIS: Final = frozenset({"anthropic.batches"})
"""Kinds of call of which every request is paid as part of a batch."""
