"""A transformer of the operator's from its two files: an ONNX graph with its weights inside, and its tokenizer.json.

Owns: onnxruntime and tokenizers; the only file that imports either. They are no part of the product: whoever
configures a transformer installs them. Rules: the bytes that are loaded are the bytes whose digests were checked; one
thread; no provider but the processor; inputs are those that encoders of texts have (token numbers, and where asked
for mask and types), the first output is one row of numbers per window.
"""

import hashlib
import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from appliance.analyse.classifier import Token, Transformer
from appliance.config.classifier import NOT_INSTALLED, sha256_fault
from appliance.config.schema import ClassifierConfig
from appliance.model.errors import OperatorError

# onnxruntime from 1.28 on reports to its maker on Linux, too, unless told; names of the variables are its own.
QUIET: Final = {"ORT_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
_IDS, _MASK, _TYPES = "input_ids", "attention_mask", "token_type_ids"


def load(config: ClassifierConfig) -> Transformer:
    """OperatorError: packages are missing, a file is not the one whose digest is given, or is no such model."""
    graph = _checked("model", config.model, config.sha256)
    words = _checked("tokenizer", config.tokenizer, config.tokenizer_sha256)
    os.environ.update(QUIET)
    try:
        numpy, onnxruntime, tokenizers = map(importlib.import_module, ("numpy", "onnxruntime", "tokenizers"))
    except ImportError as error:
        raise OperatorError(f"{NOT_INSTALLED} ({error.name})") from None
    try:
        tokenizer = tokenizers.Tokenizer.from_str(words.decode())
        session = onnxruntime.InferenceSession(graph, _options(onnxruntime), providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - libraries raise types of their own; their words may quote the files
        raise OperatorError(
            f"inspect.classifier: {config.model}, {config.tokenizer}: cannot be loaded ({type(error).__name__}); give "
            "an ONNX file with its weights inside and the tokenizer.json that belongs to it"
        ) from None
    vars(session).pop("_model_bytes", None)  # the file, kept to begin anew on another processor
    return Transformer(_tokens(tokenizer), _around(tokenizer), _judge(session, numpy, tokenizer))


def _checked(key: str, path: str, wanted: str) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise OperatorError(f"inspect.classifier.{key}: {path}: {error.strerror}") from None
    if fault := sha256_fault(path, hashlib.sha256(data).hexdigest(), wanted):
        raise OperatorError(f"inspect.classifier.{key}: {fault}")
    return data


def _options(onnxruntime: Any) -> Any:
    made = onnxruntime.SessionOptions()
    made.intra_op_num_threads = made.inter_op_num_threads = 1
    made.enable_cpu_mem_arena = made.enable_mem_pattern = False  # what one text needed is given back
    made.log_severity_level = 4  # what it logs may show what it reads
    return made


def _tokens(tokenizer: Any) -> Any:
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def tokens(text: str) -> Sequence[Token]:
        plain = text.encode("utf-8", "replace").decode()  # halves of surrogate pairs have no UTF-8
        read = tokenizer.encode(plain, add_special_tokens=False)
        return [Token(number, *place) for number, place in zip(read.ids, read.offsets, strict=True)]

    return tokens


def _around(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which tokens the tokenizer adds before and behind: it is shown one word and asked which are not the word's."""
    read = tokenizer.encode("a")
    special = list(read.special_tokens_mask)
    first = special.index(0) if 0 in special else len(special)
    last = len(special) - special[::-1].index(0) if 0 in special else len(special)
    return tuple(read.ids[:first]), tuple(read.ids[last:])


def _judge(session: Any, numpy: Any, tokenizer: Any) -> Any:
    known = {_IDS, _MASK, _TYPES}
    wanted = [one.name for one in session.get_inputs()]
    if _IDS not in wanted or not known.issuperset(wanted):
        raise OperatorError(
            f"inspect.classifier.model: its inputs are {', '.join(wanted)}; a classifier of texts has {_IDS}, and at "
            f"most {_MASK} and {_TYPES} beside it"
        )
    padding = next((n for name in ("[PAD]", "<pad>") if (n := tokenizer.token_to_id(name)) is not None), 0)

    def judge(windows: Sequence[Sequence[int]]) -> Sequence[Sequence[float]]:
        longest = max(map(len, windows))
        inputs = {
            _IDS: numpy.array([[*one, *[padding] * (longest - len(one))] for one in windows], dtype=numpy.int64),
            _MASK: numpy.array([[1] * len(one) + [0] * (longest - len(one)) for one in windows], dtype=numpy.int64),
            _TYPES: numpy.zeros((len(windows), longest), dtype=numpy.int64),
        }
        rows = session.run(None, {name: inputs[name] for name in wanted})[0]
        return [[float(one) for one in row] for row in rows]

    return judge
