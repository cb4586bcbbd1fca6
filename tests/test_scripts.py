"""The scripts, as people and cron call them: help, exit codes, sentences, and what a dry run leaves alone."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.config import ROOT, load
from pipeline.followup.store import Store

NIGHT = "2026-11-21T06:00:00Z"


def script(name: str) -> ModuleType:
    """Return a script as a module."""
    spec = importlib.util.spec_from_file_location(f"amends_{name}", ROOT / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


score, train, serve = script("score"), script("train"), script("serve")


@pytest.fixture
def run_score(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model_folder: Path
) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs score.py with the small model and returns exit code, output and errors."""

    def run_(*arguments: object) -> tuple[int, str, str]:
        stores = [
            "--set",
            f"tracking.uri=sqlite:///{tmp_path}/mlflow.db",
            "--set",
            f"store.url=sqlite:///{tmp_path}/amends.db",
            "--set",
            f"nights={tmp_path}/nights.jsonl",
        ]
        code = score.main([*map(str, arguments), "--model", str(model_folder), *stores])
        return code, *capsys.readouterr()

    return run_


# ---- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train", "score", "serve"])
def test_help_shows_examples_and_loads_nothing(name: str, tmp_path: Path) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"sys.argv = ['{name}.py', '--help']\n"
        "try:\n"
        f"    runpy.run_path({str(ROOT / f'{name}.py')!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    heavy = {'numpy', 'pyarrow', 'pydantic', 'mlflow', 'torch', 'sklearn', 'fastapi'} & set(sys.modules)\n"
        "    print('LOADED', sorted(heavy), end.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"python {name}.py ") >= 2
    assert "--config" in done.stdout
    assert "--set" in done.stdout
    assert done.stdout.endswith("LOADED [] 0\n")


def test_every_command_in_the_makefile_is_one_that_the_scripts_know(capsys: pytest.CaptureFixture[str]) -> None:
    """`make demo` is the first thing that anybody runs."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^\t\$\(PY\) (train|score|serve)\.py (.*)$", makefile, re.MULTILINE)
    assert {name for name, _ in commands} == {"train", "score", "serve"}
    for name, arguments in commands:
        words = shlex.split(re.sub(r"\$\((\w+)\)", "1", arguments))
        if name == "train":
            assert {word for word in words if word.startswith("--")} <= {"--config", "--set", "--promote"}
        else:
            {"score": score, "serve": serve}[name].parser().parse_args(words)  # exits where an option is unknown


# ---- score.py --------------------------------------------------------------------------------------------------------


def test_a_night(run_score: Callable[..., Any], sample: Path, tmp_path: Path) -> None:
    code, out, errors = run_score(sample, "--output", tmp_path / "night", "--as-of", NIGHT)
    assert code == 0
    stages = [json.loads(line) for line in errors.splitlines()]
    assert [stage["stage"] for stage in stages] == ["hashing", "predicting", "ranking", "gathering"]
    assert stages[1]["rows"] == 313
    assert "313 rows in: 304 scored, 9 rejected (1 bad_created_at, 1 bad_encoding, " in out
    assert "48 customers to call (room for 48)" in out
    assert f"published: {tmp_path}/night/" in out
    manifest = json.loads((tmp_path / "night" / "manifest.json").read_text())
    assert manifest["as_of"] == NIGHT
    assert manifest["totals"]["rows_in"] == 313


def test_too_many_rejects_are_told_by_the_exit_code(
    run_score: Callable[..., Any], sample: Path, tmp_path: Path
) -> None:
    arguments = (sample, "--output", tmp_path / "night", "--as-of", NIGHT, "--set")
    assert run_score(*arguments, "ingest.max_rejected=0.02")[0] == 3
    assert (tmp_path / "night" / "manifest.json").is_file()  # done all the same
    assert run_score(*arguments, "ingest.max_rejected=0.0288")[0] == 0  # 9 of 313 is 2.875%
    assert run_score(sample, "--dry-run", "--set", "ingest.max_rejected=0.02")[0] == 3


def test_a_night_of_rejects_alone_is_done_and_told(
    run_score: Callable[..., Any], write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    code, out, _ = run_score(write_lines("a.jsonl", [{"text": ""}]), "--output", tmp_path / "night")
    assert code == 3
    assert "1 rows in: 0 scored, 1 rejected (1 empty_text)" in out


def test_a_weight_without_a_factor_is_mentioned(run_score: Callable[..., Any], sample: Path, tmp_path: Path) -> None:
    _, out, _ = run_score(sample / "social.tsv", "--output", tmp_path / "night", "--set", "rank.weights.charm=1")
    assert "note: the model has nothing for the weights charm; they count for nothing" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.csv", "--dry-run"], "score.py: there is no file 'nowhere.csv'; give a name ending in .csv, .tsv, "),
        (
            ["data/sample", "--dry-run", "--set", "rank.agent=6"],
            "score.py: unknown setting 'rank.agent'; did you mean 'agents'?\n",
        ),
        (
            ["data/sample", "--dry-run", "--set", "rank.agents=0"],
            "score.py: setting 'rank.agents': input should be greater than or equal to 1; got 0\n",
        ),
        (
            ["data/sample", "--dry-run", "--config", "configs/none.yaml"],
            f"score.py: there is no file {ROOT}/configs/none.yaml; give the path",
        ),
        (
            ["data/sample", "--dry-run", "--as-of", "tonight"],
            "score.py: --as-of takes an ISO 8601 moment such as 2026-11-21T06:00:00Z; got 'tonight'\n",
        ),
        (
            ["Makefile", "--dry-run"],
            "score.py: 'Makefile' cannot be read: its suffix is not known; give a name ending in .csv",
        ),
        (
            ["data/sample/nothing*.csv", "--dry-run"],
            "score.py: nothing matches 'data/sample/nothing*.csv'; check the folder and quote the pattern for ",
        ),
        (
            ["data/sample", "--trace", "Z-1"],
            "score.py: no accepted row has the id 'Z-1'; a rejected row is traced by its place, ",
        ),
        (
            ["data/sample", "--output", "data/starter"],
            "score.py: --output data/starter holds other files and no manifest.json of a night; give a folder of ",
        ),
        (
            ["data/sample", "--output", "README.md"],
            "score.py: --output README.md is a file; give a folder that is new or holds an earlier night\n",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    run_score: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(ROOT)
    code, out, errors = run_score(*arguments)
    assert (code, out) == (2, "")
    assert errors.startswith(sentence)
    assert errors.count("\n") == 1


def test_a_file_that_cannot_be_read_stops_itself_alone(
    run_score: Callable[..., Any], sample: Path, tmp_path: Path
) -> None:
    (tmp_path / "zzz.csv").write_bytes(b"")
    code, out, _ = run_score(sample / "survey.csv", tmp_path / "zzz.csv", "--output", tmp_path / "night")
    assert code == 10
    assert f"failed: {tmp_path}/zzz.csv: empty_file: it holds 0 bytes, " in out
    (failed,) = json.loads((tmp_path / "night" / "manifest.json").read_text())["failed"]
    assert (failed["path"], failed["reason"]) == (f"{tmp_path}/zzz.csv", "empty_file")
    assert "zzz.csv`: empty_file: it holds 0 bytes" in (tmp_path / "night" / "summary.md").read_text()


def test_where_no_file_can_be_read_nothing_is_published(run_score: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "zzz.csv").write_bytes(b"")
    code, _, errors = run_score(tmp_path / "zzz.csv", "--output", tmp_path / "night")
    assert code == 2
    assert errors.splitlines()[-1].startswith(f"score.py: {tmp_path}/zzz.csv: empty_file: ")
    assert not (tmp_path / "night").exists()
    assert not list(tmp_path.glob(".night*"))


def test_a_model_that_is_not_there(capsys: pytest.CaptureFixture[str], sample: Path, tmp_path: Path) -> None:
    code = score.main([str(sample), "--output", str(tmp_path / "night"), "--model", str(tmp_path / "no_model")])
    assert code == 2
    assert capsys.readouterr().err == (
        f"score.py: {tmp_path}/no_model is not a model: model.json is missing; give the folder that training wrote\n"
    )
    assert not (tmp_path / "night").exists()


def test_an_output_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        score.main(["data/sample"])
    assert caught.value.code == 2
    assert (
        "INPUT and --output DIR are needed (or --dry-run or --trace ID in place of DIR; or --history)"
        in capsys.readouterr().err
    )


def test_enqueue_puts_the_night_into_the_desk_once(run_score: Callable[..., Any], sample: Path, tmp_path: Path) -> None:
    arguments = (sample, "--output", tmp_path / "night", "--as-of", NIGHT, "--enqueue")
    first, again = (run_score(*arguments)[1].splitlines()[-1] for _ in range(2))
    happy = pq.read_table(tmp_path / "night" / "promoters.parquet").num_rows
    assert happy > 9
    assert first == f"desk: 48 cases opened, 0 updated, 0 unchanged, 0 answers joined, {happy} people to thank"
    assert again == "desk: 0 cases opened, 0 updated, 48 unchanged, 0 answers joined, 0 people to thank"
    listed = pq.read_table(tmp_path / "night" / "escalations.parquet").to_pylist()
    store = Store.open(f"sqlite:///{tmp_path}/amends.db")
    found = [store.case(number) for number in range(1, 49)]
    assert [case.case_key for case in found] == [row["case_key"] for row in listed]
    said = {text["id"]: text["nps"] for row in listed for text in row["texts"]}
    assert {text.id: text.nps for case in found for text in case.texts} == said
    assert {case.nps_before for case in found} > {None, 0.0}
    assert store.audit() == []
    store.close()


def test_rules_of_the_desk_that_cannot_be_read_stop_the_night_before_its_work(
    run_score: Callable[..., Any], sample: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "desk.yaml"
    rules.write_text("lease_minute: 5\n", encoding="utf-8")
    arguments = (sample, "--output", tmp_path / "night", "--set", f"desk={rules}")
    code, _, errors = run_score(*arguments, "--enqueue")
    assert (code, errors) == (2, f"score.py: {rules}: unknown setting 'lease_minute'; did you mean 'lease_minutes'?\n")
    assert not (tmp_path / "night").exists()
    assert run_score(*arguments)[0] == 0  # a night that is not put into the desk has nothing to do with its rules


def test_a_champion_from_the_registry_scores(
    capsys: pytest.CaptureFixture[str], registry: Any, sample: Path, tmp_path: Path
) -> None:
    uri = f"tracking.uri={registry.config.tracking.uri}"
    assert score.main([str(sample), "--output", str(tmp_path / "night"), "--set", uri]) == 0
    version = json.loads((tmp_path / "night" / "manifest.json").read_text())["model_version"]
    assert f"model {version}" in capsys.readouterr().out
    assert set(pq.read_table(tmp_path / "night" / "scored.parquet").column("model_version").to_pylist()) == {version}


# ---- dry run ---------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts(run_score: Callable[..., Any], sample: Path, tmp_path: Path) -> None:
    code, out, errors = run_score(sample, "--dry-run")
    assert (code, errors) == (0, "")
    lines = [line.removeprefix(f"{sample}/") for line in out.splitlines()]
    assert lines == [
        "social.tsv: 54 rows, 52 good, 2 rejected (1 bad_created_at, 1 bad_encoding)",
        "survey.csv: 146 rows, 142 good, 4 rejected (1 bad_nps, 1 bad_value, 1 empty_text, 1 malformed_record)",
        "tickets.jsonl: 113 rows, 110 good, 3 rejected (1 duplicate_id, 1 malformed_record, 1 missing_text)",
    ]
    assert not list(tmp_path.iterdir())


def test_a_dry_run_names_what_it_passed_over(run_score: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("text\nhello\n")
    (tmp_path / "in" / "notes.txt").write_text("x")
    _, out, _ = run_score(tmp_path / "in", "--dry-run")
    assert out.splitlines()[-1] == f"{tmp_path}/in/notes.txt: ignored, no feedback file"


def test_a_dry_run_shows_how_a_mapping_would_do(run_score: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Comment\nhello\n")
    code, _, errors = run_score(tmp_path / "a.csv", "--dry-run")
    assert code == 2
    assert errors.startswith(f"score.py: {tmp_path}/a.csv: missing_column: ")
    assert run_score(tmp_path / "a.csv", "--dry-run", "--set", "ingest.columns.text=Comment")[0] == 0


def test_a_dry_run_loads_no_model(sample: Path, tmp_path: Path) -> None:
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['score.py', {str(sample)!r}, '--dry-run']\n"
        "try:\n"
        f"    runpy.run_path({str(ROOT / 'score.py')!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    heavy = {'torch', 'mlflow', 'sklearn', 'scipy', 'safetensors', 'matplotlib', 'sqlalchemy'}\n"
        "    print('LOADED', sorted(heavy & set(sys.modules)), end.code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("LOADED [] 0\n")


# ---- trace -----------------------------------------------------------------------------------------------------------


def test_the_trace_of_an_accepted_row(run_score: Callable[..., Any], sample: Path, tmp_path: Path) -> None:
    code, out, errors = run_score(sample, "--trace", "S-204416", "--as-of", NIGHT)
    assert (code, errors) == (0, "")
    assert out.startswith(f"read       {sample}/survey.csv, record 1, row ")
    for station in ("validated", "masked", "prepared", "tokens", "predicted", "context", "ranked", "reviewed"):
        assert f"\n{station} " in out
    assert not (tmp_path / "amends.db").exists()


def test_the_trace_of_a_rejected_row(
    run_score: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    code, out, _ = run_score("data/sample", "--trace", "data/sample/social.tsv:11")
    assert code == 0
    assert out.splitlines()[1].startswith("validated  rejected: bad_encoding; ")
    assert not list(tmp_path.glob("*.db"))


# ---- train.py --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--config", "configs/none.yaml"],
            f"train.py: there is no file {ROOT}/configs/none.yaml; give the path of a YAML file such as ",
        ),
        (["--set", "model.linear.epoch=3"], "train.py: unknown setting 'model.linear.epoch'; did you mean 'epochs'?\n"),
        (
            ["--set", "model.family=forest"],
            "train.py: model.family must be one of linear, frozen, encoder, cascade; got 'forest'\n",
        ),
        (["--set", "labels=configs/none.yaml"], f"train.py: there is no file {ROOT}/configs/none.yaml; give the path"),
        (["--set", "data.sources=[{path: data/nowhere/*.csv}]"], "train.py: nothing matches "),
        (["--set", "data.split.by=client"], "train.py: data.split.by must be one of source, id, text, "),
    ],
)
def test_a_training_that_cannot_be_stops_with_one_sentence(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    assert train.main([*arguments, "--set", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (last,) = captured.err.splitlines(keepends=True)[-1:]
    assert last.startswith(sentence)
    assert not (tmp_path / "mlflow.db").exists()


def test_a_training_without_enough_labels_says_what_to_do(
    capsys: pytest.CaptureFixture[str], write_lines: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [
        {"text": f"text number {place} about {word}", "sentiment": "negative"}
        for place, word in enumerate(["tea"] * 60)
    ]
    path = write_lines("a.jsonl", rows)
    labels = "labels={heads: {sentiment: {kind: nominal, labels: [negative, positive]}}}"
    source = f"data.sources=[{{path: {path}}}]"
    code = train.main(["--set", labels, "--set", source, "--set", f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"])
    assert code == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("train.py: head 'sentiment': label 'positive' stands on fewer than 2 training rows (")


def test_settings_of_the_environment_reach_the_scripts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    assert load().tracking.uri == f"sqlite:///{tmp_path}/other.db"


# ---- serve.py --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "port", "demo", "sentence"),
    [
        ("0.0.0.0", 0, True, "--demo has no passwords, so it is served on this machine alone; got --host 0.0.0.0"),
        ("127.0.0.1", 70_000, False, "--port takes a number from 0 to 65535; got 70000"),
        ("127.0.0.1", -1, False, "--port takes a number from 0 to 65535; got -1"),
    ],
)
def test_where_a_desk_cannot_listen(host: str, port: int, demo: bool, sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        serve.listen(host, port, demo=demo).close()
    assert str(caught.value) == sentence


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--set", "rank.agent=6"], "serve.py: unknown setting 'rank.agent'; did you mean 'agents'?\n"),
        (["--config", "configs/none.yaml"], f"serve.py: there is no file {ROOT}/configs/none.yaml; give the path"),
    ],
)
def test_a_desk_that_cannot_be_opened_says_why(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert serve.main(["--port", "0", *arguments]) == 2
    assert capsys.readouterr().err.startswith(sentence)


def test_what_is_no_file_among_files_stops_itself_alone(
    run_score: Callable[..., Any], sample: Path, tmp_path: Path
) -> None:
    (tmp_path / "in" / "b.csv").mkdir(parents=True)
    (tmp_path / "in" / "c.csv").symlink_to(tmp_path / "nowhere.csv")
    os.mkfifo(tmp_path / "in" / "d.csv")
    (tmp_path / "in" / "a.csv").write_bytes((sample / "survey.csv").read_bytes())
    code, out, _ = run_score(*(tmp_path / "in" / f"{name}.csv" for name in "abcd"), "--output", tmp_path / "night")
    assert code == 10
    assert out.count("not_regular_file") == 3
    failed = json.loads((tmp_path / "night" / "manifest.json").read_text())["failed"]
    assert [Path(one["path"]).name for one in failed] == ["b.csv", "c.csv", "d.csv"]


def test_a_file_without_a_header_shows_nothing_of_its_first_customer(
    run_score: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("1,My card 4111 1111 1111 1111 was charged twice, Anna Smith,x\n2,hello,y,z\n")
    code, out, errors = run_score(tmp_path / "a.csv", "--output", tmp_path / "night")
    assert code == 2
    assert "its first line does not look like the names of columns: export it with a header" in errors
    assert "Anna" not in out + errors
    assert "4111" not in out + errors


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--workers", "0"], "a number from 1 on was expected, got '0'"),
        (["--workers", "-1"], "a number from 1 on was expected, got '-1'"),
    ],
)
def test_a_number_of_workers_is_one(
    capsys: pytest.CaptureFixture[str], sample: Path, arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        score.main([str(sample), "--output", "out", *arguments])
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_an_address_without_its_engine_is_no_setting(
    run_score: Callable[..., Any], sample: Path, tmp_path: Path
) -> None:
    code, _, errors = run_score(sample, "--output", tmp_path / "night", "--address", "head:6379")
    assert (code, errors) == (2, "score.py: --address is of a Ray cluster; add --engine ray\n")


def test_a_query_is_asked_again_each_night(run_score: Callable[..., Any], tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.execute("create table ticket (id integer, body text)")
        connection.execute("insert into ticket values (1, 'cancelling tonight')")
    arguments = [f"sqlite:///{tmp_path}/crm.db", "--query", "select id, body as text from ticket"]
    assert "1 rows, 1 good" in run_score(*arguments, "--dry-run")[1]
    for rows in (1, 2):
        code, out, _ = run_score(*arguments, "--output", tmp_path / "night")
        assert code == 0
        assert f"{rows} rows in: {rows} scored" in out
        assert not list(tmp_path.glob(".night*"))
        with sqlite3.connect(tmp_path / "crm.db") as connection:
            connection.execute("insert into ticket values (?, 'one more')", (rows + 1,))


def test_a_full_disk_and_a_broken_journal_are_told_apart_from_bad_input(
    run_score: Callable[..., Any], sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.triage.journal.Journal.enter", full)
        code, _, errors = run_score(sample, "--output", tmp_path / "night", "--as-of", NIGHT)
    assert code == 13
    assert errors.splitlines()[-1] == (
        "score.py: the journal cannot be written (database or disk is full); mend it, and the same command goes on "
        "where it stopped"
    )
    assert run_score(sample, "--output", tmp_path / "night", "--as-of", NIGHT)[0] == 0
    assert not list(tmp_path.glob(".night*"))


def test_a_night_that_cannot_be_noted_is_published_and_noted_later(
    run_score: Callable[..., Any], sample: Path, tmp_path: Path
) -> None:
    (tmp_path / "nights.jsonl").mkdir()
    code, _, errors = run_score(sample, "--output", tmp_path / "night", "--as-of", NIGHT)
    assert code == 13
    assert "the night is published, but cannot be noted in " in errors
    (tmp_path / "nights.jsonl").rmdir()
    code, out, _ = run_score(sample, "--output", tmp_path / "night", "--as-of", NIGHT)
    assert (code, out.split(":")[0]) == (0, "nothing to do")
    assert "313" in run_score("--history")[1]
