"""A copy of the case store in one file, and a store from such a copy."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import URL

from pipeline.config import ConfigError
from pipeline.followup.engine import located
from pipeline.followup.policy import Policy
from pipeline.followup.store import Store
from pipeline.triage.durable import sync_folder


def backup(url: str, file: Path) -> None:
    """Write all of the store at `url` into `file`, as it is at one moment; the desk may go on working.

    SQLite: by its online backup. PostgreSQL: by ``pg_dump``, which must be installed.

    Raises
    ------
    ConfigError
        The file exists, its folder does not, or the store cannot be read.
    """
    if file.exists():
        raise ConfigError(f"{file} exists already; give the backup a name of its own")
    if not file.absolute().parent.is_dir():
        raise ConfigError(f"there is no folder {file.absolute().parent} for the backup; make it first")
    with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=".backup-") as folder:
        copy = Path(folder) / "copy"
        where = located(url)
        if where.get_backend_name() == "sqlite":
            _copied(_existing(where), copy)
        else:
            _run("pg_dump", where, "--format=custom", f"--file={copy}")
        _kept(copy, file)


def restore(url: str, file: Path, *, replace: bool = False) -> None:
    """Make the store at `url` what it was when `file` was written; its audit log is checked (SQLite: before it counts).

    Raises
    ------
    ConfigError
        There is no such file, it is no backup or a damaged one, or there is a store and `replace` is not given.
    """
    if not file.is_file():
        raise ConfigError(f"there is no backup {file}")
    where = located(url)
    if where.get_backend_name() == "sqlite":
        _restore_sqlite(where, file, replace=replace)
        return
    if not replace and _tables(where):
        raise ConfigError("the database holds cases already; stop the desk and give --replace to put the backup there")
    _run("pg_restore", where, "--clean", "--if-exists", "--no-owner", "--single-transaction", str(file), dbname=True)
    if problems := _problems(url):
        raise ConfigError(f"restored, but the audit log of {file} does not hold ({problems[0]}); take another backup")


def _restore_sqlite(where: URL, file: Path, *, replace: bool) -> None:
    there = Path(str(where.database))
    if there.exists() and not replace:
        raise ConfigError(f"{there} exists already; stop the desk and give --replace to put the backup there")
    with tempfile.TemporaryDirectory(dir=there.parent, prefix=".restore-") as folder:
        copy = Path(folder) / "copy"
        shutil.copyfile(file, copy)
        _check_sqlite(copy, file)
        for beside in ("-wal", "-shm", "-journal"):
            Path(f"{there}{beside}").unlink(missing_ok=True)
        _kept(copy, there)


def _check_sqlite(copy: Path, file: Path) -> None:
    try:
        with closing(sqlite3.connect(copy)) as connection:
            sound = connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            # An empty file is a sound database too, and one of somebody else's would become a store without cases.
            ours = connection.execute("SELECT count(*) FROM sqlite_master WHERE name IN ('cases', 'feedback')")
            sound = sound and ours.fetchone()[0] == 2
    except sqlite3.DatabaseError:
        sound = False
    if not sound:
        raise ConfigError(f"{file} is no backup of a case store, or it is damaged; take another one")
    if problems := _problems(f"sqlite:///{copy}"):
        raise ConfigError(f"the audit log of {file} does not hold ({problems[0]}); take another backup")


def _problems(url: str) -> list[str]:
    store = Store.open(url, Policy())
    try:
        return store.audit()
    finally:
        store.close()


def _kept(copy: Path, target: Path) -> None:
    """Give `copy` the name `target` once it is on the disk, whole."""
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    copy.replace(target)
    sync_folder(target.parent)


def _copied(source: Path, copy: Path) -> None:
    try:
        with closing(sqlite3.connect(source)) as there, closing(sqlite3.connect(copy)) as here:
            there.backup(here)
    except sqlite3.DatabaseError as error:
        raise ConfigError(f"the case store {source} cannot be read: {error}") from error


def _existing(where: URL) -> Path:
    path = Path(str(where.database))
    if not path.is_file():
        raise ConfigError(f"there is no case store {path} to back up")
    return path


def _tables(where: URL) -> bool:
    said = _run("psql", where, "--tuples-only", "--command=SELECT to_regclass('cases')", dbname=True)
    return "cases" in said


def _run(program: str, where: URL, *arguments: str, dbname: bool = False) -> str:
    """Return what a program of PostgreSQL printed; the password goes by the environment, never by the command line."""
    if shutil.which(program) is None:
        raise ConfigError(f"{program} is not installed; it comes with PostgreSQL's client programs")
    address = where.set(drivername="postgresql", password=None).render_as_string()
    environment = {"PATH": "/usr/bin:/bin:/usr/local/bin", "PGPASSWORD": str(where.password or "")}
    target = [f"--dbname={address}"] if dbname else [address]
    done = subprocess.run([program, *arguments, *target] if not dbname else [program, *target, *arguments],
                          capture_output=True, text=True, env=environment, check=False)  # fmt: skip
    if done.returncode:
        raise ConfigError(f"{program} failed: {' '.join(done.stderr.split())[:300]}")
    return done.stdout
