"""docs/reference/vocabulary.md, made from appliance/model/names.py: every word that is stored and shown.

Rules: the comment beside a value is the only place where it is explained; a test compares the page with this, and
demands words for every value.
"""

import inspect
import re
from collections.abc import Iterator
from enum import StrEnum

from appliance.model import names

_VALUE = re.compile(r'    [A-Z_]+ = "(?P<value>[^"]+)"(?:\s+# (?P<words>.*?))?(?:\s+# noqa.*)?\Z')
_HEAD = """\
# Vocabulary

One word per idea: these values stand in policy files, in the store, in the journal and in reports.

Made from `appliance/model/names.py` by `python -m appliance.cli.vocabulary`.
"""


def render_vocabulary() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *map(_section, vocabularies())])


def vocabularies() -> Iterator[type[StrEnum]]:
    """Every vocabulary, in the order of the source."""
    for made in vars(names).values():
        if isinstance(made, type) and issubclass(made, StrEnum) and made is not StrEnum:
            yield made


def explained(vocabulary: type[StrEnum]) -> dict[str, str]:
    """Value to its words; no words: empty."""
    lines = inspect.getsource(vocabulary).splitlines()
    return {found["value"]: found["words"] or "" for line in lines if (found := _VALUE.match(line))}


def _section(vocabulary: type[StrEnum]) -> str:
    title = re.sub(r"(?<!^)(?=[A-Z])", " ", vocabulary.__name__).capitalize()
    rows = "\n".join(f"| `{value}` | {words} |" for value, words in explained(vocabulary).items())
    return f"## {title}\n\n{inspect.getdoc(vocabulary)}\n\n| value | meaning |\n|---|---|\n{rows}\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_vocabulary())
