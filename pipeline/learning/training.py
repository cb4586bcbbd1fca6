"""One training: from a data set and its splits to a calibrated, evaluated model with its card."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass

from models.triage import Predictions, TriageModel
from pipeline.config import Config

from .dataset import Dataset
from .evaluation import HeadReport, evaluate
from .splits import Splits

LIBRARIES = ("numpy", "scipy", "scikit-learn", "safetensors")


@dataclass(frozen=True)
class Trained:
    """A model, and what it says of the test side."""

    model: TriageModel
    predictions: Predictions
    report: dict[str, HeadReport]


def train(
    data: Dataset,
    splits: Splits,
    config: Config,
    commit: str | None,
    progress: Callable[[float], None] = lambda _: None,
) -> Trained:
    """Return the model fitted on the train side, calibrated on the calibration side, evaluated on the test side.

    Raises
    ------
    ValueError
        A side is empty, or a head has too few labels to learn from.
    """
    for name in ("train", "calibration", "test"):
        if not len(getattr(splits, name)):
            raise ValueError(f"the {name} side has no rows; give more data or a larger data.split share")
    texts, targets = data.take(splits.train)
    model = TriageModel.fit(data.schema, texts, targets, config.model.model_dump(), config.seed, progress)
    model.calibrate(*data.take(splits.calibration))
    model.ranking = config.rank.model_dump()
    model.lineage = {
        "training_data": data.digest(),
        "files": data.files,
        "config": config.digest(),
        "commit": commit,
        "rows": {name: len(getattr(splits, name)) for name in ("train", "calibration", "test")},
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
    texts, targets = data.take(splits.test)
    predictions = model.predict(texts)
    report = evaluate(
        data.schema,
        predictions.probabilities,
        targets,
        splits.group[splits.test],
        resamples=config.evaluation.bootstrap,
        seed=config.seed,
        capacity=config.rank.capacity,
    )
    return Trained(model, predictions, report)


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
        *(f"- Data file `{name}`, SHA-256 {digest[:16]}" for name, digest in lineage["files"].items()),
        "",
        "| head | kind | labels | tested on | figures on the test side, 95% interval |",
        "| --- | --- | --- | ---: | --- |",
    ]
    for head in schema:
        report = trained.report.get(head.name)
        figures = (
            "; ".join(f"{name} {report.figures[name]}" for name in headline(trained, head.name)) if report else "none"
        )
        labels = ", ".join(head.labels) or str(head.derive or "yes, no")
        lines.append(f"| {head.name} | {head.kind} | {labels} | {report.rows if report else 0} | {figures} |")
    lines += [
        "",
        "## Limits",
        "Figures hold for texts like those tested on. The starter corpus is written by a language model, not by",
        "customers: retrain with labels of your own before you trust a figure. Probabilities are honest for the share",
        "of labels in the training data, not for yours. Languages not trained on are marked for review where the model",
        "knows none of their words, and are otherwise not detected.",
        "",
    ]
    return "\n".join(lines)


def headline(trained: Trained, name: str) -> list[str]:
    """Return the metrics of a head that people look at first."""
    wanted = {
        "nominal": ["accuracy", "macro_f1", "ece"],
        "ordinal": ["macro_f1", "quadratic_kappa", "recall_top", "ece"],
        "binary": ["roc_auc", "average_precision", "precision_at_capacity", "ece"],
        "multilabel": ["macro_f1", "average_precision", "ece"],
    }
    return wanted[trained.model.schema[name].kind]
