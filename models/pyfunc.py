"""The face that MLflow loads (`loader_module`): a table of feedback in, the columns of `models.scoring` out.

Imported under the hash-named copy that travels in the artefact, so that it never meets another version of itself.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from .ranking import Ranking
from .schema import DERIVABLE
from .scoring import RECORD, score
from .triage import TriageModel

if TYPE_CHECKING:
    import pandas as pd


class TriagePyfunc:
    """Scores tables with one triage model, ranked by the weights that it was trained with."""

    def __init__(self, model: TriageModel) -> None:
        self.model = model

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return one scored row per row of `model_input`; only its column ``text`` is required.

        `params` may hold ``as_of``, the ISO 8601 moment from which waiting is counted (default: now).

        Raises
        ------
        ValueError
            No column ``text``, or a parameter that is not known.
        """
        unknown = set(params or {}) - {"as_of"}
        if unknown:
            raise ValueError(f"unknown parameter {sorted(unknown)[0]!r}; known is 'as_of'")
        if "text" not in model_input.columns:
            raise ValueError(f"a column 'text' is needed; got {', '.join(map(str, model_input.columns))}")
        as_of = (params or {}).get("as_of")
        now = datetime.fromisoformat(as_of) if as_of else datetime.now(UTC)
        now = now if now.tzinfo else now.replace(tzinfo=UTC)
        # MLflow and pandas have several ways to say that a cell is missing; we have None.
        records = {
            name: [
                None if missing else _cell(name, value) for value, missing in zip(column, column.isna(), strict=True)
            ]
            for name, column in model_input.items()
            if name in RECORD
        }
        records["text"] = [str(text) if text is not None else "" for text in records["text"]]
        scored = score(self.model, records, Ranking.from_settings(self.model.ranking), now)
        frame: pd.DataFrame = scored.to_pandas()
        for column in scored.schema:
            if pa.types.is_list(column.type):  # pandas would hold arrays, which neither JSON nor MLflow take for lists
                frame[column.name] = scored.column(column.name).to_pylist()
        return frame


def _cell(name: str, value: Any) -> Any:
    """Return a table's cell as a record holds it: numbers as numbers, times in ISO 8601, all else as text."""
    if name in DERIVABLE:
        return float(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _load_pyfunc(path: str) -> TriagePyfunc:
    return TriagePyfunc(TriageModel.load(Path(path)))
