"""Which dialect a request speaks.

Rules: the path decides, since one host speaks several dialects; the service's dialect from the catalogue only breaks a
tie. First match in the order of the list.
"""

from appliance.inspect.dialects import Dialect
from appliance.inspect.dialects.openai_chat import OpenAIChat

DIALECTS: tuple[Dialect, ...] = (OpenAIChat(),)


def choose(method: str, path: str, service_dialect: str | None) -> Dialect | None:
    """The dialect of a request, or None: the generic walker reads it. `path` may still carry its query."""
    bare = path.partition("?")[0]
    speaking = [dialect for dialect in DIALECTS if dialect.matches(method, bare)]
    preferred = (dialect for dialect in speaking if service_dialect and dialect.api.startswith(service_dialect))
    return next(preferred, speaking[0] if speaking else None)


def by_api(api: str | None) -> Dialect | None:
    """The dialect that calls itself `api`."""
    return next((dialect for dialect in DIALECTS if dialect.api == api), None)
