"""Which ways of reading a text are worth trying, in one pass over it.

Owns: the databases of `views_gates`. Rules: built at first use, some tens of milliseconds; ASCII goes in, so characters
of other scripts stand as question marks, one for each.
"""

from functools import cache

from appliance.inspect.detect.hyperscan import ONCE, Database, Expression, compile_expressions
from appliance.inspect.views_gates import EXPRESSIONS


@cache
def _databases() -> tuple[tuple[Database, tuple[str, ...]], ...]:
    return tuple(
        (
            Database(compile_expressions([Expression(shape, ONCE) for _, shape in group])),
            tuple(name for name, _ in group),
        )
        for group in EXPRESSIONS
    )


def open_gates(text: str) -> frozenset[str]:
    """Names of the gates that are open for a text."""
    plain = text if text.isascii() else text.encode("ascii", "replace").decode("ascii")
    return frozenset([names[number] for database, names in _databases() for number in database.hits(plain)])
