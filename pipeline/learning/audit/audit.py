"""The audit of a data set: every check in order, and what it leaves for people to read."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import Config
from pipeline.feedback.spreadsheet import inert

from ..dataset import Dataset
from ..splits import Splits
from .content import content
from .duplicates import duplicates
from .findings import Finding
from .leakage import leakage
from .report import page
from .suspects import Suspect, suspects

SUSPECTS = "suspects.csv"
PAGE = "audit.html"


@dataclass(frozen=True)
class Audit:
    """What was found in a data set, and the labels that are probably wrong, the surest first."""

    findings: list[Finding]
    suspects: list[Suspect]

    @property
    def worst(self) -> str:
        """The verdict that counts: ``bad``, ``look`` or ``good``."""
        verdicts = {finding.verdict for finding in self.findings}
        return next(name for name in ("bad", "look", "good") if name in verdicts or name == "good")

    def said(self) -> list[str]:
        """Return a line for every finding that a person should look at, the bad ones first."""
        order = sorted((one for one in self.findings if one.verdict != "good"), key=lambda one: one.verdict)
        return [f"{one.verdict}: {one.topic}: {one.said}" for one in order]

    def write_page(self, path: Path) -> None:
        """Write the report as one page that needs nothing else; no text of a customer is in it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(self.findings), encoding="utf-8")

    def write_suspects(self, path: Path, data: Dataset) -> None:
        """Write the labels that are probably wrong, with their masked texts, as CSV; it is not for MLflow."""
        path.parent.mkdir(parents=True, exist_ok=True)
        texts, ids, sources = data.texts, data.columns["id"], data.columns["source"]
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["head", "given", "likely", "confidence", "quality", "id", "source", "text"])
            for one in self.suspects:
                cells = [one.head, one.given, one.likely, f"{one.confidence:.3f}", f"{one.quality:.3f}"]
                rest = (ids[one.row], sources[one.row], texts[one.row])
                writer.writerow([*cells, *(inert(value or "") for value in rest)])


def audit(data: Dataset, splits: Splits, config: Config, progress: Callable[[float], None] = lambda _: None) -> Audit:
    """Return what is found in `data`: rows, labels, mixes, duplicates, contradictions, leakage, wrong labels."""
    findings = [*content(data, splits), *duplicates(data, splits)]
    progress(0.1)
    findings += leakage(data, splits, config)
    progress(0.4)
    wrong = suspects(data, splits.group, config, lambda share: progress(0.4 + 0.6 * share))
    findings += [_wrong_labels(data, wrong, head.name) for head in data.schema]
    return Audit(findings, wrong)


def sure(wrong: list[Suspect], name: str) -> list[Suspect]:
    """Return the labels of a head that are surely wrong: the other rows all but rule them out.

    A label of which most rows go unrecognised is never surely wrong: a model that misses it proves nothing.
    """
    return [one for one in wrong if one.head == name and one.confidence > 0.9 and one.quality < 0.05
            and one.recognised >= 0.5]  # fmt: skip


def _wrong_labels(data: Dataset, wrong: list[Suspect], name: str) -> Finding:
    """Return how many labels of a head are surely wrong, and which are taken for which."""
    certain = sure(wrong, name)
    pairs: dict[tuple[str, str], int] = {}
    for one in certain:
        pairs[one.given, one.likely] = pairs.get((one.given, one.likely), 0) + 1
    most = sorted(pairs.items(), key=lambda pair: -pair[1])[:20]
    table = [{"given": given, "likely": likely, "rows": rows} for (given, likely), rows in most]
    head = data.schema[name]
    known = int(data.targets[name].known.sum()) * (head.width if head.kind == "multilabel" else 1)
    said = f"Of {known:,} labels of {name}, {len(certain):,} surely are wrong by what others teach ({SUSPECTS})."
    return Finding(f"wrong labels of {name}", "look" if len(certain) > 0.005 * known else "good", said, table)
