"""Sources that `datasets.load_dataset` loads, and what a source weighs. Nothing here reaches the network."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Features, List, Value
from huggingface_hub import utils as hub_utils

from pipeline.config import Config, ConfigError, load, resolve
from pipeline.feedback.record import FileRefused
from pipeline.learning.dataset import Dataset, load_dataset

LABELS = {
    "heads": {
        "mood": {"kind": "nominal", "labels": ["bad", "good"]},
        "tags": {"kind": "multilabel", "labels": ["price", "delay"]},
        "left": {"kind": "binary", "derive": "nps <= 6"},
    }
}
ROWS: dict[str, list[Any]] = {
    "comment": ["late", "fine", "so so", None, "dear"],
    "feeling": [0, 1, -1, 1, None],
    "tags": [[1], [], None, [0], [0, 1]],
}
FEATURES = Features(
    {
        "comment": Value("string"),
        "feeling": ClassLabel(names=["awful", "good"]),
        "tags": List(ClassLabel(names=["price", "delay"])),
    }
)
RENAMED = {"columns": {"text": "comment", "mood": "feeling"}, "labels": {"mood": {"awful": "bad"}}}


@pytest.fixture
def typed(tmp_path: Path) -> Path:
    """Return a folder with one Parquet file whose labels are class numbers."""
    folder = tmp_path / "typed"
    folder.mkdir()
    datasets.Dataset.from_dict(ROWS, features=FEATURES).to_parquet(folder / "train.parquet")
    return folder


def settings(*sources: Any) -> Config:
    return Config.model_validate({"labels": LABELS, "data": {"sources": list(sources)}})


def refused(*sources: Any) -> str:
    config = settings(*sources)
    with pytest.raises(ConfigError) as caught:
        load_dataset(config)
    return str(caught.value)


def test_class_numbers_become_labels_and_those_are_mapped(typed: Path) -> None:
    data = load_dataset(settings({"hub": str(typed), **RENAMED}))
    assert data.texts == ["late", "fine", "so so", "dear"]
    assert data.targets["mood"].known.tolist() == [True, True, False, False]
    assert data.targets["mood"].truth.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    assert data.targets["tags"].known.tolist() == [True, True, False, True]
    assert data.targets["tags"].truth.tolist() == [[0, 1], [0, 0], [0, 0], [1, 1]]
    assert data.rejected == {"missing_text": 1}
    assert not data.rejected_labels


def test_a_label_outside_the_schema_is_counted(typed: Path) -> None:
    data = load_dataset(settings({"hub": str(typed), "columns": RENAMED["columns"]}))
    assert data.rejected_labels == {"mood": {"awful": 1}}


def test_no_temporary_place_shows(typed: Path) -> None:
    first, second = (load_dataset(settings({"hub": str(typed), **RENAMED})) for _ in range(2))
    name = f"hub:{typed}[train]"
    assert set(first.columns["source"]) == {name}
    assert list(first.files) == [name]
    assert re.fullmatch("[0-9a-f]{64}", first.files[name])
    assert first.files == second.files
    assert first.columns == second.columns
    assert len(set(first.columns["id"])) == len(first)


def test_the_digest_is_of_the_rows(write_lines: Callable[..., Path]) -> None:
    rows: list[dict[str, object]] = [{"text": "a", "mood": "bad"}, {"text": "b", "mood": "good"}]
    paths = [write_lines(f"{folder}/train.jsonl", rows) for folder in "xyz"]
    paths[2].write_text(paths[2].read_text("utf-8").replace("good", "bad"), encoding="utf-8")
    digests = [load_dataset(settings({"hub": str(path.parent)})).digest() for path in paths]
    assert digests[0] == digests[1] != digests[2]


def test_a_part_of_it_and_its_own_split_column(write_lines: Callable[..., Path]) -> None:
    write_lines("set/train.jsonl", [{"text": str(n), "part": "test" if n else "train"} for n in range(3)])
    folder = write_lines("set/test.jsonl", [{"text": "last", "part": "calibration"}]).parent
    source = {"hub": str(folder), "split_column": "part"}
    data = load_dataset(settings(source | {"hub_split": "train[:2]+test"}))
    assert data.texts == ["0", "1", "last"]
    assert data.columns["split"] == ["train", "test", "calibration"]
    assert list(data.files) == [f"hub:{folder}[train[:2]+test]"]


def test_a_folder_of_the_repository(corpus: Dataset) -> None:
    """The same rows and labels as from the files themselves."""
    data = load_dataset(Config.model_validate({"data": {"sources": [{"hub": "data/starter"}]}}))
    assert list(data.files) == ["hub:data/starter[train]"]
    assert not data.rejected
    assert not data.rejected_labels
    assert sorted(data.texts) == sorted(corpus.texts)
    for name, target in corpus.targets.items():
        assert int(data.targets[name].known.sum()) == int(target.known.sum())
        assert data.targets[name].truth.sum(0).tolist() == target.truth.sum(0).tolist()


def test_a_name_on_the_hub_that_was_loaded_before(typed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's cache is laid out as a download would leave it; offline it answers from there."""
    cache = tmp_path / "cache"
    datasets.load_dataset(str(typed), split="train", cache_dir=str(cache))
    (cache / "typed").rename(cache / "somebody___typed")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", cache)
    data = load_dataset(settings({"hub": "somebody/typed", **RENAMED}))
    assert data.texts == ["late", "fine", "so so", "dear"]
    assert list(data.files) == ["hub:somebody/typed[train]"]
    assert data.digest() == load_dataset(settings({"hub": str(typed), **RENAMED})).digest()


def test_sources_of_different_labels_weigh_what_they_are_told(typed: Path, write_lines: Callable[..., Path]) -> None:
    path = write_lines("a.jsonl", [{"text": "one", "nps": 3}, {"text": ""}, {"text": "two", "mood": "good"}])
    data = load_dataset(settings({"path": str(path), "weight": 0.5}, {"hub": str(typed), "weight": 3, **RENAMED}))
    assert data.texts == ["one", "two", "late", "fine", "so so", "dear"]
    assert data.targets["left"].known.tolist() == [True, False, False, False, False, False]
    assert data.targets["mood"].known.tolist() == [False, True, True, True, False, False]
    for target in data.targets.values():
        assert target.weight is not None
        assert target.weight.dtype == np.float32
        assert target.weight.tolist() == [0.5, 0.5, 3, 3, 3, 3]
    _, few = data.take(np.array([5, 0]))
    assert [target.weight.tolist() for target in few.values() if target.weight is not None] == [[3, 0.5]] * 3
    assert data.rejected == {"empty_text": 1, "missing_text": 1}


def test_alike_they_weigh_nothing_at_all(write_lines: Callable[..., Path]) -> None:
    paths = [write_lines(name, [{"text": name, "mood": "bad"}]) for name in ("a.jsonl", "b.jsonl")]
    data = load_dataset(settings(*({"path": str(path), "weight": 1} for path in paths)))
    assert all(target.weight is None for target in data.targets.values())


def test_nothing_is_printed_and_the_bars_are_as_before(typed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    libraries = (datasets.utils, hub_utils)
    before = [library.are_progress_bars_disabled() for library in libraries]
    load_dataset(settings({"hub": str(typed), **RENAMED}))
    refused({"hub": str(typed), "hub_split": "dev"})
    assert [library.are_progress_bars_disabled() for library in libraries] == before
    assert capfd.readouterr() == ("", "")


def test_a_folder_leaves_no_copy_behind(typed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    load_dataset(settings({"hub": str(typed), **RENAMED}))
    assert not (tmp_path / "cache").exists()
    assert not list((tmp_path / "scratch").iterdir())


SENTENCE = (
    "data.sources: hub {name!r} cannot be loaded: owner/name on the Hugging Face Hub, or a folder, of parquet, csv, "
    "json files with a split {split!r} was expected; got: {reason}; check hub and hub_split, and the network for a "
    "name on the Hub"
)


@pytest.mark.parametrize(
    ("name", "split", "reason"),
    [
        ("typed", "dev", "Unknown split \"dev\". Should be one of ['train']"),
        ("typed", "train[", "Unrecognized instruction format: train["),
        ("typed", "", "Split name should match '^\\w+(\\.\\w+)*$' but got ''"),
        ("broken", "train", "JSON parse error: Invalid value. in row 0"),
        ("typed", "train[:0]", 'Instruction "train[:0]" corresponds to no data!'),
        ("none", "train", "neither a folder, {folder}, nor owner/name"),
        ("texts", "train", "its files are of format text"),
        ("script", "train", "Dataset scripts are no longer supported, but found script.py"),
        ("pickle", "train", "No (supported) data files found in {folder}"),
        ("empty", "train", "The directory at {folder} doesn't contain any data files"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(typed: Path, tmp_path: Path, name: str, split: str, reason: str) -> None:
    for given in ("texts/train.txt", "script/script.py", "script/train.csv", "pickle/train.pkl", "empty/.keep"):
        (tmp_path / given).parent.mkdir(exist_ok=True)
        (tmp_path / given).write_text("text\nraise SystemExit\n", encoding="utf-8")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "train.jsonl").write_text('{"text": ', encoding="utf-8")
    folder = str(tmp_path / name)
    got = refused({"hub": folder, "hub_split": split})
    assert got == SENTENCE.format(name=folder, split=split, reason=reason.format(folder=folder))


@pytest.mark.parametrize("name", ["csv", "json", "imdb", "https://example.com/a.csv", "hf://datasets/a/b", "a/b/c", ""])
def test_a_name_has_an_owner(name: str) -> None:
    """`csv` alone would make the library read the working folder, an address would make it fetch from anywhere."""
    assert f"got: neither a folder, {resolve(name)}, nor owner/name;" in refused({"hub": name})


def test_a_name_is_no_folder_beneath_the_working_one(
    typed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nobody").mkdir()
    typed.rename(tmp_path / "nobody" / "typed")
    monkeypatch.chdir(tmp_path)
    assert "got: Couldn't reach 'nobody/typed' on the Hub" in refused({"hub": "nobody/typed"})


def test_the_hub_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    got = refused({"hub": "nobody/nothing"})
    reason = "Couldn't reach 'nobody/nothing' on the Hub (OfflineModeIsEnabled)"
    assert got == SENTENCE.format(name="nobody/nothing", split="train", reason=reason)


def test_a_long_reason_is_cut(typed: Path) -> None:
    got = refused({"hub": str(typed), "hub_split": "x" * 300})
    assert got.endswith(
        f'; got: Unknown split "{"x" * 182}...; check hub and hub_split, and the network for a name on the Hub'
    )


def test_a_reason_of_many_lines_becomes_one(write_lines: Callable[..., Path]) -> None:
    write_lines("set/train.jsonl", [{"text": "x"}])
    folder = write_lines("set/test.jsonl", [{"text": "x", "mood": "bad"}]).parent
    got = refused({"hub": str(folder)})
    assert "got: Couldn't cast text: string mood: string to {'text': Value('string')} because column names don't" in got


def test_its_rows_are_judged_like_those_of_a_file(typed: Path) -> None:
    with pytest.raises(FileRefused) as caught:
        load_dataset(settings({"hub": str(typed)}))
    assert str(caught.value).startswith(f"hub:{typed}[train]: missing_column: there is no column 'text'")


@pytest.mark.parametrize("source", ["{}", "{path: a.csv, hub: a/b}"])
def test_a_source_is_files_or_a_data_set(source: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides=[f"data.sources=[{source}]"])
    sentence = "give either path (files) or hub (a data set's name or folder), and not both"
    assert str(caught.value).startswith(f"setting 'data.sources.0': {sentence}; got ")
