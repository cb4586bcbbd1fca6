"""The artefact: a folder of data that comes back as it was, or is refused in one sentence."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.calibration import Calibration
from models.schema import Head, Schema
from models.targets import encode_all
from models.triage import FORMAT, ArtefactError, TriageModel
from pipeline.config import Config
from pipeline.learning.dataset import Dataset

SETTINGS = Config.model_validate({"model": {"family": "linear", "linear": {"epochs": 2}}}).model.model_dump()
ARRAYS = {"linear.safetensors": {"buckets", "weights", "squares", "bias"}, "learnt.safetensors": {"learnt"}}
FILES = {"card.md", "evidence.json", "linear.json", "model.json", "schema.json", *ARRAYS}


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    """Return a copy of the saved model that a test may damage."""
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def refused(folder: Path) -> str:
    """Return the sentence with which `folder` is refused."""
    with pytest.raises(ArtefactError) as caught:
        TriageModel.load(folder)
    return str(caught.value)


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    contents = json.loads((folder / "model.json").read_text())
    change(contents)
    (folder / "model.json").write_text(json.dumps(contents))


def test_a_model_comes_back_as_it_was_saved(unsaved: TriageModel, model: TriageModel, corpus: Dataset) -> None:
    texts = [*corpus.texts[:400], "", "🙂"]
    before, after = unsaved.predict(texts), model.predict(texts)
    assert list(after.probabilities) == list(before.probabilities) == corpus.schema.names
    for name in corpus.schema.names:
        assert after.probabilities[name].tobytes() == before.probabilities[name].tobytes()
    assert np.array_equal(after.wordless, before.wordless)
    assert len(after) == len(texts)
    assert (model.schema, model.family_name, model.version) == (unsaved.schema, "linear", unsaved.version)
    assert model.ranking == json.loads(json.dumps(unsaved.ranking))
    assert model.lineage == unsaved.lineage


def test_probabilities_are_as_wide_as_their_head_and_sum_to_one(model: TriageModel, corpus: Dataset) -> None:
    predictions = model.predict(corpus.texts[:50])
    for head in model.schema:
        likely = predictions.probabilities[head.name]
        assert likely.shape == (50, head.width)
        assert ((likely >= 0) & (likely <= 1)).all()
        if head.exclusive:
            np.testing.assert_allclose(likely.sum(1), 1, rtol=1e-5)


def test_attribution_speaks_of_calibrated_logits(model: TriageModel) -> None:
    """Words add up to what the calibrated map makes of the logits, without bias and offset."""
    text = "third time I ask, cancelling tonight"
    width = sum(head.width for head in model.schema)
    found = model.attribute([text], np.eye(width, dtype=np.float32))
    logits = model.logits([text])
    slope = np.concatenate([model.calibrations[head.name].slope for head in model.schema])
    expected = (logits[0] - model.family.bias) * slope
    np.testing.assert_allclose(found.value.sum(0), expected, rtol=1e-3, atol=1e-3)


def test_the_folder_holds_data_and_no_pickle(model_folder: Path) -> None:
    assert {path.name for path in model_folder.iterdir()} == FILES
    for path in model_folder.iterdir():
        content = path.read_bytes()
        assert path.suffix in (".json", ".md", ".safetensors")
        if path.suffix == ".safetensors":
            header = int.from_bytes(content[:8], "little")
            assert set(json.loads(content[8 : 8 + header])) == ARRAYS[path.name]
        else:
            assert content.decode()  # text, where a pickle or an archive is none


def test_the_card_names_the_version(model_folder: Path, model: TriageModel) -> None:
    assert (model_folder / "card.md").read_text() == f"# Model {model.version}\n"
    assert model.version.startswith("linear-")


def test_every_file_that_decides_has_a_checksum(model_folder: Path) -> None:
    contents = json.loads((model_folder / "model.json").read_text())
    assert set(contents["checksums"]) == FILES - {"model.json", "card.md"}
    assert contents["format"] == FORMAT


@pytest.mark.parametrize("name", sorted(FILES - {"model.json", "card.md"}))
@pytest.mark.parametrize("harm", ["changed", "missing"])
def test_a_changed_or_missing_file_is_refused(copy: Path, name: str, harm: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).unlink()
    if harm == "changed":
        (copy / name).write_bytes(content)
    assert refused(copy) == f"{copy / name} is missing or was changed after training; fetch the model again"


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path) == (
        f"{tmp_path} is not a model: model.json is missing; give the folder that training wrote"
    )


@pytest.mark.parametrize("version", [FORMAT + 1, 0, None, "1"])
def test_another_format_is_refused(copy: Path, version: object) -> None:
    edit(copy, lambda contents: contents.update(format=version))
    assert refused(copy) == (
        f"{copy} has artefact format {version!r}; this code reads format 1; "
        "use the code that the artefact carries, or train again"
    )


def test_an_unknown_family_is_refused(copy: Path) -> None:
    edit(copy, lambda contents: contents.update(family="forest"))
    assert refused(copy) == f"{copy}: unknown family 'forest'; known are linear, frozen, encoder, cascade"


def test_what_is_no_json_is_refused(copy: Path) -> None:
    (copy / "model.json").write_text('{"format": 1,')
    sentence = refused(copy)
    assert sentence.startswith(f"{copy / 'model.json'} is not JSON (")
    assert sentence.endswith("); fetch the model again")
    (copy / "model.json").write_text("[1]")
    assert refused(copy) == f"{copy / 'model.json'} must hold a JSON object; fetch the model again"


@pytest.mark.parametrize("key", ["family", "calibrations", "ranking", "lineage", "checksums"])
def test_a_model_json_that_lost_a_key_is_refused(copy: Path, key: str) -> None:
    edit(copy, lambda contents: contents.pop(key))
    assert key in refused(copy)


def test_languages_come_back_and_older_artefacts_have_none(unsaved: TriageModel, copy: Path, tmp_path: Path) -> None:
    replace(unsaved, languages=("en", "pt")).save(tmp_path / "two")
    assert TriageModel.load(tmp_path / "two").languages == ("en", "pt")
    edit(copy, lambda contents: contents.pop("languages"))
    assert TriageModel.load(copy).languages == ()


@pytest.mark.parametrize("name", sorted(FILES - {"model.json", "card.md"}))
def test_a_file_without_a_checksum_is_not_trusted(copy: Path, name: str) -> None:
    edit(copy, lambda contents: contents["checksums"].pop(name))
    assert name in refused(copy)


def test_a_head_without_its_calibration_is_refused(copy: Path) -> None:
    edit(copy, lambda contents: contents["calibrations"].pop("urgency"))
    assert "urgency" in refused(copy)


def test_an_existing_folder_is_never_written_to(unsaved: TriageModel, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=str(tmp_path)):
        replace(unsaved).save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_a_save_that_fails_leaves_nothing(unsaved: TriageModel, tmp_path: Path) -> None:
    broken = replace(unsaved, lineage={"commit": object()})
    with pytest.raises(TypeError, match="not JSON serializable"):
        broken.save(tmp_path / "model")
    assert not any(tmp_path.iterdir())


def test_the_version_is_a_digest_of_the_content(unsaved: TriageModel, tmp_path: Path) -> None:
    weaker = replace(unsaved.family, weights=unsaved.family.weights * np.float32(0.5))  # type: ignore[type-var]
    mood = unsaved.schema.heads[0]
    variants = {
        "same": replace(unsaved),
        "again": replace(unsaved),
        "weights": replace(unsaved, family=weaker),
        "ranking": replace(unsaved, ranking=unsaved.ranking | {"agents": 9}),
        "lineage": replace(unsaved, lineage={"training_data": "1" * 64}),
        "calibration": replace(unsaved, calibrations=unsaved.calibrations | {mood.name: Calibration.identity(mood)}),
    }
    for name, variant in variants.items():
        variant.save(tmp_path / name, card="a card is for people and has no part in the version")
    versions = {name: variant.version for name, variant in variants.items()}
    assert versions["same"] == versions["again"] == unsaved.version
    assert len(set(versions.values())) == len(versions) - 1
    assert {name: TriageModel.load(tmp_path / name).version for name in variants} == versions


@pytest.mark.parametrize("names", [["zeta", "alpha", "mid"], ["mid", "zeta", "alpha"]])
def test_the_order_of_the_heads_survives(names: list[str], tmp_path: Path) -> None:
    """JSON once sorted the heads, and with them whose logits are whose."""
    kinds = {
        "zeta": Head("zeta", "nominal", ("z", "a", "m")),
        "alpha": Head("alpha", "binary"),
        "mid": Head("mid", "multilabel", ("y", "x")),
    }
    schema = Schema(tuple(kinds[name] for name in names))
    texts = [f"{word} {other}" for word in ("zebra", "ant", "moose") for other in ("one", "two", "three", "four")]
    columns = {
        "zeta": [[text[0] if text[0] in "zam" else "z"] for text in texts],
        "alpha": [["yes" if "one" in text else "no"] for text in texts],
        "mid": [["x"] if "two" in text else ["y"] for text in texts],
    }
    fitted = TriageModel.fit(schema, texts, encode_all(schema, columns), SETTINGS, seed=1)
    fitted.save(tmp_path / "model")
    loaded = TriageModel.load(tmp_path / "model")
    assert loaded.schema.names == names
    assert loaded.schema == schema
    before, after = fitted.predict(texts), loaded.predict(texts)
    for head in schema:
        assert after.probabilities[head.name].tobytes() == before.probabilities[head.name].tobytes()


SCHEMA = Schema(
    (Head("mood", "nominal", ("bad", "good")), Head("lost", "binary"), Head("said", "multilabel", ("a", "b")))
)
COLUMNS: dict[str, list[list[str] | None]] = {
    "mood": [["bad"], ["bad"], ["good"], ["good"]],
    "lost": [["yes"], ["yes"], ["no"], ["no"]],
    "said": [["a"], ["a"], [], ["b"]],
}
TEXTS = ["bad service", "bad food", "good service", "good food"]
TOO_FEW = (
    "rows carry the head); label more rows, map foreign labels with data.sources[].labels, "
    "or take the head or label out of the label schema"
)


@pytest.mark.parametrize(
    ("head", "cells", "sentence"),
    [
        (
            "mood",
            [["bad"], ["bad"], ["bad"], ["good"]],
            f"head 'mood': label 'good' stands on fewer than 2 training rows (4 {TOO_FEW}",
        ),
        (
            "mood",
            [["bad"], ["bad"], None, None],
            f"head 'mood': label 'good' stands on fewer than 2 training rows (2 {TOO_FEW}",
        ),
        ("lost", [["no"]] * 4, f"head 'lost': label 'lost' stands on fewer than 2 training rows (4 {TOO_FEW}"),
        ("lost", [["yes"]] * 4, "head 'lost': every training row says yes; it needs rows that say no as well"),
        ("said", [[], [], ["b"], []], f"head 'said': label 'a' stands on fewer than 2 training rows (4 {TOO_FEW}"),
        ("said", [None] * 4, f"head 'said': label 'a' stands on fewer than 2 training rows (0 {TOO_FEW}"),
    ],
)
def test_what_cannot_be_learnt_is_refused(head: str, cells: list[list[str] | None], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        TriageModel.fit(SCHEMA, TEXTS, encode_all(SCHEMA, COLUMNS | {head: cells}), SETTINGS, seed=1)
    assert str(caught.value) == sentence


def test_a_signal_that_nobody_gives_is_no_reason_to_stop() -> None:
    """A multilabel head stands where any of its labels can be learnt."""
    fitted = TriageModel.fit(SCHEMA, TEXTS, encode_all(SCHEMA, COLUMNS), SETTINGS, seed=1)
    assert fitted.predict(TEXTS).probabilities["said"].shape == (4, 2)


def test_an_unknown_family_cannot_be_fitted() -> None:
    with pytest.raises(ValueError) as caught:
        TriageModel.fit(SCHEMA, TEXTS, encode_all(SCHEMA, COLUMNS), SETTINGS | {"family": "forest"}, seed=1)
    assert str(caught.value) == "model.family must be one of linear, frozen, encoder, cascade; got 'forest'"
