"""What the configuration says of accounts with providers, and of keys at rest.

Rules: as in appliance/config/schema.py; what is checked of it stands in appliance/config/account_checks.py.
"""

from appliance.config.section import Section


class Sealing(Section, frozen=True):
    """The key that held keys are sealed with. Exactly one of the three; the command's words are a list, no shell."""

    file: str | None = None  # file of 32 bytes: raw, hexadecimal or base64; 0600
    credential: str | None = None  # name of a credential that systemd gives the service (LoadCredentialEncrypted=)
    command: tuple[str, ...] = ()  # program that prints it, with its arguments, e.g. [/usr/bin/tpm2_unseal, -c, key]


class Accounts(Section, frozen=True):
    """Accounts with providers: which are the organisation's, and which may be used.

    Kinds of ids: key (k_...), chatgpt_workspace, openai_organization, openai_project, anthropic_organization,
    google_project, microsoft_tenant, mail_domain, host.
    """

    corporate: dict[str, tuple[str, ...]] = {}  # the organisation's own, by kind, e.g. openai_organization: [org-1]
    tenants: dict[str, dict[str, str]] = {}  # service to headers that keep other accounts out, sent in stage enforce
