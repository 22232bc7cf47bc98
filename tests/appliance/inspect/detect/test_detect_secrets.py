"""Every key rule with an example and a counter-example; none of them is a real key."""

import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.inspect.detect.keyrules import KEY_RULES
from appliance.inspect.detect.secrets import Secrets, _shortened

HEX = "0123456789abcdef" * 8
WORD = (string.ascii_letters + string.digits) * 6
UPPER = (string.ascii_uppercase + "234567") * 4
UUID = "12345678-1234-4abc-8def-1234567890ab"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE" + WORD + "\n-----END RSA PRIVATE KEY-----"

# rule: example, what is hidden of it ("" for all), and something close that is none
EXAMPLES = {
    "openai-project": ("sk-proj-" + WORD[:80], "", "sk-proj-" + WORD[:20]),
    "openai-user": ("sk-" + WORD[:20] + "T3BlbkFJ" + WORD[:20], "", "sk-" + WORD[:20] + "T3BlbkFJ" + WORD[:19]),
    "openai-like": ("sk-" + WORD[:48], "", "sk-" + WORD[:47]),
    "anthropic": ("sk-ant-api03-" + WORD[:93], "", "sk-ant-api03-" + WORD[:10]),
    "openrouter": ("sk-or-v1-" + HEX[:64], "", "sk-or-v1-" + HEX[:63]),
    "deepseek": ("sk-" + HEX[:32], "", "sk-" + HEX[:31]),
    "google": ("AIza" + WORD[:35], "", "AIza" + WORD[:34]),
    "hugging-face": ("hf_" + WORD[:34], "", "hf_" + WORD[:20]),
    "groq": ("gsk_" + WORD[:52], "", "gsk_" + WORD[:20]),
    "xai": ("xai-" + WORD[:80], "", "xai-" + WORD[:30]),
    "perplexity": ("pplx-" + WORD[:48], "", "pplx-70b-online"),
    "replicate": ("r8_" + WORD[:37], "", "r8_" + WORD[:36]),
    "fireworks": ("fw_" + WORD[:24], "", "fw_version"),
    "together": ("tgp_v1_" + WORD[:43], "", "tgp_v1_" + WORD[:42]),
    "cerebras": ("csk-" + WORD[:48], "", "csk-" + WORD[:47]),
    "nvidia": ("nvapi-" + WORD[:64], "", "nvapi-" + WORD[:40]),
    "pinecone": ("pcsk_" + WORD[:6] + "_" + WORD[:63], "", "pcsk_" + WORD[:63]),
    "langsmith": ("lsv2_pt_" + HEX[:32] + "_" + HEX[:10], "", "lsv2_pt_" + HEX[:32]),
    "langfuse": ("sk-lf-" + UUID, "", "pk-lf-" + UUID),
    "elevenlabs": ("sk_" + HEX[:48], "", "sk_" + HEX[:47]),
    "tavily": ("tvly-dev-" + WORD[:32], "", "tvly-" + WORD[:31]),
    "jina": ("jina_" + HEX[:32] + WORD[:28], "", "jina_" + HEX[:32]),
    "voyage": ("pa-" + WORD[:43], "", "pa-" + WORD[:42]),
    "mistral": ("MISTRAL_API_KEY=" + WORD[:32], WORD[:32], "mistral key: short"),
    "cohere": ('cohere_api_key: "' + WORD[:40] + '"', WORD[:40], "cohere_api_key: " + WORD[:39]),
    "aws-id": ("AKIA" + UPPER[:16], "", "AKIA" + UPPER[:15]),
    "aws-secret": ("aws_secret_access_key = " + WORD[:40], WORD[:40], "aws_secret_access_key = " + WORD[:39]),
    "aws-bedrock": ("ABSK" + WORD[:110], "", "ABSK" + WORD[:60]),
    "google-oauth": ("ya29." + WORD[:60], "", "ya29.short"),
    "google-client": ("GOCSPX-" + WORD[:28], "", "GOCSPX-" + WORD[:27]),
    "azure-storage": ("AccountKey=" + WORD[:86] + "==", WORD[:86] + "==", "AccountKey=" + WORD[:85] + "=="),
    "azure-shared": ("SharedAccessKey=" + WORD[:43] + "=", WORD[:43] + "=", "SharedAccessKey=" + WORD[:42] + "="),
    "azure-client": ("abc8Q~" + WORD[:34], "", "abc8Q~" + WORD[:20]),
    "azure-ai": (WORD[:52] + "JQQJ99" + WORD[:10] + "ACOG" + WORD[:8], "", WORD[:52] + "JQQJ98" + WORD[:22]),
    "digitalocean": ("dop_v1_" + HEX[:64], "", "dop_v1_" + HEX[:63]),
    "databricks": ("dapi" + HEX[:32], "", "dapi" + HEX[:31]),
    "vault": ("hvs." + WORD[:40], "", "hvs." + WORD[:10]),
    "terraform": (WORD[:14] + ".atlasv1." + WORD[:67], "", WORD[:14] + ".atlasv1." + WORD[:20]),
    "supabase": ("sbp_" + HEX[:40], "", "sbp_" + HEX[:39]),
    "planetscale": ("pscale_tkn_" + WORD[:43], "", "pscale_tkn_" + WORD[:20]),
    "github": ("ghp_" + WORD[:36], "", "ghp_" + WORD[:35]),
    "github-fine": ("github_pat_" + WORD[:22] + "_" + WORD[:59], "", "github_pat_" + WORD[:22]),
    "gitlab": ("glpat-" + WORD[:20], "", "glpat-" + WORD[:19]),
    "npm": ("npm_" + WORD[:36], "", "npm_config_registry"),
    "pypi": ("pypi-AgEIcHlwaS5vcmc" + WORD[:120], "", "pypi-AgE" + WORD[:20]),
    "rubygems": ("rubygems_" + HEX[:48], "", "rubygems_" + HEX[:47]),
    "docker": ("dckr_pat_" + WORD[:27], "", "dckr_pat_" + WORD[:26]),
    "postman": ("PMAK-" + HEX[:24] + "-" + HEX[:34], "", "PMAK-" + HEX[:24]),
    "grafana": ("glsa_" + WORD[:32] + "_" + HEX[:8], "", "glsa_" + WORD[:32]),
    "new-relic": ("NRAK-" + UPPER[:27], "", "NRAK-" + UPPER[:26]),
    "sentry": ("sntrys_" + WORD[:120], "", "sntrys_" + WORD[:20]),
    "linear": ("lin_api_" + WORD[:40], "", "lin_api_" + WORD[:39]),
    "notion": ("ntn_" + WORD[:46], "", "ntn_" + WORD[:30]),
    "atlassian": ("ATATT3" + WORD[:180], "", "ATATT3" + WORD[:60]),
    "age": ("AGE-SECRET-KEY-1" + "QPZRY9X8" * 7 + "QP", "", "AGE-SECRET-KEY-1" + "QPZRY9X8" * 7),
    "slack": ("xoxb-" + "123456789012-" + WORD[:24], "", "xoxb-short"),
    "slack-app": ("xapp-1-A012345678-1234567890123-" + HEX[:64], "", "xapp-1-A012345678"),
    "slack-hook": ("hooks.slack.com/services/T01234567/B01234567/" + WORD[:24], "", "hooks.slack.com/services/"),
    "stripe": ("sk_live_" + WORD[:24], "", "sk_live_" + WORD[:10]),
    "stripe-hook": ("whsec_" + WORD[:32], "", "whsec_" + WORD[:31]),
    "twilio": ("SK" + HEX[:32], "", "SK" + HEX[:31]),
    "sendgrid": ("SG." + WORD[:22] + "." + WORD[:43], "", "SG." + WORD[:22]),
    "mailgun": ("key-" + HEX[:32], "", "key-" + HEX[:31]),
    "mailchimp": (HEX[:32] + "-us12", "", HEX[:32] + "-eu12"),
    "shopify": ("shpat_" + HEX[:32], "", "shpat_" + HEX[:31]),
    "telegram": ("123456789:AA" + WORD[:33], "", "123456789:AA" + WORD[:32]),
    "discord": ("M" + WORD[:23] + "." + WORD[:6] + "." + WORD[:27], "", "M" + WORD[:23] + "." + WORD[:6]),
    "jwt": ("eyJ" + WORD[:30] + ".eyJ" + WORD[:60] + "." + WORD[:43], "", "eyJ" + WORD[:30] + ".eyJ" + WORD[:60]),
    "private-key": (PEM, "", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----"),
    "url-password": ("postgres://bob:hunter2@db", "hunter2", "postgres://bob@db:5432/x"),
}


def secrets_in(detectors, text):
    return {(d.rule, text[d.start : d.end]) for d in detectors.scan(text) if d.kind == "secret"}


def test_every_rule_has_an_example():
    assert set(EXAMPLES) == {rule.name for rule in KEY_RULES}
    assert len(KEY_RULES) == len(EXAMPLES) >= 40


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(detectors, name):
    example, hidden, near = EXAMPLES[name]
    for before, after in (("", ""), ("see \u00e9 ", " ok"), ('{"k": "', '"}'), ("x=", "\n"), ("_", ",")):
        assert (name, hidden or example) in secrets_in(detectors, before + example + after)
    assert name not in {rule for rule, _ in secrets_in(detectors, f"see {near} ok")}


def test_a_private_key_without_its_end_is_hidden_as_far_as_it_goes(detectors):
    cut = PEM[:120]
    assert ("private-key", cut) in secrets_in(detectors, cut)


def test_escaped_line_ends_belong_to_a_private_key(detectors):
    escaped = PEM.replace("\n", "\\n")
    assert ("private-key", escaped) in secrets_in(detectors, f'"{escaped}"')


def test_long_repeats_become_open_ended():
    assert _shortened("a{3,40}b{40,250}[c]{10,4000}") == "a{3,40}b{20,}[c]{10,}"


PIECES = [example for example, _, _ in EXAMPLES.values()] + [near for _, _, near in EXAMPLES.values()]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=3)), max_size=5).map("".join))
def test_regions_lose_nothing(detectors, text):
    everywhere = Secrets()
    whole = {n: [(0, len(text))] for n in range(len(KEY_RULES))}
    assert sorted(everywhere.scan(text, whole, 0)) == sorted(d for d in detectors.scan(text) if d.kind == "secret")
