"""The artefact of a run: a model that needs no repository, with its signature and requirements."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from models.ranking import Ranking
from models.scoring import score
from models.triage import TriageModel
from pipeline.artefact import self_contained
from pipeline.config import Config

REQUIREMENTS = (
    "lingua-language-detector", "mlflow", "numpy", "pandas", "phonenumbers", "pyarrow", "python-stdnum", "safetensors",
    "scipy", "openvino", "tokenizers",
)  # fmt: skip


def log_model(config: Config, folder: Path, example: Mapping[str, Any]) -> str:
    """Return the version under which the model in `folder` is now registered; `example` is an invented record."""
    import mlflow
    import pandas as pd

    model = TriageModel.load(folder)
    columns = {name: [value] for name, value in example.items()}
    scored = score(model, columns, Ranking.from_settings(model.ranking), datetime.now(UTC))
    runs_torch = model.family.report.get("encoder", model.family.report).get("precision") == "torch"
    required = (*REQUIREMENTS, *(("torch", "transformers") if runs_torch else ()))
    with self_contained() as package:
        info = mlflow.pyfunc.log_model(
            name="model",
            loader_module=f"{package.name}.pyfunc",
            data_path=str(folder),
            code_paths=[str(package)],
            signature=_signature(example, scored.schema),
            input_example=pd.DataFrame(columns),
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in required],
            registered_model_name=config.tracking.model_name,
        )
    return str(info.registered_model_version)


def _signature(example: Mapping[str, Any], scored: pa.Schema) -> Any:
    """Return the signature of the model: of the input, only ``text`` is required."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType

    # Any type for the others: a table may hold its ids as whole numbers and its times as times.
    kinds = {name: "string" if name == "text" else AnyType() for name in example}  # type: ignore[no-untyped-call]
    return ModelSignature(
        inputs=Schema([ColSpec(kind, name, name == "text") for name, kind in kinds.items()]),
        outputs=Schema([ColSpec(_kind(column.type), column.name, False) for column in scored]),
        params=ParamSchema([ParamSpec("as_of", "string", "")]),
    )


def _kind(arrow: pa.DataType) -> Any:
    """Return the MLflow type of an Arrow one."""
    from mlflow.types.schema import Array, Object, Property

    if pa.types.is_list(arrow):
        return Array(_kind(arrow.value_type))
    if pa.types.is_struct(arrow):
        return Object([Property(field.name, _kind(field.type)) for field in arrow])
    return {pa.float32(): "float", pa.float64(): "double", pa.bool_(): "boolean"}.get(arrow, "string")
