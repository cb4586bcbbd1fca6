"""The audit: what is planted is found, what is sound is let be, and nothing of a text gets out."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import train
from models.targets import Target
from pipeline.config import Config
from pipeline.learning.audit import Audit, audit
from pipeline.learning.audit.duplicates import duplicates
from pipeline.learning.audit.findings import Finding
from pipeline.learning.audit.leakage import leakage
from pipeline.learning.audit.report import page
from pipeline.learning.audit.suspects import Suspect, suspects
from pipeline.learning.dataset import Dataset
from pipeline.learning.splits import Splits, split

CONFIG = Config.model_validate({"model": {"family": "linear", "linear": {"epochs": 6}}})


@pytest.fixture(scope="module")
def splits(corpus: Dataset) -> Splits:
    return split(corpus, CONFIG.data.split)


@pytest.fixture(scope="module")
def audited(corpus: Dataset, splits: Splits) -> Audit:
    return audit(corpus, splits, CONFIG)


def by_topic(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.topic: finding for finding in findings}


def only(data: Dataset, name: str) -> Dataset:
    """Return the data set with one head alone."""
    schema = type(data.schema)((data.schema[name],))
    return replace(data, schema=schema, targets={name: data.targets[name]})


# ---- the corpus ------------------------------------------------------------------------------------------------------


def test_the_starter_corpus_has_nothing_bad(audited: Audit) -> None:
    assert audited.worst == "look"
    assert [line for line in audited.said() if line.startswith("bad")] == []
    found = by_topic(audited.findings)
    assert found["rows"].said.startswith("3,300 rows can be used, 0 were rejected")
    assert found["dates"].said.startswith("No row has a date")
    assert found["mix of language"].table[0]["language"] == "en"
    assert sum(row["train"] for row in found["labels of sentiment"].table) > 2_000
    topics = {finding.topic for finding in audited.findings}
    assert {
        f"leakage into urgency: {what}" for what in ("identifiers alone", "lengths alone", "shuffled labels")
    } <= topics


def test_no_text_is_on_the_page_and_all_are_in_the_file(audited: Audit, corpus: Dataset, tmp_path: Path) -> None:
    audited.write_page(tmp_path / "deep" / "audit.html")
    audited.write_suspects(tmp_path / "deep" / "suspects.csv", corpus)
    shown = (tmp_path / "deep" / "audit.html").read_text(encoding="utf-8")
    assert not [text for text in corpus.texts if len(text) > 15 and text in shown]
    assert "data:image/png;base64," in shown
    assert "<script" not in shown
    with (tmp_path / "deep" / "suspects.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(audited.suspects)
    quality = [float(row["quality"]) for row in rows]
    assert quality == sorted(quality)
    assert rows[0]["text"].lstrip("'") in corpus.texts


def test_the_file_is_inert_and_the_page_escaped(corpus: Dataset, tmp_path: Path) -> None:
    evil = {**corpus.columns, "text": ["=cmd()", *corpus.columns["text"][1:]]}
    table = [{"a": "<i>", "b": 1}, {"a": "x", "b": 2}]
    finding = Finding("mix of <b>", "look", "<script>alert(1)</script>", table)
    found = Audit([finding], [Suspect("urgency", 0, "low", "high", 0.9, 0.1, 0.8)])
    found.write_suspects(tmp_path / "suspects.csv", replace(corpus, columns=evil))
    assert "'=cmd()" in (tmp_path / "suspects.csv").read_text(encoding="utf-8")
    shown = page(found.findings)
    assert "<script>" not in shown
    assert "<i>" not in shown


# ---- what is planted -------------------------------------------------------------------------------------------------


def test_planted_wrong_labels_come_first(corpus: Dataset, splits: Splits) -> None:
    data = only(corpus, "sentiment")
    random = np.random.default_rng(3)
    wrong = random.permutation(len(data))[: len(data) // 20]
    truth = data.targets["sentiment"].truth.copy()
    truth[wrong] = np.roll(truth[wrong], 1, axis=1)
    planted = replace(data, targets={"sentiment": Target(data.targets["sentiment"].known, truth)})
    first = [one.row for one in suspects(planted, splits.group, CONFIG)[: int(0.08 * len(data))]]
    assert np.isin(wrong, first).mean() >= 0.5  # by chance 0.08


@pytest.mark.parametrize("how", ["in the identifier", "by the order of the rows"])
def test_identifiers_that_know_the_label_are_found(corpus: Dataset, splits: Splits, how: str) -> None:
    data = only(corpus, "urgency")
    label = data.targets["urgency"].truth.argmax(1)
    if how == "in the identifier":
        columns = {**data.columns, "id": [f"{row}-{'abcd'[place]}" for row, place in enumerate(label)]}
        given = replace(data, columns=columns), splits
    else:
        order = np.argsort(label, kind="stable")
        columns = {name: [values[row] for row in order] for name, values in data.columns.items()}
        moved = replace(data, columns=columns, targets={"urgency": data.targets["urgency"].take(order)})
        given = moved, split(moved, CONFIG.data.split)
    found = by_topic(list(leakage(*given, CONFIG)))["leakage into urgency: identifiers alone"]
    assert found.verdict == "bad"
    assert "more than chance" in found.said


def test_a_text_on_two_sides_is_bad(corpus: Dataset, splits: Splits) -> None:
    texts: list[str | None] = [*corpus.columns["text"]]
    texts[splits.test[0]] = f"{texts[splits.train[0]]} !!"
    found = by_topic(list(duplicates(replace(corpus, columns={**corpus.columns, "text": texts}), splits)))
    assert found["near duplicates"].verdict == "bad"
    assert "1 are on two sides of the split" in found["near duplicates"].said


def test_contradictory_labels_of_the_same_words_are_counted(corpus: Dataset, splits: Splits) -> None:
    texts: list[str | None] = [*corpus.columns["text"]]
    texts[:40] = ["It broke after a week, again."] * 40
    truth = corpus.targets["sentiment"].truth.copy()
    truth[:40] = np.eye(3)[[0] * 30 + [2] * 10]
    targets = {**corpus.targets, "sentiment": Target(corpus.targets["sentiment"].known, truth)}
    data = replace(corpus, columns={**corpus.columns, "text": texts}, targets=targets)
    found = by_topic(list(duplicates(data, splits)))
    assert found["contradictions in sentiment"].verdict == "look"
    assert " 10 carry another label of sentiment" in found["contradictions in sentiment"].said
    assert "comes 40 times" in found["same texts"].said


# ---- the command -----------------------------------------------------------------------------------------------------


def test_the_command_leaves_a_report_and_trains_nothing(
    write_lines: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"text": f"the parcel number {row} {'was great' if row % 2 else 'came broken'}", "sentiment": mood}
        for row in range(60)
        for mood in (["positive", "negative"][row % 2 == 0],)
    ]
    path = write_lines("a.jsonl", rows)  # type: ignore[arg-type]
    config = tmp_path / "c.yaml"
    config.write_text(
        f"data: {{sources: [{{path: {path}}}], reports: {tmp_path}/audit}}\n"
        "labels: {heads: {sentiment: {kind: nominal, labels: [negative, positive]}}}\n"
        f"tracking: {{uri: 'sqlite:///{tmp_path}/mlflow.db'}}\n"
    )
    assert train.main(["--config", str(config), "--audit"]) in (0, 4)
    assert {file.name for file in (tmp_path / "audit").iterdir()} == {"audit.html", "suspects.csv"}
    said = capsys.readouterr().err
    assert f"the report: {tmp_path}/audit/audit.html (run " in said

    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("amends").experiment_id])  # type: ignore[union-attr]
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"audit.html", "data.json"}
    assert not client.search_registered_models()
