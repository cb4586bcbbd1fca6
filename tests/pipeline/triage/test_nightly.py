"""The nightly job: nothing is lost, everything agrees, and a night is there whole or not at all."""

from __future__ import annotations

import csv
import gzip
import html
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from models.pyfunc import TriagePyfunc
from models.schema import Schema
from models.triage import TriageModel
from pipeline.config import Config, load
from pipeline.feedback.reading import read_feedback
from pipeline.feedback.record import FileRefused, InputError
from pipeline.feedback.sources import discover
from pipeline.triage.cases import case_key
from pipeline.triage.publish import OutputError
from pipeline.triage.scoring import Scorer

NAMES = [
    "answers.parquet",
    "escalations.csv",
    "escalations.html",
    "escalations.parquet",
    "manifest.json",
    "promoters.parquet",
    "rejected.parquet",
    "review.parquet",
    "scored.parquet",
    "summary.md",
]
BROKEN = {
    ("survey.csv", 26): "bad_value",
    ("survey.csv", 28): "bad_nps",
    ("survey.csv", 29): "empty_text",
    ("survey.csv", 84): "malformed_record",
    ("tickets.jsonl", 34): "duplicate_id",
    ("tickets.jsonl", 73): "malformed_record",
    ("tickets.jsonl", 113): "missing_text",
    ("social.tsv", 11): "bad_encoding",
    ("social.tsv", 53): "bad_created_at",
}
ROWS_IN = {"social.tsv": 54, "survey.csv": 146, "tickets.jsonl": 113}
ANGRY = "Third time I ask about the double charge on my bill. I am cancelling tonight and my lawyer will write to you."
CALM = "thanks, all good"


def accepted(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file or folder that pass validation."""
    files = discover([path]).files
    return [
        row for file in files for batch in read_feedback(file, ingest=Config().ingest) for row in batch.rows.to_pylist()
    ]


def probabilities(schema: Schema) -> list[str]:
    return [name for head in schema for name in head.columns]


# ---- nothing is lost -------------------------------------------------------------------------------------------------


def test_the_folder_holds_what_is_promised(sampled: Any) -> None:
    assert sorted(path.name for path in sampled.folder.iterdir()) == NAMES
    assert sorted(path.name for path in sampled.folder.parent.iterdir()) == [sampled.folder.name]


def test_rows_in_are_rows_scored_and_rows_rejected(sampled: Any, sample: Path) -> None:
    manifest = sampled.manifest
    rejected = Counter(Path(row["file"]).name for row in sampled.rows("rejected"))
    assert {Path(file["path"]).name: file["rows_in"] for file in manifest["files"]} == ROWS_IN
    for file in manifest["files"]:
        name = Path(file["path"]).name
        assert file["rows_in"] == file["rows_scored"] + file["rows_rejected"]
        assert file["rows_rejected"] == rejected[name] == sum(file["reject_reasons"].values())
        assert file["rows_scored"] == len(accepted(sample / name))
        assert file["reject_reasons"] == Counter(reason for (where, _), reason in BROKEN.items() if where == name)
    assert manifest["totals"] == {
        "rows_in": 313,
        "rows_scored": 304,
        "rows_rejected": 9,
        "reject_reasons": dict(sorted(Counter(BROKEN.values()).items())),
    }
    assert sampled.table("scored").num_rows == 304


def test_every_rejected_row_has_its_place_and_reason_and_not_its_text(sampled: Any) -> None:
    table = sampled.table("rejected")
    assert table.schema == pa.schema([("file", pa.string()), ("record", pa.int64()), ("reason", pa.string())])
    assert {(Path(row["file"]).name, row["record"]): row["reason"] for row in table.to_pylist()} == BROKEN


def test_every_accepted_row_is_scored_once_in_order(sampled: Any, sample: Path) -> None:
    assert [row["id"] for row in sampled.rows("scored")] == [row["id"] for row in accepted(sample)]


def test_the_manifest_says_what_was_done_with_what(sampled: Any, sample: Path, model: TriageModel) -> None:
    manifest = sampled.manifest
    sizes = {Path(file["path"]).name: (sample / Path(file["path"]).name).stat().st_size for file in manifest["files"]}
    assert {Path(file["path"]).name: file["size"] for file in manifest["files"]} == sizes
    assert all(len(file["sha256"]) == 64 for file in manifest["files"])
    assert manifest["model_version"] == model.version
    assert manifest["config"] == load().digest()
    assert manifest["as_of"] == "2026-11-21T06:00:00Z"
    assert datetime.fromisoformat(manifest["started"]) <= datetime.fromisoformat(manifest["finished"])
    assert manifest["escalations"] == sampled.table("escalations").num_rows
    assert manifest["review"] == sampled.table("review").num_rows
    assert manifest["answers"] == sampled.table("answers").num_rows
    assert manifest["promoters"] == sampled.table("promoters").num_rows
    assert manifest["weights_without_a_factor"] == []
    assert manifest["ignored"] == []


# ---- the same everywhere ---------------------------------------------------------------------------------------------


def test_batch_api_and_mlflow_say_the_same_of_a_text(sampled: Any, sample: Path, model: TriageModel) -> None:
    rows, scored = accepted(sample), sampled.table("scored")
    columns = probabilities(model.schema)
    keep = ("id", "text", "created_at", "customer_id", "customer_value", "reach", "nps", "lang")
    objects: list[object] = [{name: row[name] for name in keep if row[name] is not None} for row in rows]
    answers, rejects = Scorer(model, Config()).score_objects(objects, customer_values=[])
    assert not rejects
    frame = TriagePyfunc(model).predict(pd.DataFrame({name: [row[name] for row in rows] for name in keep}))
    assert list(frame.columns) == scored.column_names == list(answers[0])
    for name in columns:
        batch = scored.column(name).to_numpy()
        np.testing.assert_allclose([answer[name] for answer in answers], batch, atol=1e-6)
        np.testing.assert_allclose(frame[name].to_numpy(), batch, atol=1e-6)
    assert [answer["id"] for answer in answers] == frame["id"].tolist() == scored.column("id").to_pylist()


def test_small_batches_give_the_same_rows(sampled: Any, sample: Path, run_night: Callable[..., Any]) -> None:
    small = run_night(sample, overrides=["ingest.batch_rows=7"])
    assert small.manifest["totals"] == sampled.manifest["totals"]
    for name in ("scored", "review", "answers", "promoters"):
        same(small.rows(name), sampled.rows(name))
    assert [row["case_key"] for row in small.rows("escalations")] == [
        row["case_key"] for row in sampled.rows("escalations")
    ]


def same(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> None:
    """Compare rows, numbers to within what the order of adding may change."""
    assert len(found) == len(wanted)
    for row, right in zip(found, wanted, strict=True):
        assert row.keys() == right.keys()
        for name, value in right.items():
            if isinstance(value, float):
                assert row[name] == pytest.approx(value, abs=1e-4 if name == "priority" else 1e-6), name
            elif name == "reasons":
                assert {r["factor"] for r in row[name]} == {r["factor"] for r in value}
            else:
                assert row[name] == value, name


def test_the_order_of_the_files_does_not_change_what_is_found(
    sampled: Any, sample: Path, run_night: Callable[..., Any]
) -> None:
    backwards = run_night(*sorted(sample.iterdir(), reverse=True))
    assert [Path(file["path"]).name for file in backwards.manifest["files"]] == sorted(ROWS_IN, reverse=True)
    assert backwards.priorities() == pytest.approx(sampled.priorities(), abs=1e-4)
    for name in ("escalations", "promoters"):
        keys = [[row["case_key"] for row in one.rows(name)] for one in (backwards, sampled)]
        assert keys[0] == keys[1]


def test_the_same_night_twice_is_the_same_to_the_byte(
    sampled: Any, sample: Path, run_night: Callable[..., Any]
) -> None:
    again = run_night(sample)
    for name in NAMES:
        if name not in ("manifest.json",):
            assert (again.folder / name).read_bytes() == (sampled.folder / name).read_bytes(), name
    moments = {"started", "finished"}
    assert {k: v for k, v in again.manifest.items() if k not in moments} == {
        k: v for k, v in sampled.manifest.items() if k not in moments
    }


def test_compressed_files_are_scored_alike(sample: Path, tmp_path: Path, run_night: Callable[..., Any]) -> None:
    packed = tmp_path / "survey.csv.gz"
    packed.write_bytes(gzip.compress((sample / "survey.csv").read_bytes()))
    assert run_night(packed).priorities() == pytest.approx(run_night(sample / "survey.csv").priorities(), abs=1e-6)


# ---- the list --------------------------------------------------------------------------------------------------------


def test_one_row_per_customer_ranked_and_cut(sampled: Any, sample: Path, run_night: Callable[..., Any]) -> None:
    short = run_night(sample, overrides=["rank.agents=1", "rank.minutes_per_day=60", "rank.minutes_per_call=12"])
    listed = short.rows("escalations")
    assert short.manifest["capacity"] == short.manifest["escalations"] == len(listed) == 5
    assert [row["rank"] for row in listed] == [1, 2, 3, 4, 5]
    assert [row["case_key"] for row in listed] == [row["case_key"] for row in sampled.rows("escalations")][:5]
    full = sampled.rows("escalations")
    assert len({row["case_key"] for row in full}) == len(full) == 48
    priorities = [row["priority"] for row in full]
    assert priorities == sorted(priorities, reverse=True)


def test_the_list_is_that_of_the_scored_rows(sampled: Any, sample: Path) -> None:
    """A case is as urgent as its worst text that the model is sure of; nobody more urgent is left out."""
    best: dict[str, float] = {}
    source = {row["id"]: row for row in accepted(sample)}
    for row in sampled.rows("scored"):
        key = case_key(row["customer_id"], row["id"], source[row["id"]]["text"])
        if not row["review"]:
            best[key] = max(best.get(key, 0), row["priority"])
    first = sorted(best.items(), key=lambda item: (-item[1], item[0]))[:48]
    assert [(row["case_key"], row["priority"]) for row in sampled.rows("escalations")] == first


def test_a_listed_case_is_explained_and_carries_all_its_texts(sampled: Any, sample: Path) -> None:
    scored = {row["id"]: row for row in sampled.rows("scored")}
    texts = {row["id"]: row for row in accepted(sample)}
    several = 0
    for case in sampled.rows("escalations"):
        lead = scored[case["lead_id"]]
        assert sum(reason["contribution"] for reason in case["reasons"]) == pytest.approx(case["priority"], abs=1e-9)
        for name in (
            "priority",
            "sentiment",
            "urgency",
            "signals",
            "p_detractor",
            "model_version",
            "created_at",
        ):
            assert case[name] == lead[name], name
        said = [(reason["factor"], reason["contribution"]) for reason in case["reasons"]]
        assert said == [(reason["factor"], reason["contribution"]) for reason in lead["reasons"]]
        assert any(reason["words"] for reason in case["reasons"]) or case["priority"] < 20
        assert not any(reason["words"] for reason in lead["reasons"])  # words are looked up for the list alone
        assert case["text"] == texts[case["lead_id"]]["text"]
        values = [texts[text["id"]]["customer_value"] for text in case["texts"]]
        assert case["customer_value"] == max((value for value in values if value is not None), default=None)
        mine = [row["id"] for row in texts.values() if row["customer_id"] and row["customer_id"] == case["customer_id"]]
        assert sorted(text["id"] for text in case["texts"]) == sorted(mine or [case["lead_id"]])
        assert all(text["nps"] == texts[text["id"]]["nps"] for text in case["texts"])
        assert case["n_texts"] == len(case["texts"])
        moments = [
            datetime.fromisoformat(text["created_at"]).replace(tzinfo=None)
            for text in case["texts"]
            if text["created_at"]
        ]
        if all(text["created_at"] and text["created_at"].endswith("Z") for text in case["texts"]):
            assert moments == sorted(moments, reverse=True)  # newest first
            assert datetime.fromisoformat(case["waiting_since"]).replace(tzinfo=None) == moments[-1]
        several += case["n_texts"] > 1
    assert several > 3


def test_review_rows_are_kept_apart(sampled: Any) -> None:
    doubtful = [row for row in sampled.rows("scored") if row["review"]]
    review = sampled.rows("review")
    assert doubtful
    assert [{name: value for name, value in row.items() if name != "text"} for row in review] == doubtful
    assert all(row["text"] and row["review_reason"] in ("no_words", "unfamiliar", "uncertain") for row in review)
    assert not {row["id"] for row in review} & {case["lead_id"] for case in sampled.rows("escalations")}
    assert not any(case["review"] for case in sampled.rows("escalations"))


def test_a_language_that_was_not_evaluated_is_for_a_person_to_read(
    write_lines: Callable[..., Path], run_night: Callable[..., Any], model: TriageModel
) -> None:
    """The language that a record gives goes through the spool, before what its text would tell."""
    path = write_lines("a.jsonl", [
        {"id": "1", "text": ANGRY}, {"id": "2", "text": ANGRY, "lang": "de"},
        {"id": "3", "text": "Ich warte seit zwei Wochen auf mein Paket und niemand antwortet mir."},
    ])  # fmt: skip
    found = run_night(path, overrides=["rank.widest=1"], by=replace(model, languages=("en",)))
    assert {row["id"]: row["review_reason"] for row in found.rows("review")} == {"2": "language", "3": "language"}


def test_a_customer_only_ever_under_review_is_not_listed(
    write_lines: Callable[..., Path], run_night: Callable[..., Any]
) -> None:
    path = write_lines(
        "a.jsonl",
        [
            {"id": "1", "text": "😡😡😡", "customer_id": "silent", "nps": 0},
            {"id": "2", "text": "😡😡😡", "customer_id": "both", "nps": 0, "created_at": "2026-11-20"},
            {"id": "3", "text": ANGRY, "customer_id": "both", "nps": 0, "created_at": "2026-11-19"},
        ],
    )
    found = run_night(path, overrides=["rank.widest=1"])
    assert [(case["case_key"], case["lead_id"]) for case in found.rows("escalations")] == [("both", "3")]
    assert [text["id"] for text in found.rows("escalations")[0]["texts"]] == ["2", "3"]
    assert [row["id"] for row in found.rows("review")] == ["1", "2"]


def test_texts_without_a_customer_are_cases_of_their_own(
    write_lines: Callable[..., Path], run_night: Callable[..., Any]
) -> None:
    one = write_lines("a.jsonl", [{"id": "1", "text": ANGRY}, {"id": "2", "text": ANGRY}])
    two = write_lines("b.jsonl", [{"id": "1", "text": f"{ANGRY} Now."}])
    found = run_night(one, two, overrides=["rank.widest=1"])
    assert {case["case_key"] for case in found.rows("escalations")} == {
        case_key(None, "1", ANGRY),
        case_key(None, "2", ANGRY),
        case_key(None, "1", f"{ANGRY} Now."),
    }
    assert all(case["customer_id"] is None for case in found.rows("escalations"))


def test_context_reaches_across_files(write_lines: Callable[..., Path], run_night: Callable[..., Any]) -> None:
    """The second contact is seen in another file; value is placed among all of the dump."""
    weights = ["rank.weights={repeat_contact: 2, customer_value: 2}", "rank.explain_from=0"]
    row = {"text": CALM, "nps": 0, "customer_id": "c", "customer_value": 10}
    one = write_lines("a.jsonl", [row | {"id": "1", "created_at": "2026-11-01"}])
    two = write_lines("b.jsonl", [row | {"id": "2", "created_at": "2026-11-02", "customer_value": 900}])
    reasons = {
        row["id"]: {r["factor"]: r["contribution"] for r in row["reasons"]}
        for row in run_night(one, two, overrides=weights).rows("scored")
    }
    assert reasons["2"]["customer_value"] > reasons["1"]["customer_value"]
    assert reasons["2"]["repeat_contact"] > reasons["1"].get("repeat_contact", 0)


def test_weights_that_mean_nothing_are_named(sample: Path, run_night: Callable[..., Any]) -> None:
    found = run_night(sample / "social.tsv", overrides=["rank.weights.charm=1", "rank.weights.sentiment=2"])
    assert found.manifest["weights_without_a_factor"] == ["charm", "sentiment"]


# ---- for people ------------------------------------------------------------------------------------------------------


def test_cells_are_inert(write_lines: Callable[..., Path], run_night: Callable[..., Any]) -> None:
    starts = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"]
    rows = [
        {"id": start, "customer_id": f"{start}c", "channel": start, "text": f"{start} {ANGRY}"} for start in starts[:4]
    ]
    rows += [{"id": str(place), "text": f"{start} {ANGRY}"} for place, start in enumerate(starts)]
    found = run_night(write_lines("a.jsonl", rows), overrides=["rank.widest=1"])
    with (found.folder / "escalations.csv").open(encoding="utf-8", newline="") as stream:
        listed = list(csv.DictReader(stream))
    assert len(listed) == len(found.rows("escalations")) == 11
    for row in listed:
        for name, cell in row.items():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")), name
    assert {row["customer_id"] for row in listed} == {"", "'=HYPERLINK(1)c", "'+1c", "'-1c", "'@SUM(A1)c"}


def test_the_spreadsheet_tells_the_same_as_the_table(sampled: Any) -> None:
    with (sampled.folder / "escalations.csv").open(encoding="utf-8", newline="") as stream:
        listed = list(csv.DictReader(stream))
    cases = sampled.rows("escalations")
    assert list(listed[0]) == [name for name in cases[0] if name != "texts"]
    for row, case in zip(listed, cases, strict=True):
        assert row["case_key"] == case["case_key"]
        assert float(row["priority"]) == case["priority"]
        assert row["text"].lstrip("'") == case["text"].lstrip("'")
        first = case["reasons"][0]
        assert row["reasons"].startswith(f"{first['factor']} {first['contribution']:.1f}")
        assert row["signals"] == "; ".join(case["signals"])


def test_the_list_says_what_it_promises(sampled: Any, model: TriageModel) -> None:
    promise = sampled.manifest["promise"]
    cases = sampled.rows("escalations")
    assert promise["calls"] == len(cases)
    page = (sampled.folder / "escalations.html").read_text(encoding="utf-8")
    assert html.escape(promise["said"][1:]).replace("&#x27;", "&#39;") in page
    assert promise["at_least"] is not None or promise["reason"]


def test_a_promise_counts_what_customers_said_themselves(
    write_lines: Callable[..., Path], run_night: Callable[..., Any], model: TriageModel
) -> None:
    rows = [{"id": f"{row}", "text": f"{ANGRY} {row}", "nps": 1 if row < 3 else 9} for row in range(5)]
    path = write_lines("a.jsonl", rows)
    promise = run_night(path, overrides=["rank.widest=1"]).manifest["promise"]
    assert promise["said"] == "call these 5; at least 3 of them are detractors (90% guarantee)"
    assert run_night(path, overrides=['rank.promise=""']).manifest["promise"] is None
    assert run_night(path, by=replace(model, evidence={})).manifest["promise"] is None


def test_of_a_customer_only_the_text_that_leads_is_explained(
    write_lines: Callable[..., Path], run_night: Callable[..., Any], model: TriageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A customer number that a whole branch shares must not make the night look up the words of all its texts."""
    explained: list[str] = []
    real = model.family.attribute
    monkeypatch.setattr(model.family, "attribute", lambda texts, *rest: explained.extend(texts) or real(texts, *rest))
    rows = [{"id": f"{number}", "text": f"{ANGRY} Bill {number}.", "customer_id": "guest"} for number in range(50)]
    found = run_night(write_lines("a.jsonl", rows), overrides=["rank.widest=1", "rank.explain_from=0"])
    (case,) = found.rows("escalations")
    assert case["n_texts"] == 50
    assert any(reason["words"] for reason in case["reasons"])
    assert len(explained) == 1


def test_the_page_shows_texts_and_runs_nothing(write_lines: Callable[..., Path], run_night: Callable[..., Any]) -> None:
    evil = "<script>alert('x')</script> <img src=x onerror=alert(1)> </p>{{ 77777*7 }} & \u202e" + ANGRY
    customer = '"><b>bold</b>'
    path = write_lines("<i>.jsonl", [{"id": "1", "text": evil, "customer_id": customer, "channel": "<u>"}])
    found = run_night(path, overrides=["rank.widest=1", "rank.explain_from=0"])
    page = (found.folder / "escalations.html").read_text(encoding="utf-8")
    assert html.escape(evil, quote=True).replace("&#x27;", "&#39;") in page.replace("&#x27;", "&#39;")
    for tag in ("<script", "<img", "<b>", "<i>", "<u>", "544439"):
        assert tag not in page.replace("font: 15px/1.5", "").split("</style>")[1].replace(
            f"{found.rows('escalations')[0]['priority']:.1f}", ""
        ), tag
    assert "http" not in page.split("</style>")[1]
    assert "default-src 'none'" in page


# ---- whole or not at all ---------------------------------------------------------------------------------------------


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_file_that_breaks_midway_leaves_the_last_night_as_it_was(
    sample: Path, tmp_path: Path, run_night: Callable[..., Any]
) -> None:
    output = tmp_path / "out" / "night"
    run_night(sample, into=output)
    before = snapshot(tmp_path / "out")
    truncated = tmp_path / "zzz.jsonl.gz"
    truncated.write_bytes(gzip.compress((sample / "tickets.jsonl").read_bytes())[:-500])
    with pytest.raises(FileRefused, match=r"zzz.jsonl.gz: truncated_container: "):
        run_night(truncated, into=output)
    assert snapshot(tmp_path / "out") == before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["night"]
    with pytest.raises(FileRefused, match="truncated_container"):
        run_night(truncated, into=tmp_path / "fresh" / "night")
    assert not any((tmp_path / "fresh").iterdir())


def test_a_file_that_breaks_midway_is_left_out_whole(
    sample: Path, tmp_path: Path, run_night: Callable[..., Any]
) -> None:
    truncated = tmp_path / "aaa.jsonl.gz"
    truncated.write_bytes(gzip.compress((sample / "tickets.jsonl").read_bytes())[:-500])
    found = run_night(truncated, sample / "survey.csv", overrides=["ingest.batch_rows=20"])
    alone = run_night(sample / "survey.csv", overrides=["ingest.batch_rows=20"])
    assert found.table("scored").equals(alone.table("scored"))
    assert found.manifest["totals"] == alone.manifest["totals"]
    (failed,) = found.manifest["failed"]
    assert (failed["path"], failed["reason"]) == (str(truncated), "truncated_container")
    assert "stream; copy or export it again" in failed["sentence"]


def test_a_later_night_replaces_an_earlier_one(sample: Path, tmp_path: Path, run_night: Callable[..., Any]) -> None:
    output = tmp_path / "out" / "night"
    run_night(sample, into=output)
    second = run_night(sample / "social.tsv", into=output)
    assert sorted(path.name for path in output.iterdir()) == NAMES
    assert second.manifest["totals"]["rows_in"] == 54
    assert [path.name for path in output.parent.iterdir()] == ["night"]


def test_an_empty_folder_may_be_used(sample: Path, tmp_path: Path, run_night: Callable[..., Any]) -> None:
    (tmp_path / "night").mkdir()
    assert run_night(sample / "social.tsv", into=tmp_path / "night").manifest["totals"]["rows_scored"] == 52


def test_what_is_somebody_elses_is_never_touched(sample: Path, tmp_path: Path, run_night: Callable[..., Any]) -> None:
    folder, file = tmp_path / "photos", tmp_path / "file"
    folder.mkdir()
    (folder / "cat.jpg").write_text("cat")
    file.write_text("mine")
    with pytest.raises(OutputError) as caught:
        run_night(sample, into=folder)
    assert (
        str(caught.value)
        == f"--output {folder} holds other files and no manifest.json of a night; give a folder of its own"
    )
    with pytest.raises(OutputError) as caught:
        run_night(sample, into=file)
    assert str(caught.value) == f"--output {file} is a file; give a folder that is new or holds an earlier night"
    assert snapshot(tmp_path) == {"photos/cat.jpg": b"cat", "file": b"mine"}


def test_a_folder_of_another_program_with_a_manifest_is_not_taken_for_a_night(
    sample: Path, tmp_path: Path, run_night: Callable[..., Any]
) -> None:
    """Browser extensions and web apps have a manifest.json as well."""
    folder = tmp_path / "extension"
    folder.mkdir()
    (folder / "manifest.json").write_text(json.dumps({"name": "My extension", "version": "1"}))
    (folder / "content.js").write_text("work of weeks")
    with pytest.raises(OutputError, match=r"^--output .*extension holds other files"):
        run_night(sample, into=folder)
    assert (folder / "content.js").read_text() == "work of weeks"


def test_a_night_of_rejects_alone_is_a_night(write_lines: Callable[..., Path], run_night: Callable[..., Any]) -> None:
    found = run_night(write_lines("a.jsonl", [{"id": "1", "text": ""}, {"id": "2"}]))
    assert sorted(path.name for path in found.folder.iterdir()) == NAMES
    assert found.manifest["totals"] == {
        "rows_in": 2,
        "rows_scored": 0,
        "rows_rejected": 2,
        "reject_reasons": {"empty_text": 1, "missing_text": 1},
    }
    for name in ("scored", "review", "escalations", "answers", "promoters"):
        assert found.table(name).num_rows == 0
    assert found.table("rejected").num_rows == 2
    assert "Nobody to call" in (found.folder / "escalations.html").read_text()
    assert len((found.folder / "escalations.csv").read_text().splitlines()) == 1


def test_the_tables_of_an_empty_night_have_the_same_columns(
    write_lines: Callable[..., Path], sampled: Any, run_night: Callable[..., Any]
) -> None:
    empty = run_night(write_lines("a.jsonl", [{"id": "1", "text": ""}]))
    for name in ("scored", "review", "escalations", "rejected", "answers", "promoters"):
        assert empty.table(name).schema.equals(sampled.table(name).schema), name


def test_nothing_to_read_is_said(tmp_path: Path, run_night: Callable[..., Any]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"^no feedback file in '.*/in' \(passed over: .*notes.txt\)"):
        run_night(tmp_path / "in")


def test_what_was_passed_over_is_in_the_manifest(sample: Path, tmp_path: Path, run_night: Callable[..., Any]) -> None:
    shutil.copy(sample / "social.tsv", tmp_path / "social.tsv")
    (tmp_path / "notes.txt").write_text("hello")
    assert run_night(tmp_path, into=tmp_path.parent / f"{tmp_path.name}-out").manifest["ignored"] == [
        f"{tmp_path}/notes.txt"
    ]


def test_a_file_of_somebody_elses_in_a_nights_folder_is_not_lost(
    sample: Path, tmp_path: Path, run_night: Callable[..., Any]
) -> None:
    output = tmp_path / "night"
    run_night(sample / "social.tsv", into=output)
    (output / "notes.txt").write_text("call them back")
    with pytest.raises(OutputError, match=r"holds 'notes\.txt', no file of a night; move it or give another folder"):
        run_night(sample / "social.tsv", into=output)
    assert (output / "notes.txt").read_text() == "call them back"
