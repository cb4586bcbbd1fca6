"""Whether the words that are named are the words that matter: deleting them against deleting as many random ones.

    python -m benchmarks.faithfulness                 family cascade on the starter corpus (--family for another)

For 500 texts of the test side: the words named for a label are deleted, and so are as many random other words, five
times; a text counts where the label's probability falls further by the former than by the mean of the latter.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.machine import record
from models.attribution import readable, strongest
from models.text import prepare_all
from models.triage import TriageModel
from pipeline.config import load
from pipeline.learning.dataset import load_dataset
from pipeline.learning.splits import split

ROWS, NAMED, DRAWS = 500, 4, 5
_WORD = re.compile(r"\w+(?:'\w+)*")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="cascade", help="which family (default: %(default)s)")
    options = parser.parse_args()
    config = load(overrides=[f"model.family={options.family}"])
    data = load_dataset(config)
    sides = split(data, config.data.split)
    held_out = data.take(sides.calibration)
    settings = config.model_settings()
    model = TriageModel.fit(data.schema, *data.take(sides.train), settings, config.seed, held_out=held_out)
    model.calibrate(*held_out)
    texts = [text for text in data.take(sides.test)[0] if len(_WORD.findall(text)) > 2 * NAMED][:ROWS]
    lines = ["| head | label | rows | named words matter more than random ones |", "| --- | --- | ---: | ---: |"]
    start = time.process_time()
    for head, place in (("urgency", 3), ("detractor", 0), ("sentiment", 0)):
        label = (model.schema[head].labels or ("yes",))[place]
        rows, share = faithful(model, texts, head, place)
        lines.append(f"| {head} | {label} | {rows} | {share:.1%} (target 90%) |")
    spent = time.process_time() - start
    record(f"Faithfulness of the reasons: family {options.family}", [*lines, "", f"{spent:.0f} CPU seconds in all."])


def faithful(model: TriageModel, texts: Sequence[str], head: str, place: int, seed: int = 7) -> tuple[int, float]:
    """Return how many texts had words named for a label, and in what share of them those words matter more."""
    prepared = prepare_all(texts)
    start = sum(other.width for other in model.schema.heads[: model.schema.names.index(head)])
    width = model.schema[head].width
    direction = np.zeros((1, sum(other.width for other in model.schema)), np.float32)
    direction[0, start : start + width] = -1 / max(width - 1, 1)
    direction[0, start + place] = 1
    found = model.attribute(prepared, direction)
    rows, words = strongest(found, readable(found.words), 0, NAMED)
    named: dict[int, set[str]] = {}
    for row, word in zip(rows.tolist(), words.tolist(), strict=True):
        named.setdefault(row, set()).add(found.words[word])
    random = np.random.default_rng(seed)
    variants, owner = [], []
    for row, chosen in named.items():
        others = sorted({match[0] for match in _WORD.finditer(prepared[row])} - chosen)
        draws = [set(random.permutation(others)[: len(chosen)].tolist()) for _ in range(DRAWS)]
        variants += [without(prepared[row], gone) for gone in (set(), chosen, *draws)]
        owner.append(row)
    likely = model.predict(variants).probabilities[head][:, place].reshape(-1, 2 + DRAWS)
    lost = likely[:, :1] - likely[:, 1:]
    return len(owner), float((lost[:, 0] > lost[:, 1:].mean(1)).mean())


def without(text: str, gone: set[str]) -> str:
    """Return a prepared text without some of its words."""
    return " ".join(_WORD.sub(lambda match: "" if match[0] in gone else match[0], text).split())


if __name__ == "__main__":
    main()
