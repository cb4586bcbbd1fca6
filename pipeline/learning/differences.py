"""Two model versions side by side: figures with intervals, rows that changed their label, settings that differ.

It is made on the test side of the data that the settings name. The page shows masked texts: it is for this machine, and
not for MLflow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.schema import Schema
from pipeline.config import Config, flat, resolve
from pipeline.page import render
from pipeline.registry import fetch, settings_of, version_of

from .comparison import MEAN, Said, compare
from .dataset import load_dataset
from .evaluation import Figure
from .splits import split

SHOWN = 200


@dataclass(frozen=True)
class Changed:
    """A text to which a head gives another label: the label it carries, those given before and after."""

    head: str
    truth: str
    before: str
    after: str
    text: str


@dataclass(frozen=True)
class Differences:
    """What changed from one version to another.

    Attributes
    ----------
    gains
        By head and metric, how much higher the second one is.
    changed
        Up to `SHOWN` rows that changed their label, and `counts`, by head, how many did for the better and the worse.
    settings
        By full name, the settings that differ: the first one's value and the second one's.
    """

    names: tuple[str, str]
    rows: int
    gains: dict[str, dict[str, Figure]]
    changed: list[Changed]
    counts: dict[str, tuple[int, int, int]]
    settings: dict[str, tuple[Any, Any]]

    def lines(self) -> Iterator[str]:
        """Yield what a terminal shows: headline figures, counts of changed rows, settings."""
        yield f"{self.names[1]} against {self.names[0]} on {self.rows:,} rows of the test side"
        for head, figures in self.gains.items():
            for metric in ("headline",) if head == MEAN else sorted(figures, key=lambda name: ("." in name, name)):
                figure = figures[metric]
                if "." not in metric:
                    sure = "  *" if figure.low > 0 or figure.high < 0 else ""
                    yield f"  {head} {metric}: {figure.value:+.3f} [{figure.low:+.3f}, {figure.high:+.3f}]{sure}"
        for head, (better, worse, other) in self.counts.items():
            yield f"  {head}: {better} rows right now, {worse} wrong now, {other} wrong in another way"
        for name, (before, after) in self.settings.items():
            yield f"  setting {name}: {before!r} -> {after!r}"

    def write(self, path: Path) -> None:
        """Write the page; every text is masked and escaped."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(Path(__file__).with_name("differences.html.j2"), found=self), encoding="utf-8")


def differences(config: Config, first: str, second: str) -> Differences:
    """Return what changed from model `first` to `second`, each a version, an alias or a run.

    Raises
    ------
    ConfigError
        One of them is not there.
    """
    data = load_dataset(config)
    splits = split(data, config.data.split)
    texts, targets = data.take(splits.test)
    versions = version_of(first, config), version_of(second, config)
    models = [fetch(version, config) for version in versions]
    before, after = (Said.by(model, texts) for model in models)
    known = [{(head.name, head.kind, tuple(head.labels)) for head in model.schema} for model in models]
    shared = Schema(
        tuple(head for head in data.schema if all((head.name, head.kind, tuple(head.labels)) in one for one in known))
    )
    gains = compare(
        shared, targets, splits.group[splits.test], before, after,
        resamples=config.evaluation.bootstrap, seed=config.seed, capacity=config.rank.capacity,
    )  # fmt: skip
    changed: list[Changed] = []
    counts = {}
    for head in shared:
        if head.exclusive:
            target, one, two = targets[head.name], before.labels[head.name], after.labels[head.name]
            rows = np.flatnonzero(target.known & (one != two))
            truth = target.truth.argmax(1)
            better, worse = int((two == truth)[rows].sum()), int((one == truth)[rows].sum())
            counts[head.name] = better, worse, len(rows) - better - worse
            named = (
                (head.labels[truth[row]], head.labels[one[row]], head.labels[two[row]], texts[row]) for row in rows
            )
            changed += [Changed(head.name, *cells) for cells in named]
    settings = _different(*(flat("", settings_of(version, config)) for version in versions))
    names = f"version {versions[0]}", f"version {versions[1]}"
    return Differences(names, len(texts), gains, _spread(changed), counts, settings)


def told(config: Config, first: str, second: str) -> Iterator[str]:
    """Yield what a terminal shows of two versions, after the page is written, and where that is."""
    found = differences(config, first, second)
    page = resolve("data/local/compare") / f"{first}-{second}.html"
    found.write(page)
    yield from found.lines()
    yield f"the rows that changed: {page}"


def _spread(changed: list[Changed]) -> list[Changed]:
    """Return up to `SHOWN` rows, as many of each head as there is room for."""
    heads = {row.head for row in changed}
    seen: dict[str, int] = {}
    kept = []
    for row in changed:
        seen[row.head] = seen.get(row.head, 0) + 1
        if seen[row.head] <= SHOWN // max(len(heads), 1):
            kept.append(row)
    return kept


def _different(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = sorted({*one, *other})
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}
