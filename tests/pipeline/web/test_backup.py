"""Backups: all comes back as it was, from a desk at work too; what is damaged, or no backup, changes nothing."""

from __future__ import annotations

import re
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

import serve as program
from pipeline.followup import casework
from pipeline.followup.store import Store
from tests.pipeline.followup.days import busy_day
from tests.pipeline.followup.hands import ANA, everything, fill
from tests.postgres import server


class Said(NamedTuple):
    code: int
    out: str
    err: str


Serve = Callable[..., Said]


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "desk").mkdir()
    return f"sqlite:///{tmp_path}/desk/amends.db"


@pytest.fixture
def serve(url: str, capsys: pytest.CaptureFixture[str]) -> Serve:
    """Return a function that runs a command on the test's own store."""

    def run(*arguments: object, at: str = url) -> Said:
        code = program.main(["--set", f"store.url={at}", *map(str, arguments)])
        return Said(code, *capsys.readouterr())

    return run


@pytest.fixture
def busy(url: str, tmp_path: Path, _busy: Path) -> dict[str, list[object]]:
    """Give the test a store in which there is a row of everything, and return all of it."""
    shutil.copy(_busy, tmp_path / "desk" / "amends.db")
    return all_of(url)


@pytest.fixture(scope="module")
def _busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("busy") / "amends.db"
    store = Store.open(f"sqlite:///{path}")
    busy_day(store)
    store.close()
    return path


def all_of(url: str) -> dict[str, list[object]]:
    store = Store.open(url)
    try:
        return dict(everything(store))
    finally:
        store.close()


def test_the_log_is_checked(serve: Serve, busy: dict[str, list[object]], tmp_path: Path) -> None:
    said = serve("audit")
    assert (said.code, said.out.splitlines()[0]) == (
        0,
        "every entry of the audit log holds, and the tables follow from it",
    )
    assert re.fullmatch(r"the last entry is \d+, [0-9a-f]{64}", said.out.splitlines()[1])
    with closing(sqlite3.connect(tmp_path / "desk" / "amends.db")) as connection, connection:
        connection.execute("UPDATE cases SET priority = 1, customer_id = 'C-9'")
    said = serve("audit")
    assert said[:2] == (2, "")
    assert re.match(r"serve.py: row 1 of cases was changed past the audit log: .* \(and \d+ more\)\n$", said.err)


def test_a_backup_brings_everything_back(serve: Serve, busy: dict[str, list[object]], url: str, tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "cases.bak", f"sqlite:///{tmp_path}/other/amends.db"
    assert serve("backup", file) == Said(0, f"written: {file}\n", "")
    store = Store.open(url)
    fill(store, *[50.0] * 9)
    store.close()
    assert all_of(url) != busy
    assert serve("restore", file, "--replace") == Said(0, f"restored from {file}\n", "")
    assert all_of(url) == busy
    assert serve("restore", file, at=elsewhere).code == 0  # where there is no store yet
    assert all_of(elsewhere) == busy
    assert serve("audit", at=elsewhere).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.bak", "desk", "other"]


def test_a_backup_is_of_one_moment_while_others_write(serve: Serve, url: str, tmp_path: Path) -> None:
    store = Store.open(url)
    case = fill(store, 90.0)[0].id
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            casework.remark(store, case, ANA, "one more")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        said = [serve("backup", tmp_path / f"{number}.bak") for number in range(5)]
    finally:
        done.set()
        writer.join()
    assert {one.code for one in said} == {0}
    lengths = []
    for number in range(5):
        there = f"sqlite:///{tmp_path}/{number}.db"
        assert serve("restore", tmp_path / f"{number}.bak", at=there).code == 0
        lengths.append(len(all_of(there)["audit_log"]))
    assert lengths == sorted(lengths)
    assert store.audit() == []
    store.close()


def test_what_is_no_backup_is_refused_and_the_store_stays(
    serve: Serve, busy: dict[str, list[object]], url: str, tmp_path: Path
) -> None:
    good = tmp_path / "good.bak"
    damaged = f"{tmp_path}/%s is no backup of a case store, or it is damaged; take another one"
    assert serve("backup", good).code == 0
    data = good.read_bytes()
    whole = len(data)
    wrong = {
        "empty": b"", "words": b"customers, and what they said\n" * 999, "cut": data[: whole // 2], "few": data[:50],
        "holes": data[: whole // 4] + bytes(8_192) + data[whole // 4 + 8_192 :],
    }  # fmt: skip
    for name, content in wrong.items():
        (tmp_path / name).write_bytes(content)
        for replace in ([], ["--replace"]):
            there = url if replace else f"sqlite:///{tmp_path}/new.db"
            assert serve("restore", tmp_path / name, *replace, at=there) == Said(2, "", f"serve.py: {damaged % name}\n")
    with closing(sqlite3.connect(tmp_path / "addresses")) as connection, connection:
        connection.execute("CREATE TABLE people (name TEXT)")
    assert serve("restore", tmp_path / "addresses", "--replace").err == f"serve.py: {damaged % 'addresses'}\n"
    with closing(sqlite3.connect(shutil.copy(good, tmp_path / "tampered"))) as connection, connection:
        connection.execute("UPDATE cases SET priority = 1")
    tampered = serve("restore", tmp_path / "tampered", "--replace").err
    assert tampered.startswith(f"serve.py: the audit log of {tmp_path}/tampered does not hold (row 1 of cases was")
    assert all_of(url) == busy
    assert not (tmp_path / "new.db").exists()
    assert not list(tmp_path.rglob(".restore-*"))


def test_nothing_is_overwritten_by_mistake(
    serve: Serve, busy: dict[str, list[object]], url: str, tmp_path: Path
) -> None:
    file, none = tmp_path / "cases.bak", tmp_path / "none"
    file.write_text("precious")
    assert serve("backup", file).err == f"serve.py: {file} exists already; give the backup a name of its own\n"
    assert file.read_text() == "precious"
    assert serve("backup", none / "x.bak").err == f"serve.py: there is no folder {none} for the backup; make it first\n"
    assert serve("restore", none).err == f"serve.py: there is no backup {none}\n"
    assert serve("backup", tmp_path / "good.bak").code == 0
    there = tmp_path / "desk" / "amends.db"
    said = serve("restore", tmp_path / "good.bak").err
    assert said == f"serve.py: {there} exists already; stop the desk and give --replace to put the backup there\n"
    lost = serve("backup", tmp_path / "x.bak", at=f"sqlite:///{tmp_path}/lost.db")
    assert lost.err == f"serve.py: there is no case store {tmp_path}/lost.db to back up\n"
    assert not (tmp_path / "lost.db").exists()
    (tmp_path / "broken.db").write_bytes(b"no database" * 999)
    broken = serve("backup", tmp_path / "y.bak", at=f"sqlite:///{tmp_path}/broken.db")
    assert broken.err == f"serve.py: the case store {tmp_path}/broken.db cannot be read: file is not a database\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.db", "cases.bak", "desk", "good.bak"]
    assert serve("audit", at="nonsense").err.startswith("serve.py: store.url must be a database URL such as sqlite:///")


def test_postgresql_is_kept_by_its_own_programs(serve: Serve, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    running = server(pytestconfig)
    where, elsewhere = (running.url(running.create()) for _ in range(2))
    store = Store.open(where)
    busy_day(store)
    was, file = everything(store), tmp_path / "cases.bak"
    assert serve("backup", file, at=where) == Said(0, f"written: {file}\n", "")
    assert serve("restore", file, at=elsewhere) == Said(0, f"restored from {file}\n", "")
    assert all_of(elsewhere) == was
    assert serve("audit", at=elsewhere).code == 0
    fill(store, 99.0)
    store.close()
    held = "the database holds cases already; stop the desk and give --replace to put the backup there"
    assert serve("restore", file, at=where).err == f"serve.py: {held}\n"
    damaged = tmp_path / "damaged.bak"
    damaged.write_bytes(file.read_bytes()[:-5_000])
    before = all_of(where)
    for wrong in (damaged, tmp_path / "desk.txt"):
        wrong.touch()
        assert serve("restore", wrong, "--replace", at=where).err.startswith("serve.py: pg_restore failed: ")
        assert all_of(where) == before
    assert serve("restore", file, "--replace", at=where).code == 0
    assert all_of(where) == was
    store = Store.open(elsewhere)
    with store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE cases SET priority = 1")
    store.close()
    assert serve("backup", tmp_path / "tampered.bak", at=elsewhere).code == 0
    tampered = serve("restore", tmp_path / "tampered.bak", "--replace", at=where).err
    assert "restored, but the audit log of" in tampered
