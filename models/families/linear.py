"""Family `linear`: logistic regression of all heads at once on hashed word and character n-grams.

Weighted by inverse document frequency and scaled to unit length, as TF-IDF; trained by stochastic gradient descent on
the sum of the heads' losses (softmax for exclusive labels, logistic for the others), each head on its own rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array, diags_array

from ..attribution import Attribution
from ..features import Features, Hashing, extract, token_strings
from ..schema import Schema
from ..targets import Targets, balance
from .forward import Forward
from .word_cache import WordCache

Floats = NDArray[np.float32]
I64 = NDArray[np.int64]
HASHING = Hashing(bits=20, char_min=3, char_max=5, word_max=2)
MIN_TEXTS = 2  # a feature of one text alone teaches nothing that carries over, and doubles the size
COMMON = (np.log(1 / 0.02) + 1) ** 2  # squared inverse document frequency of a word that 2% of the texts hold
BATCH = 256
ALL, PARTLY, WHOLLY = 0, 1, 2  # the columns of the counts of words
YES_NO_PACE = 0.75
CHUNK = 2_048  # texts featurised together when predicting: large enough to vectorise, small enough for the cache


@dataclass
class Linear:
    """Weights of the buckets seen in training.

    Attributes
    ----------
    row_of
        Row of `weights` that a bucket has, shape (buckets,); the last row, all zero, where it was never seen.
    weights
        Logit per unit of a feature, with its inverse document frequency, shape (rows + 1, sum of widths).
    squares
        Squared inverse document frequency, shape (rows + 1,): what a feature adds to a text's squared length.
    bias
        Shape (sum of widths,).
    """

    hashing: Hashing
    row_of: NDArray[np.int32]
    weights: Floats
    squares: Floats
    bias: Floats
    report: dict[str, Any] = field(default_factory=dict)
    _known: WordCache = field(default_factory=WordCache, repr=False, compare=False)

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        targets: Targets,
        schema: Schema,
        settings: Mapping[str, Any],
        seed: int,
        progress: Callable[..., None] = lambda *_: None,
        held_out: tuple[Sequence[str], Targets] | None = None,
    ) -> Linear:
        """Return the family fitted by ``settings["linear"]`` (`learning_rate`, `epochs`, `class_weight`)."""
        counts = _count(texts)
        in_texts = np.bincount(counts.indices, minlength=HASHING.buckets)
        idf = np.log((1 + len(texts)) / (1 + in_texts)) + 1
        length = np.sqrt(counts @ (idf**2))
        seen = np.flatnonzero(in_texts >= MIN_TEXTS)
        scale = diags_array(1 / np.maximum(length, 1e-9))
        inputs = csr_array(scale @ counts[:, seen] @ diags_array(idf[seen]), dtype=np.float32)
        weights, bias = _descend(inputs, targets, schema, settings["linear"], seed, progress)
        row_of = np.full(HASHING.buckets, len(seen), np.int32)
        row_of[seen] = np.arange(len(seen))
        unseen = float(np.log(1 + len(texts)) + 1)
        return cls(
            hashing=HASHING,
            row_of=row_of,
            weights=np.vstack([weights * idf[seen, None], np.zeros((1, len(bias)))]).astype(np.float32),
            squares=np.append(idf[seen] ** 2, unseen**2).astype(np.float32),
            bias=bias,
        )

    def forward(self, texts: Sequence[str]) -> Forward:
        """Return the logits of `texts`, and which are wordless; however long, a text is read as a whole."""
        logits = np.empty((len(texts), len(self.bias)), np.float32)
        wordless = np.empty(len(texts), bool)
        familiar = np.empty(len(texts), np.float32)
        for start in range(0, len(texts), CHUNK):
            features = extract(texts[start : start + CHUNK], self.hashing)
            evidence, lengths, words = self._read(features)
            logits[start : start + CHUNK] = evidence / lengths[:, None] + self.bias
            wordless[start : start + CHUNK] = words[:, PARTLY] == 0
            familiar[start : start + CHUNK] = words[:, WHOLLY] / np.maximum(words[:, ALL], 1)
        return Forward(logits, wordless, np.ones(len(texts), np.int32), familiar)

    def _read(self, features: Features) -> tuple[Floats, Floats, Floats]:
        """Return each text's evidence for every label, its length as a vector, and how many words it has.

        Words, and no symbols, are counted three times: all of them, those with a part that was seen in training, and
        those that were seen as a whole.
        """
        of_texts = features.in_text @ self._known.look_up(features, self._read_words)
        runs = self._rows(features.pairs)
        width = len(self.bias)
        lengths = np.sqrt(np.maximum(of_texts[:, width] + runs @ self.squares, 1e-9))
        return of_texts[:, :width] + runs @ self.weights, lengths, of_texts[:, width + 1 :]

    def _read_words(self, features: Features, words: I64) -> Floats:
        """Return, of some different words, what each adds: evidence, squared length, and to the counts of words."""
        counts = self._rows(features.of_word(words))
        unseen = len(self.weights) - 1
        partly = np.add.reduceat(np.append(counts.indices < unseen, 0), counts.indptr[:-1]) > 0
        wholly = self.row_of[features.own_bucket[words]] < unseen
        known = features.is_word(words)[:, None] * np.column_stack([np.ones(len(words)), partly, wholly])
        return np.column_stack([counts @ self.weights, counts @ self.squares, known]).astype(np.float32)

    def attribute(self, texts: Sequence[str], directions: Floats) -> Attribution:
        """Return what each word of `texts` adds along every row of `directions`.

        Exact: over a text, a direction's contributions sum to ``directions @ (logits - bias)``. A pair of
        neighbouring words is shared evenly between them.
        """
        features = extract(texts, self.hashing)
        tokens, along = features.tokens, self.weights @ directions.T
        values = (self._rows(features.of_word()) @ along)[features.word]
        for size, buckets in features.pair_buckets.items():
            _share_runs(features, size, along[self.row_of[buckets]], values)
        values /= self._read(features)[1][tokens.text][:, None]
        different = len(features.own_bucket)
        entry, place = np.unique(tokens.text * max(different, 1) + features.word, return_inverse=True)
        ones = np.ones(len(place), np.float32)
        total = csr_array((ones, (place, np.arange(len(place)))), (len(entry), len(place))) @ values
        words = token_strings(tokens, np.unique(features.word, return_index=True)[1])
        common = self.squares[self.row_of[features.own_bucket]] < COMMON
        return Attribution(entry // max(different, 1), entry % max(different, 1), total, words, common)

    def save(self, folder: Path) -> None:
        """Write `linear.safetensors` and `linear.json` into `folder`."""
        seen = np.flatnonzero(self.row_of < len(self.weights) - 1).astype(np.int32)
        arrays = {"buckets": seen, "weights": self.weights, "squares": self.squares, "bias": self.bias}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / "linear.safetensors")
        (folder / "linear.json").write_text(json.dumps(asdict(self.hashing), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, schema: Schema) -> Linear:
        """Return the family that `save` wrote.

        Raises
        ------
        ValueError
            The weights are for other heads than `schema` has, or are not finite.
        """
        arrays = load_file(folder / "linear.safetensors")
        hashing = Hashing(**json.loads((folder / "linear.json").read_text(encoding="utf-8")))
        width = sum(head.width for head in schema)
        if arrays["bias"].shape != (width,) or arrays["weights"].shape[1] != width:
            raise ValueError(f"{folder}: the weights are for {len(arrays['bias'])} labels, the schema has {width}")
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError(f"{folder}: the weights hold numbers that are not finite; train the model again")
        row_of = np.full(hashing.buckets, len(arrays["buckets"]), np.int32)
        row_of[arrays["buckets"]] = np.arange(len(arrays["buckets"]))
        return cls(hashing, row_of, arrays["weights"], arrays["squares"], arrays["bias"])

    def _rows(self, counts: csr_array) -> csr_array:
        """Return `counts` of buckets as counts of rows of `weights`."""
        rows = self.row_of[counts.indices]
        return csr_array((counts.data, rows, counts.indptr), (counts.shape[0], len(self.weights)))


def _count(texts: Sequence[str]) -> csr_array:
    from scipy.sparse import vstack

    parts = [extract(texts[i : i + CHUNK], HASHING).counts() for i in range(0, len(texts), CHUNK)]
    return csr_array(vstack(parts, format="csr"))


def _share_runs(features: Features, size: int, values: Floats, tokens: Floats) -> None:
    """Add `values` of the runs of `size` words to `tokens`, an even share to each word of a run."""
    first = features.pair_starts[size]
    for offset in range(size):
        tokens[first + offset] += values / size  # no two runs of one size start at the same word


def _descend(
    inputs: csr_array,
    targets: Targets,
    schema: Schema,
    settings: Mapping[str, Any],
    seed: int,
    progress: Callable[..., None],
) -> tuple[Floats, Floats]:
    """Return weights (features, sum of widths) and bias after `epochs` of stochastic gradient descent.

    The step falls linearly to zero. Stopping while rare features are still small is the only regularisation: it beat
    every strength of L2 on validation data, and is why rare features cannot dominate.
    """
    truth = np.hstack([targets[head.name].truth for head in schema])
    weight = np.hstack([_loss_weight(schema, targets, head.name, float(settings["class_weight"])) for head in schema])
    weights = np.zeros((inputs.shape[1], truth.shape[1]), np.float32)
    bias = np.zeros(truth.shape[1], np.float32)
    random = np.random.default_rng(seed)
    epochs, rate = int(settings["epochs"]), float(settings["learning_rate"])
    for epoch in range(epochs):
        step = np.float32(rate * (1 - epoch / epochs))
        for rows, batch, columns in _batches(inputs, random):
            slope = (_activate(batch @ weights[columns] + bias, schema) - truth[rows]) * weight[rows] / len(rows)
            weights[columns] -= step * (batch.T @ slope)
            bias -= step * np.float32(0.003) * slope.sum(0)
        progress((epoch + 1) / epochs)
    return weights, bias


def _loss_weight(schema: Schema, targets: Targets, name: str, power: float) -> Floats:
    """Return the loss weights of one head, so that all heads learn at the pace that suits them.

    Raised where few rows carry the head's label, and with the number of labels to tell apart; lowered for yes and no
    questions, whose rare answers weigh a lot already. Measured on validation folds, see docs/decisions.md.
    """
    head, target = schema[name], targets[name]
    pace = np.sqrt(head.width) if head.exclusive else YES_NO_PACE
    return balance(head, target, power) * np.float32(pace / max(target.known.mean(), 1e-3))


def _batches(
    inputs: csr_array, random: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], csr_array, NDArray[np.int32]]]:
    """Yield shuffled batches: their rows, their inputs over just the columns that occur in them, those columns."""
    order = random.permutation(inputs.shape[0])
    for start in range(0, len(order), BATCH):
        rows = order[start : start + BATCH]
        batch = inputs[rows]
        columns, place = np.unique(batch.indices, return_inverse=True)
        yield rows, csr_array((batch.data, place, batch.indptr), (len(rows), len(columns))), columns


def _activate(logits: Floats, schema: Schema) -> Floats:
    from ..calibration import of_heads, probabilities

    parts = zip(schema, of_heads(schema, logits), strict=True)
    return np.hstack([probabilities(head, part) for head, part in parts])
