# ruff: noqa: T201 - a program that prints what it found
"""Train the injection model, measure it on sources that it has not seen, and write its weights.

Run by `make model`, or: PYTHONPATH=. PYTHON tests/eval/training/train.py --data injection.jsonl --out model.bin
Method: docs/models/injection.md. Everything is seeded: the same data and versions give the same bytes.
"""

import argparse
import json
import math
import random
import sys
from array import array
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import corpus
import msgspec
import numpy as np
from corpus import Text
from scipy import sparse
from sklearn.linear_model import LogisticRegression, SGDClassifier

from appliance.inspect.injection.model import FOREIGN, OWN, TOKEN, Model, once
from appliance.inspect.injection.weights import Reading, Written, pack, read

OWN_WINDOWS, FOREIGN_WINDOWS = (96, 48), (16, 8)
WINDOW, STEP = 32, 16  # in training: between both
SHIFT = 8.0
LEAST = 3  # texts that hold a feature
ALPHA, EPOCHS = 3e-5, 6
POWER = 0.0  # the weight of a source grows with that power of its size: all sources weigh the same
OF_SOURCE = {"gen-attack": 30.0, "gen-buried": 10.0, "gen-code": 3.0, "wild": 0.3}
KEPT = 30_000
STRETCH = 8.0
GENERATED = 12_000
THRESHOLD = 0.7  # of both readings, as of the rules, so that scores of both detectors mean the same
TAIL = 0.25  # of ordinary texts by which probabilities are fitted: the highest
SHARES = (0.0075, 0.01)  # of ordinary texts that are told: own words and foreign ones


def group(source: str) -> str:
    """Sources that hold much the same count as one."""
    return "wild" if source in corpus.WILD else source


class Windows:
    """Texts cut into windows; features are words and pairs of neighbours."""

    def __init__(self, texts: list[Text]) -> None:
        self.texts = texts
        self.features = [_features(once(TOKEN.findall(one.text.lower()[:20_000]))) for one in texts]

    def vocabulary(self) -> list[object]:
        """Features of at least `LEAST` texts; those of attacks from two groups of sources, or no rarer elsewhere."""
        seen: dict[object, Counter] = defaultdict(Counter)
        for one, features in zip(self.texts, self.features, strict=True):
            for feature in set(features[0]) | set(features[1]):
                seen[feature][group(one.source), one.label] += 1
        return sorted((feature for feature, by in seen.items() if _wanted(by)), key=repr)

    def matrix(self, vocabulary: list[object]) -> tuple[sparse.csr_matrix, np.ndarray]:
        """A row for each window, weighted by rarity and length, and whose text it is."""
        place = {feature: number for number, feature in enumerate(vocabulary)}
        columns, starts, owners, lengths = [], [0], [], []
        for number, (words, pairs) in enumerate(self.features):
            for start in range(0, max(len(words) - WINDOW, 0) + STEP, STEP):
                end = min(start + WINDOW, len(words))
                held = [place.get(one) for one in (*words[start:end], *pairs[start:end])]
                columns += [one for one in held if one is not None]
                starts.append(len(columns))
                owners.append(number)
                lengths.append(end - start)
                if end == len(words):
                    break
        made = sparse.csr_matrix((np.ones(len(columns)), columns, starts), shape=(len(owners), len(vocabulary)))
        return sparse.csr_matrix(sparse.diags(1 / np.sqrt(np.array(lengths) + SHIFT)) @ made), np.array(owners)


def _features(words: list[str]) -> tuple[list[str], list[tuple[str, str]]]:
    return words, list(pairwise(words))


def _wanted(by: Counter) -> bool:
    attacks = sum(count for (_, label), count in by.items() if label)
    groups = sum(label and count > 1 for (_, label), count in by.items())
    return sum(by.values()) >= LEAST and (groups > 1 or by.total() - attacks >= attacks)


def importance(texts: list[Text], owners: np.ndarray) -> np.ndarray:
    """Weights of windows: equal over a text, damped by the size of its source, both labels equal in sum."""
    windows = Counter(owners.tolist())
    sizes = Counter((one.source, one.label) for one in texts)
    raw = np.array(
        [
            sizes[texts[owner].source, texts[owner].label] ** (POWER - 1)
            / windows[owner]
            * OF_SOURCE.get(group(texts[owner].source), 1.0)
            for owner in owners
        ]
    )
    labels = np.array([texts[owner].label for owner in owners])
    for label in (0, 1):
        raw[labels == label] *= 0.5 * len(raw) / raw[labels == label].sum()
    return raw


def train(texts: list[Text]) -> Written:
    """Weights without thresholds. Of attacks found in the wild only the windows that look like one are learned from."""
    windows = Windows(texts)
    vocabulary = windows.vocabulary()
    matrix, owners = windows.matrix(vocabulary)
    rarity = np.log((len(texts) + 1) / (np.asarray((matrix > 0).sum(0)).ravel() + 1)) + 1
    matrix = sparse.csr_matrix(matrix @ sparse.diags(rarity / STRETCH))
    labels = np.array([texts[owner].label for owner in owners])
    weights = importance(texts, owners)
    wild = np.array([group(texts[owner].source) == "wild" for owner in owners])
    learner = SGDClassifier(loss="log_loss", alpha=ALPHA, max_iter=EPOCHS, tol=None, average=True, random_state=1)
    learner.fit(matrix[~wild], labels[~wild], sample_weight=weights[~wild])
    if wild.any():
        margins = learner.decision_function(matrix)
        best = np.full(len(texts), -np.inf)
        np.maximum.at(best, owners, margins)
        kept = ~wild | (margins > 1) | ((margins >= best[owners]) & (margins > -1))
        learner.fit(matrix[kept], labels[kept], sample_weight=weights[kept])
    return written(vocabulary, learner.coef_[0] * rarity / STRETCH, float(learner.intercept_[0]))


def written(vocabulary: list[object], weights: np.ndarray, bias: float) -> Written:
    """The `KEPT` largest weights as 16-bit integers."""
    kept = sorted(np.argsort(-np.abs(weights), kind="stable")[:KEPT].tolist())
    unit = float(np.abs(weights).max()) / 32767
    of = {vocabulary[number]: round(float(weights[number]) / unit) for number in kept}
    words = sorted({word for one in of for word in ((one,) if isinstance(one, str) else one)})
    number = {word: place for place, word in enumerate(words, 1)}
    pairs = sorted(
        (number[one[0]] << 16 | number[one[1]], weight) for one, weight in of.items() if not isinstance(one, str)
    )
    singles = [of.get(word, 0) for word in words]
    reads = (Reading(*OWN_WINDOWS, 1, 0, 0.5), Reading(*FOREIGN_WINDOWS, 1, 0, 0.5))
    packed = _bytes("h", singles), _bytes("I", [pair for pair, _ in pairs]), _bytes("h", [one for _, one in pairs])
    return Written(SHIFT, bias, unit, reads, tuple(words), *packed)


def _bytes(kind: str, values: list[int]) -> bytes:
    made = array(kind, values)
    if sys.byteorder == "big":
        made.byteswap()
    return made.tobytes()


def margins(model: Model, texts: list[Text], kind: str = OWN) -> np.ndarray:
    """By the code that ships."""
    found = (model.best(one.text, kind) for one in texts)
    return np.array([-20.0 if one is None else one.margin for one in found])


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if not of:
        return 0.0, 1.0
    share, z = hits / of, 1.96
    middle, half = share + z * z / (2 * of), z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)


def threshold_at(scores: np.ndarray, share: float) -> float:
    """The margin above which at most `share` of the scores lie."""
    return float(np.sort(scores)[::-1][int(share * len(scores))])


def table(name: str, texts: list[Text], scores: np.ndarray, threshold: float) -> None:
    """Per source and label: how many are above the threshold."""
    print(f"\n{name}: margin > {threshold:.2f}")
    keys = sorted({(one.label, one.source) for one in texts}, reverse=True)
    for label, source in [*keys, (1, ""), (0, "")]:
        mine = np.array([one.label == label and source in {"", one.source} for one in texts])
        hits, of = int((scores[mine] > threshold).sum()), int(mine.sum())
        low, high = wilson(hits, of)
        word = "recall" if label else "false positives"
        print(f"  {word:16} {source or 'all':28} {hits:5}/{of:<5} {hits / max(of, 1):.3f} [{low:.3f}, {high:.3f}]")


def foreign(texts: list[Text], seed: int) -> list[Text]:
    """Attacks put into documents, and the documents without them: none of either was trained on."""
    chance = random.Random(seed)  # noqa: S311 - a fixed seed
    pages = [one for one in texts if one.source.startswith("docs-") and len(one.text) > 600]
    hidden = [one for one in texts if one.label and one.source not in {"jailbreakbench", "jackhhao-jailbreak"}]
    made = [Text(corpus.buried(one.text, chance.choice(pages).text, chance, 10_000), 1, one.source) for one in hidden]
    return made + pages


def folds(trained: list[Text], texts: list[Text], ordinary: list[Text]) -> dict[str, list[tuple[float, int]]]:
    """Each group of sources by a model that has not seen it; margins and labels, plain and inside documents."""
    outside: dict[str, list[tuple[float, int]]] = {OWN: [], FOREIGN: []}
    for name, sources in corpus.FOLDS.items():
        rest = [one for one in trained if one.source not in sources]
        model = Model(read(pack(train(rest))))
        held = corpus.fresh([one for one in texts if one.source in sources], rest)
        scores = margins(model, held + ordinary)
        show(f"{name} held out", held + ordinary, scores, 0.01)
        outside[OWN] += [(float(score), one.label) for score, one in zip(scores, held, strict=False)]
        inside = foreign([one for one in held if one.label][::3] + ordinary, 5)
        scores = margins(model, inside, FOREIGN)
        outside[FOREIGN] += [(float(score), one.label) for score, one in zip(scores, inside, strict=True)]
    return outside


def show(name: str, texts: list[Text], scores: np.ndarray, share: float) -> float:
    """The table at the margin that `share` of the ordinary texts exceed; that margin."""
    ordinary = np.array([score for score, one in zip(scores, texts, strict=True) if not one.label])
    limit = threshold_at(ordinary, share)
    table(f"{name}, {share:.1%} of ordinary texts", texts, scores, limit)
    return limit


def reading(size: tuple[int, int], outside: list[tuple[float, int]], limit: float) -> Reading:
    """Log odds: their slope by Platt's method in the tail where thresholds lie, `THRESHOLD` at the margin `limit`."""
    scores, labels = np.array([score for score, _ in outside]), np.array([one for _, one in outside])
    share = np.where(labels == 1, 1 / labels.sum(), 1 / (1 - labels).sum())
    tail = scores > threshold_at(scores[labels == 0], TAIL)
    scale = LogisticRegression(C=1e6).fit(scores[tail, None], labels[tail], share[tail] * len(labels))
    slope = float(scale.coef_[0][0])
    return Reading(*size, slope, math.log(THRESHOLD / (1 - THRESHOLD)) - slope * limit, THRESHOLD)


def main() -> None:
    """Folds, final training, thresholds, the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    texts = corpus.published(options.data)
    trained = [one for one in texts if one.source in corpus.TRAINED] + corpus.generated(GENERATED, 1)
    tested = corpus.fresh([one for one in texts if one.source in corpus.TESTED], trained)
    outside = folds(trained, texts, [one for one in tested if not one.label])
    final = train(trained)
    model = Model(read(pack(final)))
    scores, inside = margins(model, tested), foreign(tested, 7)
    show("test", tested, scores, 0.005)
    show("test", tested, scores, 0.02)
    own = show("test", tested, scores, SHARES[0])
    inner = show("test, inside documents", inside, margins(model, inside, FOREIGN), SHARES[1])
    reads = (reading(OWN_WINDOWS, outside[OWN], own), reading(FOREIGN_WINDOWS, outside[FOREIGN], inner))
    data = pack(msgspec.structs.replace(final, reads=reads))
    options.out.write_bytes(data)
    facts = {
        "bytes": len(data),
        "words": len(final.words),
        "pairs": len(final.pairs) // 4,
        "version": read(data).version,
    }
    print(json.dumps(facts), [tuple(round(one, 4) for one in msgspec.structs.astuple(each)) for each in reads])
    print(
        json.dumps(
            {f"{source} {label}": count for (source, label), count in sorted(corpus.counts(trained + tested).items())}
        )
    )


if __name__ == "__main__":
    main()
