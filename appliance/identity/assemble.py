"""From the `identity` section of the configuration to the methods that it asks for.

Rules: Basic comes before the address map, so that a proven person is not taken for a mapped machine; without any method
`required` cannot be met and is refused at start.
"""

from concurrent.futures import Executor
from pathlib import Path

from appliance.config.schema import Identity
from appliance.identity.addresses import AddressMap, AddressMapping
from appliance.identity.authenticator import BasicAuthenticator
from appliance.identity.basic import basic_challenge
from appliance.identity.method import Identification, IdentityMethod
from appliance.identity.password_file import PasswordFile
from appliance.model.errors import OperatorError


def make_identification(settings: Identity, executor: Executor) -> Identification:
    """Methods in their order. `executor`: threads for password checks. OperatorError: files or networks are wrong."""
    methods: list[IdentityMethod] = []
    if settings.htpasswd is not None:
        file = PasswordFile(Path(settings.htpasswd))
        methods.append(BasicAuthenticator(file, executor, realm=settings.realm, cache_s=settings.cache_s))
    if settings.addresses:
        entries = [AddressMapping(item.network, item.user, item.groups, item.department) for item in settings.addresses]
        methods.append(AddressMap(entries))
    if settings.required and not methods:
        raise OperatorError("identity.required: nobody can be known; set identity.htpasswd or identity.addresses too")
    challenge = basic_challenge(settings.realm) if settings.htpasswd is not None else None
    return Identification(tuple(methods), required=settings.required, challenge=challenge)
