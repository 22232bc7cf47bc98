"""The operator's transformer as the configuration names it: its two files, their digests, what it must make sense of.

Rules: read only; nothing of the model is loaded here and no library of models is imported: whether they are installed
is looked up alone. The process that loads the files checks their digests again, over the bytes it loads.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appliance.config.schema import ClassifierConfig, InspectConfig

PACKAGES = ("onnxruntime", "tokenizers", "numpy")
NOT_INSTALLED = (
    "inspect.classifier: needs packages that are no part of the product; install onnxruntime (tested: 1.27) and "
    "tokenizers beside it, e.g. with `uv sync --extra classifier`, or leave the key out"
)
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
MAX_TOKENS = 8192


def absolute(inspect: InspectConfig, folder: Path) -> InspectConfig:
    """With both paths absolute; relative ones start at `folder`."""
    given = inspect.classifier
    if given is None:
        return inspect
    model, words = (os.path.normpath(folder / Path(one).expanduser()) for one in (given.model, given.tokenizer))
    return msgspec.structs.replace(inspect, classifier=msgspec.structs.replace(given, model=model, tokenizer=words))


def faults(config: ClassifierConfig) -> Iterator[tuple[str, str]]:
    """What is wrong with the values, by key."""
    for key in ("sha256", "tokenizer_sha256"):
        if not _DIGEST.match(getattr(config, key)):
            yield key, "64 hex digits in lower case, as `sha256sum FILE` prints them"
    for key in ("model", "tokenizer"):
        path = getattr(config, key)
        if not Path(path).is_file():
            yield key, f"{path}: no such file"
        elif not os.access(path, os.R_OK):
            yield key, f"{path}: not readable by this user; mend its permissions"
    if "benign" not in config.labels or len(set(config.labels)) < 2:  # noqa: PLR2004 - one that is, one that is not
        yield "labels", "what the outputs mean, in their order: benign, and injection or jailbreak or both"
    if not 0 < config.threshold < 1:
        yield "threshold", "must lie between 0 and 1"
    if not 8 <= config.max_tokens <= MAX_TOKENS:  # noqa: PLR2004 - less is no window
        yield "max_tokens", f"must lie between 8 and {MAX_TOKENS}"
    if config.deadline_s <= 0:
        yield "deadline_s", "must be more than 0"


def check(config: ClassifierConfig | None) -> Iterator[str]:
    """Before anything is started: packages that are missing, files that are not those whose digests are given."""
    if config is None:
        return
    if not all(map(importlib.util.find_spec, PACKAGES)):
        yield NOT_INSTALLED
    for key, wanted in (("model", config.sha256), ("tokenizer", config.tokenizer_sha256)):
        path = getattr(config, key)
        try:
            with Path(path).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            yield f"inspect.classifier.{key}: {path}: {error.strerror}"
            continue
        if fault := sha256_fault(path, found, wanted):
            yield f"inspect.classifier.{key}: {fault}"


def sha256_fault(path: str, found: str, wanted: str) -> str:
    """Empty where both are one."""
    if found == wanted:
        return ""
    return f"{path}: its sha256 is {found}, and {wanted} is given; check where the file came from"
