"""The registry, with a real MLflow store: versions, aliases, and a model that needs no repository.

MLflow takes seconds to import, so that one store serves all these tests; none of them changes its model's versions.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from models.triage import ArtefactError, TriageModel
from pipeline.artefact import PREFIX, source_hash
from pipeline.config import ROOT, Config, ConfigError
from pipeline.learning.recipe import EXAMPLE
from pipeline.registry import connect, fetch, lineage

TEXTS = [
    "third time I ask, cancelling tonight",
    "thanks, all good",
    "🙂🙂",
    "",
    "meine Rechnung ist schon wieder falsch",
    "the boiler is dead and my baby is freezing",
]


def artefact(registry: Any, version: str) -> Path:
    """Return the folder that holds a version's artefact."""
    import mlflow

    connect(registry.config)
    found = mlflow.MlflowClient().get_model_version(registry.config.tracking.model_name, version)
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=found.source))


@pytest.fixture(scope="module")
def champion(registry: Any) -> Path:
    return artefact(registry, "1")


def said(model: TriageModel) -> dict[str, Any]:
    predictions = model.predict(TEXTS)
    columns: dict[str, Any] = {}
    for head in model.schema:
        columns |= dict(zip(head.columns, predictions.probabilities[head.name].T, strict=True))
    return columns


# ---- fetching --------------------------------------------------------------------------------------------------------


def test_a_model_has_many_names(registry: Any, champion: Path, model_folder: Path, model: TriageModel) -> None:
    config = registry.config
    found = [
        fetch(name, config)
        for name in ("champion", "models:/amends-triage@champion", "models:/amends-triage/1", str(champion))
    ]
    assert len({one.version for one in found}) == 1
    challengers = [
        fetch(name, config)
        for name in ("challenger", "models:/amends-triage/2", str(model_folder), f"{champion / '..' / model_folder}")
    ]
    assert {one.version for one in challengers} == {model.version}
    for one in found[1:]:
        for name, values in said(one).items():
            assert values.tobytes() == said(found[0])[name].tobytes()
    for name, values in said(challengers[0]).items():
        np.testing.assert_allclose(values, said(model)[name], atol=1e-6)


def test_an_artefact_answers_with_its_own_code_and_a_bare_folder_with_ours(registry: Any, model_folder: Path) -> None:
    assert type(fetch("champion", registry.config)).__module__ == f"{PREFIX}{source_hash()}.triage"
    assert type(fetch(str(model_folder), registry.config)) is TriageModel


@pytest.mark.parametrize(
    "name", ["nobody", "models:/amends-triage/99", "models:/amends-triage@nobody", "models:/unknown/1"]
)
def test_a_model_that_is_not_there(registry: Any, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fetch(name, registry.config)
    uri = name if name.startswith("models:/") else f"models:/amends-triage@{name}"
    sentence = str(caught.value)
    assert sentence.startswith(f"no model {uri} in {registry.config.tracking.uri} (")
    assert sentence.endswith("); train one with: python train.py")
    assert "\n" not in sentence


def test_a_store_without_models(config: Config) -> None:
    with pytest.raises(
        ConfigError, match=r"^no model models:/amends-triage@champion in .*; train one with: python train.py$"
    ):
        fetch("champion", config)


def test_a_folder_that_is_no_model(registry: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ArtefactError, match=r"is not a model: model.json is missing; give the folder that training wrote"
    ):
        fetch(str(tmp_path), registry.config)
    with pytest.raises(ArtefactError, match=r"nowhere/model is not a model: model.json is missing"):
        fetch("nowhere/model", registry.config)


def test_a_model_of_somebody_else_is_refused(registry: Any, tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(
        yaml.safe_dump({"flavors": {"python_function": {"loader_module": "mlflow.sklearn"}}})
    )
    with pytest.raises(ArtefactError) as caught:
        fetch(str(tmp_path), registry.config)
    assert str(caught.value) == f"{tmp_path} was not logged by Amends: its loader is 'mlflow'; give a model of ours"


@pytest.mark.parametrize("content", ["", "flavors: {}", "- a", "flavors: {python_function: {}}", "a: b: c"])
def test_a_damaged_description_is_refused(registry: Any, tmp_path: Path, content: str) -> None:
    (tmp_path / "MLmodel").write_text(content)
    with pytest.raises(ArtefactError, match=re.escape(str(tmp_path))):
        fetch(str(tmp_path), registry.config)


def test_an_artefact_without_its_code_is_refused(registry: Any, champion: Path, tmp_path: Path) -> None:
    copy = changed(champion, tmp_path / "copy", "instants.py", '"""Instants', '"""Our instants')
    shutil.rmtree(copy / "code")
    with pytest.raises(ArtefactError, match=f"code/{PREFIX}[0-9a-f]{{12}} is missing from the artefact"):
        fetch(str(copy), registry.config)


def test_code_that_was_changed_is_never_run(registry: Any, champion: Path, tmp_path: Path) -> None:
    copy = changed(champion, tmp_path / "copy", "instants.py", '"""Instants', '"""The instants')
    code = next(copy.glob(f"code/{PREFIX}*"))
    (code / "triage.py").write_text("raise SystemExit('run')\n" + (code / "triage.py").read_text())
    with pytest.raises(ArtefactError, match="was changed after training: its code is not what its name says"):
        fetch(str(copy), registry.config)


def test_a_changed_artefact_is_refused(registry: Any, champion: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(champion, tmp_path / "copy"))
    weights = next(copy.rglob("linear.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=r"linear.safetensors is missing or was changed after training"):
        fetch(str(copy), registry.config)


# ---- code that travels -----------------------------------------------------------------------------------------------


def changed(champion: Path, to: Path, name: str, before: str, after: str) -> Path:
    """Copy an artefact with one change to its code, under the name that the changed code has."""
    shutil.copytree(champion, to)
    code = next(to.glob(f"code/{PREFIX}*"))
    source = (code / name).read_text()
    assert before in source
    (code / name).write_text(source.replace(before, after))
    new = code.rename(code.with_name(f"{PREFIX}{source_hash(code)}"))
    description = to / "MLmodel"
    description.write_text(description.read_text().replace(code.name, new.name))
    return to


def test_two_versions_of_different_code_live_side_by_side(registry: Any, champion: Path, tmp_path: Path) -> None:
    """The second one's code makes every known word a wordless one; each answers with its own."""
    neutral = ("calibration.py", "probabilities(head, moved if", "probabilities(head, moved * 0 if")
    other = changed(champion, tmp_path / "other", *neutral)
    first, second, ours = (
        fetch("champion", registry.config),
        fetch(str(other), registry.config),
        fetch("champion", registry.config),
    )
    assert type(first).__module__ != type(second).__module__
    for head in second.schema:
        level = 1 / head.width if head.exclusive else 0.5
        np.testing.assert_allclose(second.predict(TEXTS).probabilities[head.name], level, atol=1e-6)
    for name, values in said(first).items():
        assert values.tobytes() == said(ours)[name].tobytes()
    assert not np.allclose(said(first)["p_detractor"], 0.5)


def test_the_artefact_carries_its_code_and_no_pickle(champion: Path) -> None:
    package = champion / "code" / f"{PREFIX}{source_hash()}"
    carried = {path.relative_to(package): path.read_bytes() for path in package.rglob("*.py")}
    assert carried == {path.relative_to(ROOT / "models"): path.read_bytes() for path in (ROOT / "models").rglob("*.py")}
    names = [path for path in champion.rglob("*") if path.is_file()]
    for path in names:
        assert path.suffix not in (".pkl", ".pickle", ".joblib", ".pt", ".bin", ".pyc"), path
        assert not path.read_bytes().startswith(b"\x80"), path
    assert {"model.json", "schema.json", "linear.safetensors", "card.md", "MLmodel"} <= {path.name for path in names}


BARE = """
import json, os, sys
repository, uri, model, texts = sys.argv[1:]
assert not any(os.path.abspath(entry).startswith(repository) for entry in sys.path if "/.venv/" not in entry), sys.path
import mlflow, pandas
mlflow.set_tracking_uri(uri)
mlflow.set_registry_uri(uri)
loaded = mlflow.pyfunc.load_model(model)
frame = loaded.predict(pandas.DataFrame({"text": json.loads(texts)}), params={"as_of": "2026-11-21T06:00:00Z"})
loaded_from = {name: str(getattr(module, "__file__", "")) for name, module in sys.modules.items()}
ours = [name for name, path in loaded_from.items() if path.startswith(repository + "/models")]
assert not ours, ours
print("FRAME" + frame[[name for name in frame if name.startswith("p_")] + ["priority"]].to_json(double_precision=15))
"""


def test_it_predicts_the_same_in_a_bare_process(registry: Any, tmp_path: Path) -> None:
    """Elsewhere, isolated from user settings and without the repository on the path."""
    command = [
        sys.executable,
        "-I",
        "-c",
        BARE,
        str(ROOT),
        registry.config.tracking.uri,
        "models:/amends-triage@champion",
        json.dumps(TEXTS),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "MLFLOW_DISABLE_TELEMETRY": "true"
    }
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    columns = json.loads(done.stdout.split("FRAME")[1])
    expected = said(fetch("champion", registry.config))
    assert set(columns) == {*expected, "priority"}
    for name, values in expected.items():
        np.testing.assert_allclose(list(columns[name].values()), values, atol=1e-6)


def test_it_is_served_through_mlflow_with_a_signature(registry: Any) -> None:
    """Only the text is required; columns that a model does not know are not its business."""
    import mlflow

    connect(registry.config)
    loaded = mlflow.pyfunc.load_model("models:/amends-triage@champion")
    inputs = {column.name: column.required for column in loaded.metadata.get_input_schema()}
    assert inputs == {name: name == "text" for name in EXAMPLE}
    assert loaded.metadata.get_params_schema().to_dict()[0]["name"] == "as_of"
    outputs = loaded.metadata.get_output_schema().input_names()
    frame = loaded.predict(pd.DataFrame({"text": TEXTS}), params={"as_of": "2026-11-21T06:00:00Z"})
    assert list(frame.columns) == outputs
    full = {name: [value] for name, value in EXAMPLE.items()}
    assert loaded.predict(pd.DataFrame(full))["id"].tolist() == ["example-1"]


# ---- what is recorded ------------------------------------------------------------------------------------------------


def test_a_run_records_what_made_the_model(registry: Any) -> None:
    import mlflow

    config, first = registry.config, registry.versions[0]
    connect(config)
    client = mlflow.MlflowClient()
    found = client.get_run(first.run_id)
    assert found.data.params["model.linear.epochs"] == "4"
    assert found.data.params["seed"] == "7"
    assert found.data.tags["config"] == config.digest()
    assert found.data.tags["models_source"] == source_hash()
    assert found.data.tags["model_version"] == fetch("champion", config).version
    for name in (
        "sentiment.macro_f1",
        "urgency.quadratic_kappa",
        "detractor.roc_auc",
        "signals.macro_f1",
        "sentiment.rows",
    ):
        assert np.isfinite(found.data.metrics[name])
        if not name.endswith("rows"):
            assert found.data.metrics[f"{name}.low"] <= found.data.metrics[f"{name}.high"]
    assert 0 < found.data.metrics["slice.lang.en.sentiment.accuracy"] <= 1
    assert len(found.inputs.dataset_inputs) == 1
    names = {item.path for item in client.list_artifacts(first.run_id)}
    assert {"config.yaml", "data.json", "card.md", "plots"} <= names
    plots = {Path(item.path).name for item in client.list_artifacts(first.run_id, "plots")}
    assert {"sentiment_confusion.png", "detractor_gains.png", "urgency_reliability.png"} <= plots
    version = client.get_model_version("amends-triage", "1")
    assert "# Model card: Amends triage" in version.description
    assert found.data.tags["model_version"] in version.description
    assert version.tags["data"] == found.data.tags["data"]


def test_a_prediction_leads_to_the_run_the_data_the_settings_and_the_commit(registry: Any) -> None:
    import mlflow

    served = fetch("1", registry.config).version  # what every scored row names
    told = lineage(served, registry.config)
    assert told == lineage("1", registry.config)
    assert told["model_version"] == served
    run = mlflow.MlflowClient().get_run(told["run"])
    assert run.data.tags["data"] == told["data"]
    assert run.data.tags["config"] == told["config"]
    assert run.data.tags["commit"] == told["commit"]
    with pytest.raises(ConfigError, match=r"has no version, run or alias 'linear-0123456789ab'; see python train.py"):
        lineage("linear-0123456789ab", registry.config)


def test_the_page_of_a_training_names_the_model_and_lies_with_the_run(registry: Any) -> None:
    import mlflow

    connect(registry.config)
    run_id = registry.versions[0].run_id
    page = Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="evaluation.html"))
    text = page.read_text(encoding="utf-8")
    assert f"Evaluation of {fetch('1', registry.config).version}" in text
    assert "It serves now" in text


def test_artefacts_lie_beside_their_store(registry: Any, champion: Path) -> None:
    assert (registry.folder / "store" / "mlflow.db").is_file()
    assert any((registry.folder / "store").rglob("linear.safetensors"))


def test_no_text_of_the_data_is_anywhere_in_the_store(registry: Any) -> None:
    """Neither as it was written nor as it was prepared; the invented example alone is there."""
    texts = [json.loads(line)["text"] for line in registry.data.read_text(encoding="utf-8").splitlines()]
    pieces = {text[:25] for text in texts if len(text) >= 40} | {
        text[-25:].lower() for text in texts if len(text) >= 40
    }
    assert len(pieces) > 300
    # JSON may write what is not ASCII in another way; plain pieces are enough to find a leak.
    wanted = [piece.encode() for piece in pieces if piece.isascii()]
    store = registry.folder / "store"
    files = [path for path in store.rglob("*") if path.is_file() and path.suffix not in (".png", ".safetensors")]
    assert len(files) > 20
    for path in files:
        content = path.read_bytes()
        assert not [piece for piece in wanted if piece in content], path
    assert any(str(EXAMPLE["text"]).encode() in path.read_bytes() for path in files)


def test_the_hash_goes_by_every_line_of_the_code() -> None:
    assert re.fullmatch("[0-9a-f]{12}", source_hash())
    assert source_hash() == source_hash()
