"""The evaluation as one page: figures beside what has to be beaten and what can be reached, slices, pictures."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.schema import Schema
from pipeline.config import Config
from pipeline.feedback.spreadsheet import inert
from pipeline.page import data_uri, png_of, render

from .audit import Audit
from .baselines import baselines, ceiling
from .behaviour import Outcome, behave
from .comparison import HEADLINE, Said
from .curves import Curve, ageing_curve, learning_curve
from .dataset import Dataset
from .evaluation import Figure
from .gate import CHECKS, COMPARING, Decision
from .slices import SliceFigure, slice_figures
from .splits import Splits
from .training import Trained

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

EVALUATION = "evaluation.html"
MOST_PAIRS = 12  # of labels that are taken for each other, by head
Confusions = dict[str, list[tuple[str, str, int]]]


@dataclass(frozen=True)
class Report:
    """What a person wants to know of a trained model before it serves; no text of a customer is in it."""

    version: str
    schema: Schema
    rows: int
    figures: dict[str, Figure]
    baselines: dict[str, dict[str, Figure]]
    ceiling: dict[str, float]
    curve: Curve
    ageing: Curve
    slices: list[SliceFigure]
    confusions: Confusions
    behaviours: list[Outcome]

    def write(self, path: Path, plots: Path, decision: Decision, *, serves: bool) -> None:
        """Write the page: what was decided and why, and all there is to see; the pictures in `plots` are in it."""
        pictures = {file.stem: data_uri(file.read_bytes()) for file in sorted(plots.glob("*.png"))}
        for name, (curve, scale, across) in {
            "learning curve": (self.curve, "log", "rows trained on"),
            "ageing curve": (self.ageing, "linear", "age of the rows trained on, days"),
        }.items():
            pictures |= {name: png_of(_drawn(curve, scale, across))} if any(curve.values()) else {}
        shown = {"report": self, "headline": HEADLINE, "pictures": pictures, "decision": decision, "serves": serves}
        alone = not decision.gains and not decision.refused.keys() & COMPARING
        page = render(
            Path(__file__).with_name("report.html.j2"), **shown, checks=CHECKS, uncompared=COMPARING if alone else ()
        )
        path.write_text(page, encoding="utf-8")


def report_of(data: Dataset, splits: Splits, config: Config, trained: Trained, audited: Audit) -> Report:
    """Return the report of a training."""
    texts, targets = data.take(splits.test)
    said = Said(trained.predictions.probabilities, trained.labels)
    figures = {name: one.figures[HEADLINE[data.schema[name].kind]] for name, one in trained.report.items()}
    return Report(
        version=trained.model.version,
        schema=data.schema,
        rows=len(texts),
        figures=figures,
        baselines=baselines(data, splits, config),
        ceiling=ceiling(data, audited),
        curve=learning_curve(data, splits, config),
        ageing=ageing_curve(data, splits, config),
        slices=slice_figures(
            data, splits.test, said, targets, splits.group[splits.test], config.evaluation.slices,
            resamples=config.evaluation.bootstrap, seed=config.seed,
        ),
        confusions=_confusions(data, splits, trained),
        behaviours=behave(trained.model, config),
    )  # fmt: skip


def write_mistakes(path: Path, data: Dataset, splits: Splits, trained: Trained) -> None:
    """Write the rows of the test side that were given a wrong label, with masked texts, as CSV; not for MLflow."""
    texts, targets = data.take(splits.test)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["head", "labelled", "given", "probability of the given", "text"])
        for head in data.schema:
            if not head.exclusive:
                continue
            given, truth = trained.labels[head.name], targets[head.name].truth.argmax(1)
            likely = trained.predictions.probabilities[head.name][np.arange(len(given)), given]
            wrong = np.flatnonzero(targets[head.name].known & (given != truth))
            for row in wrong[np.argsort(-likely[wrong], kind="stable")].tolist():
                names = head.labels[truth[row]], head.labels[given[row]]
                writer.writerow([head.name, *names, f"{likely[row]:.3f}", inert(texts[row])])


def _confusions(data: Dataset, splits: Splits, trained: Trained) -> Confusions:
    out: Confusions = {}
    for head in data.schema:
        if head.exclusive:
            target = data.targets[head.name].take(splits.test)
            truth, given = target.truth.argmax(1)[target.known], trained.labels[head.name][target.known]
            pairs = Counter(
                (head.labels[one], head.labels[other]) for one, other in zip(truth, given, strict=True) if one != other
            )
            out[head.name] = [(one, other, rows) for (one, other), rows in pairs.most_common(MOST_PAIRS)]
    return out


def _drawn(curve: Curve, scale: str, across: str) -> Drawing:
    from matplotlib.figure import Figure as Drawing

    figure = Drawing(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, points in curve.items():
        if points:
            axes.plot(*zip(*points, strict=True), marker="o", label=name)
    axes.set(xscale=scale, xlabel=across, ylabel="headline figure on the test side")
    axes.legend(fontsize=8)
    return figure
