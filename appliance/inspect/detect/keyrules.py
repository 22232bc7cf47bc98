"""Shapes of keys, tokens and private keys, as data.

Owns: one rule per shape. Rules: ASCII classes only, no look-around wider than one character, every repeat bounded or
over one class; the part to hide is the group `secret`, or the whole match without one. The shapes are those that the
issuers document or that their keys visibly have; lengths are kept loose where issuers have changed them.
"""

from typing import NamedTuple


class KeyRule(NamedTuple):
    """`shape`: for `re` with ASCII. `signal`: what to look for first, where the shape is too long for that."""

    name: str
    entity: str
    shape: str
    score: float = 0.95
    signal: str = ""


_LEFT = r"(?<![A-Za-z0-9])"
_RIGHT = r"(?![A-Za-z0-9])"
_WORD = "[A-Za-z0-9]"
_URLSAFE = "[A-Za-z0-9_-]"
_HEX = "[0-9a-f]"
_UUID = f"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_IS = r"[\"' ]{0,3}(?::=|=>|[:=])[\"' ]{0,3}"


def _key(name: str, entity: str, shape: str, score: float = 0.95) -> KeyRule:
    """A token that stands alone: no letter or digit on either side."""
    return KeyRule(name, entity, f"{_LEFT}{shape}{_RIGHT}", score)


def _named(name: str, entity: str, words: str, shape: str) -> KeyRule:
    """A value without a shape of its own, told by the name it is assigned to."""
    return KeyRule(name, entity, f"(?i:{words}){_IS}(?P<secret>{shape}){_RIGHT}", 0.8)


_MODEL_PROVIDERS = (
    _key("openai-project", "OPENAI_API_KEY", f"sk-(?:proj|svcacct|admin|None)-{_URLSAFE}{{40,250}}"),
    _key("openai-user", "OPENAI_API_KEY", f"sk-{_WORD}{{20}}T3BlbkFJ{_WORD}{{20}}"),
    _key("openai-like", "OPENAI_API_KEY", f"sk-{_WORD}{{48}}", 0.9),
    _key("anthropic", "ANTHROPIC_API_KEY", f"sk-ant-[a-z]{{3,6}}[0-9]{{2}}-{_URLSAFE}{{32,250}}"),
    _key("openrouter", "OPENROUTER_API_KEY", f"sk-or-(?:v[0-9]-)?{_HEX}{{64}}"),
    _key("deepseek", "DEEPSEEK_API_KEY", f"sk-{_HEX}{{32}}", 0.85),
    _key("google", "GOOGLE_API_KEY", f"AIza{_URLSAFE}{{35}}"),
    _key("hugging-face", "HUGGINGFACE_TOKEN", f"(?:hf_|api_org_){_WORD}{{34,40}}"),
    _key("groq", "GROQ_API_KEY", f"gsk_{_WORD}{{40,60}}"),
    _key("xai", "XAI_API_KEY", f"xai-{_WORD}{{70,90}}"),
    _key("perplexity", "PERPLEXITY_API_KEY", f"pplx-{_WORD}{{40,64}}"),
    _key("replicate", "REPLICATE_API_TOKEN", f"r8_{_WORD}{{37}}"),
    _key("fireworks", "FIREWORKS_API_KEY", f"fw_{_WORD}{{22,30}}", 0.85),
    _key("together", "TOGETHER_API_KEY", f"tgp_v1_{_URLSAFE}{{43}}"),
    _key("cerebras", "CEREBRAS_API_KEY", f"csk-{_WORD}{{48}}"),
    _key("nvidia", "NVIDIA_API_KEY", f"nvapi-{_URLSAFE}{{60,70}}"),
    _key("pinecone", "PINECONE_API_KEY", f"pcsk_{_WORD}{{5,7}}_{_WORD}{{60,66}}"),
    _key("langsmith", "LANGSMITH_API_KEY", f"lsv2_(?:pt|sk)_{_HEX}{{32}}_{_HEX}{{10}}"),
    _key("langfuse", "LANGFUSE_SECRET_KEY", f"sk-lf-{_UUID}"),
    _key("elevenlabs", "ELEVENLABS_API_KEY", f"sk_{_HEX}{{48}}"),
    _key("tavily", "TAVILY_API_KEY", f"tvly-(?:dev-|prod-)?{_WORD}{{32}}"),
    _key("jina", "JINA_API_KEY", f"jina_{_HEX}{{32}}{_URLSAFE}{{28}}"),
    _key("voyage", "VOYAGE_API_KEY", f"pa-{_URLSAFE}{{43}}", 0.85),
    _named("mistral", "MISTRAL_API_KEY", "mistral[a-z_ .-]{0,12}(?:key|token)", f"{_WORD}{{32}}"),
    _named("cohere", "COHERE_API_KEY", "(?:cohere|co)_?[a-z_ .-]{0,12}(?:key|token)", f"{_WORD}{{40}}"),
)

_CLOUDS = (
    _key("aws-id", "AWS_ACCESS_KEY_ID", "(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    _named(
        "aws-secret", "AWS_SECRET_ACCESS_KEY", "aws[a-z_ .-]{0,20}(?:secret|key)[a-z_ .-]{0,20}", "[A-Za-z0-9/+]{40}"
    ),
    _key("aws-bedrock", "AWS_BEDROCK_API_KEY", "ABSK[A-Za-z0-9+/]{100,160}={0,2}"),
    _key("google-oauth", "GOOGLE_OAUTH_TOKEN", f"ya29\\.{_URLSAFE}{{20,500}}"),
    _key("google-client", "GOOGLE_CLIENT_SECRET", f"GOCSPX-{_URLSAFE}{{28}}"),
    KeyRule("azure-storage", "AZURE_STORAGE_KEY", r"AccountKey=(?P<secret>[A-Za-z0-9+/]{86}==)"),
    KeyRule("azure-shared", "AZURE_SHARED_ACCESS_KEY", r"SharedAccessKey=(?P<secret>[A-Za-z0-9+/]{43}=)"),
    _key("azure-client", "AZURE_CLIENT_SECRET", r"[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}"),
    _key("azure-ai", "AZURE_AI_KEY", f"{_WORD}{{52}}JQQJ99{_WORD}{{6,12}}AC{_WORD}{{6,16}}"),
    _key("digitalocean", "DIGITALOCEAN_TOKEN", f"do[opr]_v1_{_HEX}{{64}}"),
    _key("databricks", "DATABRICKS_TOKEN", f"dapi{_HEX}{{32}}(?:-[0-9]{{1,2}})?"),
    _key("vault", "VAULT_TOKEN", f"hv[bs]\\.{_URLSAFE}{{24,300}}"),
    _key("terraform", "TERRAFORM_TOKEN", f"{_WORD}{{14}}\\.atlasv1\\.{_URLSAFE}{{60,80}}"),
    _key("supabase", "SUPABASE_TOKEN", f"(?:sbp_{_HEX}{{40}}|sb_secret_{_URLSAFE}{{31,40}})"),
    _key("planetscale", "PLANETSCALE_TOKEN", "pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.=-]{32,64}"),
)

_DEVELOPER_TOOLS = (
    _key("github", "GITHUB_TOKEN", f"gh[pousr]_{_WORD}{{36,255}}"),
    _key("github-fine", "GITHUB_TOKEN", "github_pat_[A-Za-z0-9_]{60,100}"),
    _key("gitlab", "GITLAB_TOKEN", f"gl(?:pat|ptt|dt|rt|cbt|oas|soat)-{_URLSAFE}{{20,70}}"),
    _key("npm", "NPM_TOKEN", f"npm_{_WORD}{{36}}"),
    _key("pypi", "PYPI_TOKEN", f"pypi-AgE{_URLSAFE}{{50,500}}"),
    _key("rubygems", "RUBYGEMS_KEY", f"rubygems_{_HEX}{{48}}"),
    _key("docker", "DOCKER_TOKEN", f"dckr_(?:pat|oat)_{_URLSAFE}{{27,40}}"),
    _key("postman", "POSTMAN_API_KEY", f"PMAK-{_HEX}{{24}}-{_HEX}{{34}}"),
    _key("grafana", "GRAFANA_TOKEN", f"glsa_{_WORD}{{32}}_[0-9A-Fa-f]{{8}}"),
    _key("new-relic", "NEW_RELIC_KEY", "NRAK-[A-Z0-9]{27}"),
    _key("sentry", "SENTRY_TOKEN", f"sntry[su]_{_URLSAFE}{{40,400}}"),
    _key("linear", "LINEAR_API_KEY", f"lin_api_{_WORD}{{40}}"),
    _key("notion", "NOTION_TOKEN", f"(?:ntn_|secret_){_WORD}{{43,50}}"),
    _key("atlassian", "ATLASSIAN_TOKEN", "ATATT3[A-Za-z0-9_=-]{100,300}"),
    _key("age", "AGE_SECRET_KEY", "AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}"),
)

_SERVICES = (
    _key("slack", "SLACK_TOKEN", "xox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    _key("slack-app", "SLACK_TOKEN", "xapp-[0-9]-[A-Z0-9]{8,14}-[0-9]{8,16}-[0-9a-z]{40,80}"),
    _key(
        "slack-hook",
        "SLACK_WEBHOOK",
        f"hooks\\.slack\\.com/services/T{_WORD}{{6,12}}/B{_WORD}{{6,12}}/{_WORD}{{20,28}}",
    ),
    _key("stripe", "STRIPE_KEY", f"[rs]k_(?:live|test)_{_WORD}{{20,250}}"),
    _key("stripe-hook", "STRIPE_WEBHOOK_SECRET", "whsec_[A-Za-z0-9+/]{32,64}={0,2}"),
    _key("twilio", "TWILIO_API_KEY", f"SK{_HEX}{{32}}", 0.85),
    _key("sendgrid", "SENDGRID_API_KEY", f"SG\\.{_URLSAFE}{{22}}\\.{_URLSAFE}{{43}}"),
    _key("mailgun", "MAILGUN_API_KEY", f"key-{_HEX}{{32}}", 0.85),
    _key("mailchimp", "MAILCHIMP_API_KEY", f"{_HEX}{{32}}-us[0-9]{{1,2}}", 0.85),
    _key("shopify", "SHOPIFY_TOKEN", "shp(?:at|ca|pa|ss)_[0-9A-Fa-f]{32}"),
    _key("telegram", "TELEGRAM_BOT_TOKEN", f"[0-9]{{8,10}}:AA{_URLSAFE}{{33}}"),
    _key("discord", "DISCORD_BOT_TOKEN", f"[MNO]{_URLSAFE}{{23,25}}\\.{_URLSAFE}{{6}}\\.{_URLSAFE}{{27,38}}"),
)

_GENERAL = (
    _key("jwt", "JSON_WEB_TOKEN", f"eyJ{_URLSAFE}{{10,4000}}\\.eyJ{_URLSAFE}{{4,8000}}\\.{_URLSAFE}{{16,2000}}", 0.8),
    KeyRule(
        "private-key",
        "PRIVATE_KEY",
        # A key cut off before its end counts too; then everything that could be key material goes with it.
        r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[^-]{0,16384}-----END [A-Z0-9 ]{0,40}-----|[\sA-Za-z0-9+/=\\]{0,16384})",
        1.0,
        signal=r"-----BEGIN [A-Z0-9 ]{0,51}PRIVATE KEY",
    ),
    KeyRule(
        "url-password",
        "URL_PASSWORD",
        r"(?<![A-Za-z0-9])[a-z][a-z0-9+.-]{1,20}://[^\s:/@\"'<>]{0,64}:(?P<secret>[^\s:/@\"'<>]{3,128})@[A-Za-z0-9]",
        0.85,
    ),
)

KEY_RULES: tuple[KeyRule, ...] = (*_MODEL_PROVIDERS, *_CLOUDS, *_DEVELOPER_TOOLS, *_SERVICES, *_GENERAL)
