"""The section `identity` of the configuration: how callers are known.

Rules: as in `schema`: the comment after a field is its line in docs/reference/config.md, written for the operator; no
secret stands in the configuration, only the names of files that hold one.
"""

from typing import Literal

from appliance.config.section import Section

type Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]  # fmt: skip
type Kind = Literal["any", "access", "id"]
type NameFrom = Literal["email", "uri", "dns", "common_name"]


class AddressEntry(Section, frozen=True):
    """A network whose addresses stand for a person or a team (low assurance)."""

    network: str  # e.g. 10.1.2.0/24 or 10.1.2.3
    user: str  # the name that is recorded
    groups: tuple[str, ...] = ()  # groups of that name, as policy rules see them
    department: str | None = None  # department of that name, as policy rules see it


class TokenIssuer(Section, frozen=True):
    """An issuer of signed tokens (OpenID Connect, OAuth 2) that prove who asks."""

    issuer: str  # `iss` of its tokens, to the letter, e.g. https://login.example.com/realms/staff
    audience: tuple[str, ...]  # one of these must stand in `aud`
    jwks: str  # its public keys: an https:// address, or a file
    ca_bundle: str | None = None  # PEM file of authorities for that address; else as for upstreams
    algorithms: tuple[Algorithm, ...] = ("RS256", "ES256")  # signatures that are accepted; none with a shared secret
    leeway_s: float = 60  # by how much clocks may differ; at most 300
    user: str = "sub"  # claim with the user's name, e.g. preferred_username or email; `a.b` is b inside a
    groups: str = "groups"  # claim with a list of groups, e.g. realm_access.roles
    department: str = "department"  # claim with the department
    refresh_s: float = 600  # keys are fetched again when they are older
    kept_s: float = 86400  # how long keys go on being used while they cannot be fetched, also over a restart
    kind: Kind = "any"  # which of its tokens are taken: access (`typ` at+jwt, RFC 9068), id (sign-in), any of both
    prefix: str | None = None  # stands before its users, groups and departments, e.g. partner/; '': its names are ours


class ClientCertificates(Section, frozen=True):
    """TLS certificates that clients show to the listeners. Needs listen.certificate."""

    ca: str  # PEM file of the authorities that issue them
    crl: str | None = None  # PEM file of their revocation lists; one that is out of date refuses every certificate
    user_from: NameFrom = "email"  # where the user's name stands: an alternative name, or the subject's common name
    pattern: str = "(.+)"  # the whole of that name; its first group is the user, e.g. "(.+)@example\\.com"
    prefix: str | None = None  # stands before its users, as for tokens


class Directory(Section, frozen=True):
    """An LDAP directory that proves the passwords of proxy Basic credentials. TLS always, verified."""

    url: str  # ldaps://HOST[:PORT], or ldap://HOST[:PORT], which then begins TLS before anything is sent
    ca_bundle: str | None = None  # PEM file of authorities for it; else the system's
    user_dn: str | None = None  # who signs in, e.g. "uid={user},ou=people,dc=example,dc=com"; without it, search
    base: str = ""  # where people are searched, e.g. ou=people,dc=example,dc=com
    search: str = "(uid={user})"  # the filter that finds one person
    bind_dn: str | None = None  # who searches
    bind_password: str | None = None  # file that holds that account's password
    groups_base: str | None = None  # where groups are searched; without it they are the person's memberOf
    groups_search: str = "(member={dn})"  # the filter that finds the groups of a person
    department: str = "departmentNumber"  # attribute with the department
    timeout_s: float = 5  # for connecting, and for each answer
    prefix: str | None = None  # stands before its users, groups and departments, as for tokens


class Identity(Section, frozen=True):
    """How callers are known."""

    required: bool = False  # refuse whoever is not known
    htpasswd: str | None = None  # file of user:hash lines (bcrypt or argon2) for proxy Basic credentials
    realm: str = "gnomon"  # realm named in the 407 answer
    cache_s: float = 300  # how long a proven credential is remembered
    addresses: tuple[AddressEntry, ...] = ()  # who stands behind which address; the narrowest network wins
    tokens: tuple[TokenIssuer, ...] = ()  # issuers of tokens: `Proxy-Authorization: Bearer`, `X-Gnomon-Token`
    virtual_keys: bool = False  # take keys that `gnomon keys virtual mint` has made
    certificates: ClientCertificates | None = None  # certificates of clients
    ldap: Directory | None = None  # a directory, in place of htpasswd
    members: str | None = None  # YAML file of groups and departments by user, beside what tokens and directories tell

    @property
    def asserting(self) -> tuple[tuple[tuple[str | int, ...], str | None], ...]:
        """Sources outside this file that say who somebody is: their place in the section, and their prefix."""
        issuers = ((("tokens", number), issuer.prefix) for number, issuer in enumerate(self.tokens))
        others = (("ldap", self.ldap), ("certificates", self.certificates))
        return (*issuers, *(((name,), other.prefix) for name, other in others if other is not None))

    @property
    def proves(self) -> bool:
        """Somebody can be known."""
        return self.takes_secrets or bool(self.addresses or self.certificates)

    @property
    def takes_secrets(self) -> bool:
        """Credentials come in headers, which must not travel in clear."""
        return bool(self.htpasswd or self.ldap or self.tokens or self.virtual_keys)
