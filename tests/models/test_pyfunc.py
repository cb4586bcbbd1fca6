"""The face that MLflow loads: a table in, the columns of scoring out, whatever pandas calls a missing value."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from models.pyfunc import TriagePyfunc, _load_pyfunc
from models.ranking import Ranking
from models.scoring import score
from models.triage import TriageModel

AS_OF = "2026-11-21T06:00:00Z"
RECORDS: dict[str, list[Any]] = {
    "id": ["1", "2", "3"],
    "text": ["third time I ask, cancelling tonight", "thanks, all good", "when do you open?"],
    "created_at": ["2026-11-20T06:00:00Z", None, "2026-11-20"],
    "customer_id": ["a", "a", None],
    "customer_value": [10.0, None, 30.0],
    "nps": [1.0, None, 9.0],
}


@pytest.fixture(scope="module")
def pyfunc(model_folder: Path) -> TriagePyfunc:
    return _load_pyfunc(str(model_folder))


def expected(model: TriageModel) -> list[dict[str, Any]]:
    ranking = Ranking.from_settings(model.ranking)
    return score(model, RECORDS, ranking, datetime.fromisoformat(AS_OF)).to_pandas().to_dict("records")


def same(found: pd.DataFrame, wanted: list[dict[str, Any]]) -> None:
    assert list(found.columns) == list(wanted[0])
    for row, right in zip(found.to_dict("records"), wanted, strict=True):
        for name, value in right.items():
            if name == "reasons":
                assert [list(reason["words"]) for reason in row[name]] == [list(r["words"]) for r in value]
            elif name == "signals":
                assert list(row[name]) == list(value)
            else:
                assert row[name] == value or pd.isna(value), name


def test_it_scores_as_the_nightly_job_does(pyfunc: TriagePyfunc, model: TriageModel) -> None:
    same(pyfunc.predict(pd.DataFrame(RECORDS), {"as_of": AS_OF}), expected(model))


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_missing_values_of_every_kind_are_missing(pyfunc: TriagePyfunc, model: TriageModel, backend: Any) -> None:
    frame = pd.DataFrame(RECORDS).convert_dtypes(dtype_backend=backend)
    same(pyfunc.predict(frame, {"as_of": AS_OF}), expected(model))


def test_only_the_text_is_needed_and_other_columns_do_no_harm(pyfunc: TriagePyfunc) -> None:
    bare = pyfunc.predict(pd.DataFrame({"text": RECORDS["text"]}), {"as_of": AS_OF})
    more = pyfunc.predict(pd.DataFrame({"text": RECORDS["text"], "note": [1, 2, 3]}), {"as_of": AS_OF})
    assert bare["priority"].tolist() == more["priority"].tolist()
    assert bare["id"].isna().all()


def test_the_index_does_not_matter_and_no_rows_are_no_rows(pyfunc: TriagePyfunc) -> None:
    frame = pd.DataFrame({"text": RECORDS["text"]}, index=[7, 7, -1])
    assert pyfunc.predict(frame)["model_version"].tolist() == [pyfunc.model.version] * 3
    assert len(pyfunc.predict(frame.iloc[:0])) == 0


def test_a_missing_text_goes_to_review(pyfunc: TriagePyfunc) -> None:
    found = pyfunc.predict(pd.DataFrame({"text": [None, "cancel"]}))
    assert found["review_reason"].tolist()[0] == "no_words"


@pytest.mark.parametrize("as_of", ["2026-11-21T06:00:00", "2026-11-21T07:00:00+01:00", AS_OF])
def test_the_moment_is_utc_where_it_names_no_zone(pyfunc: TriagePyfunc, as_of: str) -> None:
    found = pyfunc.predict(pd.DataFrame({"text": ["hello"]}), {"as_of": as_of})
    assert found["scored_at"].tolist() == [AS_OF]


@pytest.mark.parametrize("params", [None, {}, {"as_of": ""}])
def test_without_a_moment_it_is_now(pyfunc: TriagePyfunc, params: Any) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    (stamp,) = pyfunc.predict(pd.DataFrame({"text": ["hello"]}), params)["scored_at"]
    assert before <= datetime.fromisoformat(stamp) <= datetime.now(UTC)


def test_a_table_without_text_is_refused(pyfunc: TriagePyfunc) -> None:
    with pytest.raises(ValueError) as caught:
        pyfunc.predict(pd.DataFrame({"comment": ["a"], "nps": [1]}))
    assert str(caught.value) == "a column 'text' is needed; got comment, nps"


def test_an_unknown_parameter_is_refused(pyfunc: TriagePyfunc) -> None:
    with pytest.raises(ValueError) as caught:
        pyfunc.predict(pd.DataFrame({"text": ["a"]}), {"now": AS_OF, "as_of": AS_OF})
    assert str(caught.value) == "unknown parameter 'now'; known is 'as_of'"
