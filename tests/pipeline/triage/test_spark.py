"""The registered model as a function of Spark's, with a real local Spark."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import pytest

from pipeline.registry import connect, fetch

TEXTS = ["third time I ask, cancelling tonight", "all fine, thanks", "", "you charged me twice"] * 5


@pytest.mark.slow
def test_the_registered_model_works_under_spark(registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17")
    import mlflow
    from pyspark.sql import SparkSession
    from pyspark.sql.functions import struct

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    connect(registry.config)
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        columns = "priority double, sentiment string, p_detractor double"
        score = mlflow.pyfunc.spark_udf(session, "models:/amends-triage/1", env_manager="local", result_type=columns)
        rows = [(str(number), text) for number, text in enumerate(TEXTS)]
        table = session.createDataFrame(rows, ["id", "text"]).repartition(3)
        found = {row["id"]: row["said"] for row in table.withColumn("said", score(struct("id", "text"))).collect()}
    finally:
        session.stop()
    model = fetch("1", registry.config)
    likely = model.predict(TEXTS).probabilities["detractor"][:, 0]
    assert len(found) == len(TEXTS)
    for number, expected in enumerate(likely.tolist()):
        assert found[str(number)]["p_detractor"] == pytest.approx(expected, abs=1e-6)
        assert found[str(number)]["sentiment"] in model.schema["sentiment"].labels
