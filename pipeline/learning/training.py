"""One training: from a data set and its splits to a calibrated, evaluated model with its card."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from models.instants import all_seconds
from models.languages import detect
from models.scoring import given_labels
from models.triage import Predictions, TriageModel
from pipeline.config import Config

from .dataset import Dataset
from .evaluation import MIN_ROWS, HeadReport, Slice, evaluate_sliced, frequent
from .presentable import presentable
from .splits import SIDES, Splits, fingerprints

LIBRARIES = (
    "numpy", "scipy", "scikit-learn", "safetensors", "torch", "transformers", "tokenizers", "openvino", "nncf",
)  # fmt: skip


@dataclass(frozen=True)
class Trained:
    """A model, and what it says of the test side: of all its rows, and of slices by ``lang`` and by ``channel``.

    `labels` are the places of the labels that single-label heads give there.
    """

    model: TriageModel
    predictions: Predictions
    report: dict[str, HeadReport]
    slices: dict[str, dict[str, Slice]]
    labels: dict[str, NDArray[np.int64]]


def train(
    data: Dataset,
    splits: Splits,
    config: Config,
    commit: str | None,
    progress: Callable[..., None] = lambda *_: None,
) -> Trained:
    """Return the model fitted on the train side, calibrated on the calibration side, evaluated on the test side.

    Raises
    ------
    ValueError
        A side is empty, or a head has too few labels to learn from.
    """
    for name in SIDES:
        if not len(getattr(splits, name)):
            raise ValueError(f"the {name} side has no rows; give more data or a larger data.split share")
    texts, targets = data.take(splits.train)
    held_out = data.take(splits.calibration)
    model = TriageModel.fit(data.schema, texts, targets, config.model_settings(), config.seed, progress, held_out)
    balance = {name: one.balance for name, one in config.model.heads.items()}
    model.calibrate(*held_out, balance, splits.group[splits.calibration])
    model.ranking = config.rank.model_dump()
    model.learnt = fingerprints([*texts, *held_out[0]])
    model.lineage = {
        "training_data": data.digest(),
        "files": data.files,
        "config": config.digest(),
        "commit": commit,
        "newest_row": newest(data, splits),
        "rows": {name: len(getattr(splits, name)) for name in SIDES},
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
    texts, targets = data.take(splits.test)
    predictions = model.predict(texts)
    values = {name: presentable([data.columns[name][row] for row in splits.test]) for name in ("lang", "channel")}
    values["lang"] = detect(texts, values["lang"])
    model.languages = frequent(values["lang"])
    labels = given_labels(model, predictions.probabilities)
    report, slices = evaluate_sliced(
        data.schema,
        predictions.probabilities,
        targets,
        splits.group[splits.test],
        values,
        resamples=config.evaluation.bootstrap,
        seed=config.seed,
        capacity=config.rank.capacity,
        labels=labels,
    )
    return Trained(model, predictions, report, slices, labels)


def newest(data: Dataset, splits: Splits) -> float | None:
    """Return when the newest row that is trained on was written, in seconds since 1970; None without dates."""
    when = all_seconds(data.columns["created_at"][row] for row in splits.train)
    when = when[when <= datetime.now(UTC).timestamp()]  # a slip of the pen may be of next century
    return float(when.max()) if len(when) else None


def slice_metrics(trained: Trained) -> dict[str, float]:
    """Return the first listed metric of every head on every slice, as ``slice.lang.en.sentiment.accuracy``."""
    return {
        # A value is the customer's own word: MLflow has a limit on names.
        f"slice.{name}.{value[:60]}.{head}.{metric}": report.figures[metric].value
        for name, slices in trained.slices.items()
        for value, part in slices.items()
        for head, report in part.report.items()
        for metric in listed_metrics(trained, head)[:1]
    }


def card(trained: Trained, config: Config) -> str:
    """Return the model card (Mitchell et al. 2019) in Markdown; ``{version}`` stands for the model's version."""
    lineage, schema = trained.model.lineage, trained.model.schema
    rows = lineage["rows"]
    lines = [
        "# Model card: Amends triage, {version}",
        "",
        "Reads customer feedback, predicts the heads below, and ranks customers for a person to call. It is made to",
        "order a list that people work through, never to decide about a customer on its own.",
        "",
        f"- Family `{trained.model.family_name}`, seed {config.seed}, commit {lineage['commit'] or 'unknown'}",
        f"- Training data {lineage['training_data'][:16]}, configuration {lineage['config'][:16]}",
        f"- Rows: {rows['train']} trained on, {rows['calibration']} calibrated on, {rows['test']} tested on",
        *(f"- Source `{one.path or one.hub}`, licence: {one.licence or 'not stated'}" for one in config.data.sources),
        *(f"- Data file `{name}`, SHA-256 {digest[:16]}" for name, digest in lineage["files"].items()),
        "",
        "| head | kind | labels | tested on | figures on the test side, 95% interval |",
        "| --- | --- | --- | ---: | --- |",
    ]
    for head in schema:
        report = trained.report.get(head.name)
        figures = (
            "; ".join(f"{name} {report.figures[name]}" for name in listed_metrics(trained, head.name))
            if report
            else "none"
        )
        labels = ", ".join(head.labels) or str(head.derive or "yes, no")
        lines.append(f"| {head.name} | {head.kind} | {labels} | {report.rows if report else 0} | {figures} |")
    lines += [*_by_language(trained), "", "## Limits"]
    lines += [
        "Figures hold for texts like those tested on. The starter corpus is written by a language model, not by",
        "customers: retrain with labels of your own before you trust a figure. Probabilities are honest for the share",
        "of labels in the training data, not for yours. A text in a language that it was not tested on is marked for",
        "review, unless it is too short to tell.",
        "",
    ]
    return "\n".join(lines)


def _by_language(trained: Trained) -> list[str]:
    """Return the table of figures by language, in Markdown."""
    names = trained.model.schema.names
    titles = [f"{name} {listed_metrics(trained, name)[0]}" for name in names]
    lines = [
        "",
        "## By language",
        f"Tested on: {', '.join(trained.model.languages) or 'texts too short to tell'}. "
        f"A line needs {MIN_ROWS} rows, and so does a figure in it.",
        "",
        f"| language | rows | {' | '.join(titles)} |",
        f"| --- | ---: |{' --- |' * len(names)}",
    ]
    for value, part in trained.slices["lang"].items():
        figures = [
            part.report[name].figures[listed_metrics(trained, name)[0]] if name in part.report else "" for name in names
        ]
        lines.append(f"| {value} | {part.rows} | {' | '.join(map(str, figures))} |")
    return lines


def listed_metrics(trained: Trained, name: str) -> list[str]:
    """Return the metrics of a head that people look at first."""
    wanted = {
        "nominal": ["accuracy", "macro_f1", "ece"],
        "ordinal": ["macro_f1", "quadratic_kappa", "recall_top", "ece"],
        "binary": ["roc_auc", "average_precision", "precision_at_capacity", "ece"],
        "multilabel": ["macro_f1", "average_precision", "ece"],
    }
    return wanted[trained.model.schema[name].kind]
