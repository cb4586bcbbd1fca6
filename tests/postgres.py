"""A real PostgreSQL for the tests: one server per pytest process, started when a test first asks, a database per test.

With pytest-xdist every worker has its own. Its time zone is an odd one, so that nothing leans on the server's.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest

ABSENT = "PostgreSQL is not installed; to run the tests that need it: apt-get install postgresql"
ZONE = "America/St_Johns"
_SERVER = pytest.StashKey["Server"]()


@dataclass
class Server:
    """A server in a folder of its own, for as long as the tests run."""

    programs: Path
    folder: Path
    port: int = 0
    _names: count[int] = field(default_factory=count)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        for last in (False, False, True):  # somebody may take the port between our look and the server's
            self.port = _free_port()
            options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder, "fsync": "off",
                       "full_page_writes": "off", "max_connections": 200, "timezone": ZONE,
                       "lock_timeout": "120s"}  # fmt: skip
            given = " ".join(f"-c {name}={value}" for name, value in options.items())
            try:
                self._run("pg_ctl", "-w", "-l", f"{self.folder}/log", "-o", f"-p {self.port} {given}", "start")
                return
            except subprocess.CalledProcessError:
                if last:
                    raise

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "fast", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def create(self, template: str = "template0") -> str:
        """Return the name of a new database that is as `template` is."""
        name = f"of_a_test_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def _run(self, program: str, *arguments: str) -> None:
        # It refuses to run as root; the folder we stand in may be closed to its user.
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*user, str(self.programs / program), "-D", f"{self.folder}/data", *arguments]
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def server(config: pytest.Config) -> Server:
    """Return the server of this pytest process; the test is skipped where there is none, and fails so in CI."""
    if _SERVER not in config.stash:
        programs = _programs()
        if programs is None:
            if os.environ.get("CI"):
                pytest.fail(ABSENT)
            pytest.skip(ABSENT)
        folder = Path(tempfile.mkdtemp(prefix="amends-postgresql-"))
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        made = Server(programs, folder)
        made.start()
        config.add_cleanup(made.stop)
        config.stash[_SERVER] = made
    return config.stash[_SERVER]


def _programs() -> Path | None:
    """Return the folder of the newest PostgreSQL; Debian keeps its programs off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: _number(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


def _number(text: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", text))


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])
