"""Every dialect's streams, every growing text in them, real detectors: a secret split anywhere never leaves.

The streams are the dialects' fixtures; the event that carries a growing text is repeated for each piece of a text of
ours. `GNOMON_SPLITS` is the number of streams for each text (one where it is not set).
"""

import json
import os
import random
import tempfile
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from fixtures_world import channels, messages, present
from stream_fakes import pieces

from appliance.inspect.detect import Detectors
from appliance.inspect.redact import redact_text
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.events import Framing
from appliance.inspect.stream.framing import framer_of
from appliance.inspect.stream.watching import ARGUMENTS, Watching
from appliance.model.detection import Selector

SPLITS = int(os.environ.get("GNOMON_SPLITS", "1"))
HIDES = (Selector(kinds=("secret",)), Selector(entities=("EMAIL_ADDRESS", "CREDIT_CARD"), min_score=0.4))
CEILING = 64 * 1024
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
PROSE = 'So far, so good: it — "of ten words" 😀 or so — goes on; nothing to be hidden in it.\n'


@pytest.fixture(scope="module")
def watching():
    return Watching(Detectors.load(Path(tempfile.gettempdir()) / f"gnomon-test-tables-{os.geteuid()}"))


def secret_of(rng, kind):
    def letters(count):
        return "".join(rng.choices(LETTERS, k=count))

    lines = "\n".join(letters(64) for _ in range(rng.choice([3, 61])))
    return {
        "key": lambda: f"sk-proj-{letters(74)}",
        "cloud": lambda: "AKIA" + "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=16)),
        "mail": lambda: f"{letters(8).lower()}@example.com",
        "card": lambda: "4111 1111 1111 1111",
        "token": lambda: f"eyJ{letters(rng.choice([30, 1600]))}.eyJ{letters(rng.choice([40, 2400]))}.{letters(43)}",
        "pem": lambda: f"-----BEGIN RSA PRIVATE KEY-----\n{lines}\n-----END RSA PRIVATE KEY-----",
    }[kind]()


KINDS = ("key", "cloud", "mail", "card", "token", "pem")


def cut_up(rng, text):
    """`text` in pieces: one for each character or so, a few, or one."""
    most = rng.choice([0, 1, 3, 40, len(text)])
    edges = [0, *sorted({rng.randrange(len(text) + 1) for _ in range(most)}), len(text)]
    return [text[a:b] for a, b in pairwise(edges) if a < b]


def read_frames(fixture, framing):
    if framing is Framing.MESSAGE:
        framer = framer_of(framing)
        return [frame for message in messages(fixture.told["answer"]) for frame in framer.feed(message)]
    framer = framer_of(framing)
    return [*framer.feed(fixture.answer), *framer.close()]


def reader_of(fixture):
    return fixture.dialect.events(fixture.call, fixture.answer_type)


@cache
def voices():
    """(fixture, channel, place of its first event) of all growing texts in all fixtures."""
    found = []
    for fixture in present():
        reader = reader_of(fixture)
        if reader is None or (fixture.case == "abort" and reader.framing is Framing.MESSAGE):
            continue
        known = set()
        for place, frame in enumerate(read_frames(fixture, reader.framing)):
            view = reader.read(frame.event) if frame.event else None
            for text in view.texts if view and not view.closes else ():  # what ends a text cannot come twice
                if text.channel is not None and text.channel not in known:
                    known.add(text.channel)
                    found.append((fixture, text.channel, place))
    return found


def escaped(rng, piece):
    """As one of several writers of JSON would write it."""
    halves = any("\ud800" <= one <= "\udfff" for one in piece)
    raw = json.dumps(piece, ensure_ascii=halves or rng.random() < 0.5)[1:-1]
    if rng.random() < 0.2:
        raw = "".join(
            f"\\u{ord(one):04x}" if one.isalnum() and ord(one) < 128 and "\\" not in raw else one for one in raw
        )
    return raw.encode("utf-8", "surrogatepass")


def stream_of(fixture, channel, place, parts, rng):
    """The fixture with its text of `channel` told in `parts`; as messages where the framing has no bytes between."""
    reader = reader_of(fixture)
    frames = read_frames(fixture, reader.framing)
    out = []
    for number, frame in enumerate(frames):
        view = reader.read(frame.event) if frame.event else None
        mine = [one for one in view.texts if one.channel == channel] if view else []
        if number == place:
            (text,) = mine[:1]
            for count, piece in enumerate(parts):
                payload = frame.event.payload
                payload = payload[: text.start] + escaped(rng, piece) + payload[text.end :]
                if count and reader.framing is Framing.JSON_ARRAY:
                    out.append(b",")
                out.append(frame.rebuilt(payload))
        elif mine:
            payload = frame.event.payload
            for text in reversed(mine):
                payload = payload[: text.start] + payload[text.end :]
            out.append(frame.rebuilt(payload))
        else:
            out.append(frame.raw)
    return out


def joined(fixture, raws):
    """What a client makes of it: each growing text, joined."""
    reader = reader_of(fixture)
    framer = framer_of(reader.framing)
    parts = raws if reader.framing is Framing.MESSAGE else [b"".join(raws)]
    frames = [frame for part in parts for frame in framer.feed(part)] + framer.close()
    return channels([reader.read(frame.event) for frame in frames if frame.event])


def plain(watching, kind, text):
    decided, _ = watching.whole(kind, text, HIDES, (), CEILING)
    return redact_text(text, decided.found)


def run(fixture, watching, parts):
    editor = StreamEditor(reader_of(fixture), watching, hides=HIDES, ends=())
    out = [one for part in parts for one in editor.feed(part)] + editor.close()
    assert editor.wants_cut is None
    assert b"" not in out
    return editor, out


@pytest.mark.parametrize(
    ("fixture", "channel", "place"), [pytest.param(*one, id=f"{one[0].name}:{one[1]}") for one in voices()]
)
def test_a_secret_in_any_text_of_any_dialect_never_leaves(watching, fixture, channel, place):
    for number in range(SPLITS):
        rng = random.Random(f"{fixture.name}{channel}{number}")  # noqa: S311 - seeded on purpose
        secrets = [secret_of(rng, rng.choice(KINDS)) for _ in range(rng.choice([1, 1, 2]))]
        between = rng.choice([" ", "\n", f" {PROSE}"])
        text = PROSE * rng.choice([0, 1]) + between.join(secrets) + rng.choice(["", " ", f" {PROSE}"])
        kind = next(
            one.kind
            for view in [reader_of(fixture)]
            for frame in read_frames(fixture, view.framing)
            if frame.event
            for one in view.read(frame.event).texts
            if one.channel == channel
        )
        if kind == ARGUMENTS:
            text = json.dumps({"n": 1, "text": text}, ensure_ascii=rng.random() < 0.5)
        stream = stream_of(fixture, channel, place, cut_up(rng, text), rng)
        told = joined(fixture, stream)
        assert told[channel].startswith(text)
        message = reader_of(fixture).framing is Framing.MESSAGE
        data = b"".join(stream)
        parts = stream if message else pieces(data, [rng.randrange(len(data)) for _ in range(rng.choice([0, 5, 99]))])
        editor, out = run(fixture, watching, parts)
        _, at_once = run(fixture, watching, stream if message else [data])
        assert b"".join(out) == b"".join(at_once)
        got = joined(fixture, out)
        wanted = plain(watching, kind, told[channel])
        assert wanted != told[channel], secrets
        assert got.get(channel) == wanted
        for secret in secrets:
            assert secret[:24] not in got[channel]
        assert {name: one for name, one in got.items() if name != channel} == {
            name: one for name, one in told.items() if name != channel
        }
        assert editor.report().coverage.balanced


@pytest.mark.parametrize("fixture", [pytest.param(one, id=one.name) for one in present() if reader_of(one)])
def test_an_answer_without_secrets_is_what_it_was(watching, fixture):
    reader = reader_of(fixture)
    stream = [frame.raw for frame in read_frames(fixture, reader.framing)]
    for size in (1, 64, 1 << 20):
        data = b"".join(stream)
        message = reader.framing is Framing.MESSAGE
        parts = stream if message else [data[at : at + size] for at in range(0, len(data), size)]
        editor, out = run(fixture, watching, parts[: len(parts) - (message and fixture.case == "abort")])
        report = editor.report()
        assert report.coverage.balanced
        if message and fixture.case == "abort":  # half a message is no document
            continue
        assert joined(fixture, out) == joined(fixture, stream)
        if not (report.edits or report.redactions) and b"".join(out) != data:  # a long text has left in two events
            assert len(read_all(fixture, out)) > len(read_all(fixture, stream))
        passing = StreamEditor(reader_of(fixture), watching, hides=(), ends=())
        assert b"".join([one for part in parts for one in passing.feed(part)] + passing.close()) == data
        if not report.edits:
            assert passing.report().labels == report.labels


def read_all(fixture, raws):
    framer = framer_of(reader_of(fixture).framing)
    return [frame for raw in raws for frame in framer.feed(raw) if frame.event]
