"""A classifier of texts small enough to be written by hand: an ONNX graph that adds up what each word is worth.

The bytes are those of onnx.proto3 (ModelProto, GraphProto, NodeProto, TensorProto, ValueInfoProto), opset 17.
"""

import hashlib
import json
import struct

WORTH = {"[PAD]": (0, 0), "[CLS]": (2, 0), "[SEP]": (0, 0), "[UNK]": (0, 0), "ignore": (0, 3), "instructions": (0, 3)}


def _number(value):
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _field(tag, value):
    if isinstance(value, int):
        return _number(tag << 3) + _number(value)
    data = value.encode() if isinstance(value, str) else value
    return _number(tag << 3 | 2) + _number(len(data)) + data


def _tensor(name, shape, kind, data):
    return b"".join(_field(1, size) for size in shape) + _field(2, kind) + _field(8, name) + _field(9, data)


def _value(name, kind, *shape):
    sizes = b"".join(_field(1, _field(2 if isinstance(one, str) else 1, one)) for one in shape)
    return _field(1, name) + _field(2, _field(1, _field(1, kind) + _field(2, sizes)))


def _node(does, takes, gives, **attributes):
    given = b"".join(_field(5, _field(1, key) + _field(3, value) + _field(20, 2)) for key, value in attributes.items())
    return b"".join(_field(1, one) for one in takes) + _field(2, gives) + _field(4, does) + given


def graph(rows, inputs=("input_ids", "attention_mask")):
    """`rows`: outputs of each token by its number; those of a window are added up."""
    wide, real, whole = len(rows[0]), 1, 7
    kept = [
        _tensor("worth", (len(rows), wide), real, b"".join(struct.pack(f"<{wide}f", *row) for row in rows)),
        _tensor("one", (1,), whole, struct.pack("<q", 1)),
        _tensor("two", (1,), whole, struct.pack("<q", 2)),
    ]
    nodes = [
        _node("Gather", ["worth", inputs[0]], "each"),
        _node("Cast", [inputs[1]], "seen", to=real),
        _node("Unsqueeze", ["seen", "two"], "wide"),
        _node("Mul", ["each", "wide"], "masked"),
        _node("ReduceSum", ["masked", "one"], "logits", keepdims=0),
    ]
    body = b"".join(_field(1, node) for node in nodes) + _field(2, "g") + b"".join(_field(5, one) for one in kept)
    body += b"".join(_field(11, _value(name, whole, "texts", "tokens")) for name in inputs)
    body += _field(12, _value("logits", real, "texts", wide))
    return _field(1, 8) + _field(7, body) + _field(8, _field(1, "") + _field(2, 17))


def tokenizer():
    """Words apart at blanks, between [CLS] and [SEP]."""
    words = {word: number for number, word in enumerate(WORTH)}
    special = [
        {"id": words[word], "content": word, "single_word": False, "lstrip": False, "rstrip": False}
        | {"normalized": False, "special": True}
        for word in ("[PAD]", "[CLS]", "[SEP]", "[UNK]")
    ]
    ends = [{"SpecialToken": {"id": word, "type_id": 0}} for word in ("[CLS]", "[SEP]")]
    text = {"Sequence": {"id": "A", "type_id": 0}}
    made = {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": special,
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [ends[0], text, ends[1]],
            "pair": [ends[0], text, ends[1]],
            "special_tokens": {
                word: {"id": word, "ids": [words[word]], "tokens": [word]} for word in ("[CLS]", "[SEP]")
            },
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "[UNK]"},
    }
    return json.dumps(made).encode()


def written(folder, data=None):
    """Both files and what the configuration says of them, as a mapping."""
    files = {"model": data or graph(list(WORTH.values())), "tokenizer": tokenizer()}
    names = {"model": "tiny.onnx", "tokenizer": "tokenizer.json"}
    said = {}
    for key, content in files.items():
        path = folder / names[key]
        path.write_bytes(content)
        said[key] = str(path)
        said["sha256" if key == "model" else "tokenizer_sha256"] = hashlib.sha256(content).hexdigest()
    return said
