"""The data set: rows of all sources, with what was refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.config import Config, ConfigError
from pipeline.feedback.record import FileRefused, InputError
from pipeline.learning.dataset import Dataset, load_dataset

LABELS = {
    "heads": {"mood": {"kind": "nominal", "labels": ["bad", "good"]}, "left": {"kind": "binary", "derive": "nps <= 6"}}
}


def settings(*sources: Any) -> Config:
    return Config.model_validate({"labels": LABELS, "data": {"sources": list(sources)}})


def test_the_starter_corpus(corpus: Dataset) -> None:
    """Counts of the data card."""
    assert len(corpus) == 3_300
    assert len(corpus.files) == 7
    assert all(name.startswith("data/starter/part_") for name in corpus.files)
    assert not corpus.rejected
    assert not corpus.rejected_labels
    sentiment = corpus.targets["sentiment"]
    assert sentiment.truth.sum(0).tolist() == [2_220, 381, 699]
    assert corpus.targets["urgency"].truth.sum(0).tolist() == [1_002, 1_205, 798, 295]
    assert (int(corpus.targets["detractor"].known.sum()), int(corpus.targets["detractor"].truth.sum())) == (
        2_251,
        1_515,
    )
    assert corpus.targets["signals"].truth.any(1).sum() == 1_065


def test_sources_train_together_each_under_its_own_names(write_lines: Callable[..., Path]) -> None:
    first = write_lines(
        "a.jsonl", [{"text": "late", "mood": "bad", "nps": 3}, {"text": "ok", "mood": "Great", "nps": 9}]
    )
    second = write_lines("b.jsonl", [{"comment": "fine", "stars": "5", "part": "test"}, {"comment": "x", "stars": "3"}])
    data = load_dataset(
        settings(
            {"path": str(first), "labels": {"mood": {"Great": "good"}}},
            {
                "path": str(second),
                "columns": {"text": "comment", "mood": "stars"},
                "labels": {"mood": {"5": "good", "1": "bad"}},
                "split_column": "part",
            },
        )
    )
    assert data.texts == ["late", "ok", "fine", "x"]
    assert data.targets["mood"].known.tolist() == [True, True, True, False]
    assert data.targets["mood"].truth.tolist() == [[1, 0], [0, 1], [0, 1], [0, 0]]
    assert data.targets["left"].known.tolist() == [True, True, False, False]
    assert data.columns["split"] == [None, None, "test", None]
    assert data.rejected_labels == {"mood": {"3": 1}}
    texts, targets = data.take(np.array([2, 0]))
    assert texts == ["fine", "late"]
    assert targets["mood"].truth.tolist() == [[0, 1], [1, 0]]


def test_rejects_are_counted_and_texts_masked(write_lines: Callable[..., Path]) -> None:
    path = write_lines(
        "a.jsonl", [{"text": "mail jo@example.com"}, {"text": " "}, {"text": None}, {"text": "ok", "nps": 11}]
    )
    data = load_dataset(settings({"path": str(path)}))
    assert data.texts == ["mail [EMAIL]"]
    assert data.rejected == {"empty_text": 1, "missing_text": 1, "bad_nps": 1}


def test_the_digest_is_of_the_content_and_not_of_the_place(write_lines: Callable[..., Path]) -> None:
    rows = [{"text": "a"}, {"text": "b"}]
    one, same, other = (write_lines(name, rows) for name in ("x/a.jsonl", "y/b.jsonl", "z/a.jsonl"))
    other.write_text(other.read_text().replace("b", "c"))
    digests = [load_dataset(settings({"path": str(path)})).digest() for path in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_files_of_one_name_in_two_folders_are_both_recorded(write_lines: Callable[..., Path]) -> None:
    paths = [write_lines(f"{folder}/a.jsonl", [{"text": folder}]) for folder in ("x", "y")]
    data = load_dataset(settings(*({"path": str(path)} for path in paths)))
    assert len(data) == 2
    assert len(data.files) == 2


def test_nothing_usable_is_refused(write_lines: Callable[..., Path]) -> None:
    path = write_lines("a.jsonl", [{"text": ""}])
    with pytest.raises(ConfigError) as caught:
        load_dataset(settings({"path": str(path)}))
    assert str(caught.value) == "data.sources hold no row that can be used; rejected were {'empty_text': 1}"


def test_a_file_that_is_not_there_or_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^nothing matches '.*nowhere/\*.jsonl'; check the folder"):
        load_dataset(settings({"path": str(tmp_path / "nowhere" / "*.jsonl")}))
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(FileRefused, match="empty_file"):
        load_dataset(settings({"path": str(tmp_path / "empty.csv")}))
