"""Which files inputs stand for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.feedback.record import FileRefused, InputError
from pipeline.feedback.sources import discover


@pytest.fixture
def dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of exports; its parent is the working folder."""
    folder = tmp_path / "dump"
    (folder / "older").mkdir(parents=True)
    for name in ("b.csv", "a.jsonl.gz", "C.PARQUET", ".hidden.csv", "_SUCCESS", "_tmp.csv", "notes.txt", "x.gz"):
        (folder / name).write_bytes(b"text\n")
    (folder / "older" / "z.csv").write_bytes(b"text\n")
    monkeypatch.chdir(tmp_path)
    return folder


def names(*inputs: str | Path, follow_links: bool = False) -> list[str]:
    return [file.name for file in discover(inputs, follow_links=follow_links).files]


def test_a_folder_is_its_files(dump: Path) -> None:
    found = discover(["dump"])
    assert [(file.name, file.format, file.compression) for file in found.files] == [
        ("dump/C.PARQUET", "parquet", None),
        ("dump/a.jsonl.gz", "jsonl", "gz"),
        ("dump/b.csv", "csv", None),
    ]
    assert found.ignored == ["dump/notes.txt", "dump/older/", "dump/x.gz"]


def test_globs_and_files_keep_their_names(dump: Path) -> None:
    assert names("dump/[a-z]*.csv", dump / "a.jsonl.gz") == ["dump/b.csv", str(dump / "a.jsonl.gz")]
    assert names("dump/**/*.csv") == ["dump/_tmp.csv", "dump/b.csv", "dump/older/z.csv"]
    assert discover(["dump/[bn]*"]).ignored == ["dump/notes.txt"]


def test_a_file_whose_name_is_a_pattern_is_that_file(dump: Path) -> None:
    (dump / "[1].csv").write_bytes(b"text\n")
    assert names("dump/[1].csv") == ["dump/[1].csv"]


def test_a_file_named_twice_is_read_once(dump: Path) -> None:
    (dump / "link.csv").symlink_to("b.csv")
    assert names("dump/b.csv", "dump/*.csv", dump, dump / "older" / ".." / "b.csv")[0] == "dump/b.csv"
    assert len(names("dump/b.csv", "dump/[a-z]*.csv", dump)) == 3


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("dump/none.csv", r"there is no file 'dump/none\.csv'"),
        ("dump/*.tsv", r"nothing matches 'dump/\*\.tsv'"),
        ("dump/notes.txt", r"'dump/notes\.txt' cannot be read: its suffix is not known; give a name ending in \.csv"),
        ("nowhere", "there is no such file"),
        ("dump/*.txt", r"no feedback file in 'dump/\*\.txt' \(passed over: dump/notes\.txt\)"),
        ("empty", "no feedback file in 'empty'; give"),
    ],
)
def test_what_cannot_be_read_is_said(given: str, words: str, dump: Path) -> None:
    (dump.parent / "empty").mkdir()
    with pytest.raises(InputError, match=words):
        discover([given])


def test_no_input_at_all() -> None:
    with pytest.raises(InputError, match="no input was given; give a name ending in"):
        discover([])


def test_what_is_no_file_is_refused(dump: Path) -> None:
    os.mkfifo(dump / "pipe.csv")
    (dump / "folder.csv.gz").mkdir()
    (dump / "device.csv").symlink_to("/dev/null")
    for name, words in [("pipe.csv", "this is a pipe"), ("folder.csv.gz", "this is a folder")]:
        with pytest.raises(FileRefused, match=f"not_regular_file: .*{words}"):
            discover([dump / name])
    with pytest.raises(FileRefused, match="this is a device"):
        discover([dump / "device.csv"], follow_links=True)
    with pytest.raises(FileRefused, match="not_regular_file"):
        discover([dump])


def test_a_link_out_of_its_folder_is_refused_unless_followed(dump: Path) -> None:
    (dump / "out.csv").symlink_to(dump.parent / "elsewhere.csv")
    with pytest.raises(FileRefused, match="not_regular_file: it is a link that leads nowhere; mend or remove it"):
        discover([dump / "out.csv"])
    (dump.parent / "elsewhere.csv").write_bytes(b"text\n")
    with pytest.raises(FileRefused, match=r"not_regular_file: it is a link .*ingest\.follow_links=true"):
        discover([dump / "out.csv"])
    assert names(dump / "out.csv", follow_links=True) == [str(dump / "out.csv")]


def test_a_link_within_its_folder_is_followed(dump: Path) -> None:
    (dump / "in.csv").symlink_to("older/z.csv")
    (dump / "round.csv").symlink_to("round.csv")
    assert names(dump / "in.csv") == [str(dump / "in.csv")]
    with pytest.raises(FileRefused, match="it is a link that leads nowhere"):
        discover([dump / "round.csv"])


def test_a_linked_folder_is_judged_like_a_linked_file(dump: Path, tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("dump/older")
    assert names("latest") == ["latest/z.csv"]
    (dump / "outside").symlink_to(tmp_path)
    with pytest.raises(FileRefused, match="name that folder itself"):
        discover(["dump/outside"])


def test_a_name_that_is_no_text_is_shown_as_text(dump: Path) -> None:
    try:
        (dump / os.fsdecode(b"caf\xe9.csv")).write_bytes(b"text\n")
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    (file,) = discover([dump / os.fsdecode(b"caf\xe9.csv")]).files
    assert file.name.endswith(r"caf\xe9.csv")
    assert file.path.exists()
