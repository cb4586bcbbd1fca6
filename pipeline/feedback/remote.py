"""Feedback that lies elsewhere: object stores and web addresses by fsspec, databases by SQLAlchemy.

What is elsewhere is fetched into a folder once, and read from there: a job that died goes on with the bytes it began
with. The folder is the job's own, and goes with it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pipeline.config import Config

from .record import InputError
from .sources import Discovery, SourceFile, discover, formats_of

EXTRAS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs"}
BATCH = 10_000  # rows of a query that are held at a time
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_PASSWORD = re.compile(r"(://[^/:@]*:).*@", re.DOTALL)
_READS = re.compile(r"\s*(?:select|with|values)\b", re.IGNORECASE)


def gathered(inputs: Sequence[str], config: Config, copies: Path, *, query: str | None = None) -> Discovery:
    """Return the files that `inputs` stand for: files, folders, globs, and addresses, which are fetched into `copies`.

    With a `query`, the one input is the SQLAlchemy URL of a database, and the file holds what the query returns. One
    file that is no file, or may not be read, is left out (`Discovery.refused`) where there are others.

    Raises
    ------
    InputError
        An address that does not answer, or needs a library that is not installed; a query that fails.
    """
    if query is not None:
        if len(inputs) != 1:
            raise InputError(f"--query takes one input, the SQLAlchemy URL of a database; got {len(inputs)}")
        return Discovery([_queried(inputs[0], query, copies)])
    named = [given.removeprefix("file://") for given in inputs]
    near = [given for given in named if not _ADDRESS.match(given)]
    found = discover(near, follow_links=config.ingest.follow_links, tolerant=True) if near else Discovery()
    fetched = {file.name: file for given in named if _ADDRESS.match(given)
               for file in _fetched(given, copies, found.ignored)}  # fmt: skip
    found.files.extend(fetched.values())
    if not found.files:
        raise InputError(f"no feedback file in {', '.join(map(public, inputs))}")
    return found


def public(address: str) -> str:
    """Return an address without its password and without what stands behind its question mark."""
    plain, mark, _ = _PASSWORD.sub(r"\1***@", address).partition("?")
    return f"{plain}?..." if mark else plain


def _fetched(address: str, copies: Path, ignored: list[str]) -> Iterator[SourceFile]:
    import fsspec

    scheme = address.partition("://")[0]
    try:
        system, path = fsspec.url_to_fs(address)
        names = sorted(system.glob(path)) if "*" in path else [path]
        names = [name for given in names for name in (sorted(system.ls(given, detail=False)) if system.isdir(given)
                 else [given])]  # fmt: skip
        for name in names:
            shown = public(system.unstrip_protocol(name))
            format_, compression = formats_of(name)
            if format_ is None:
                ignored.append(shown)
            else:
                yield SourceFile(_copied(system, name, shown, copies), shown, format_, compression)
    except ImportError as error:
        needed = EXTRAS.get(scheme, str(error))
        raise InputError(f"{scheme}:// needs a library that is not installed; pip install {needed}") from error
    except (OSError, ValueError) as error:
        why = " ".join(str(error).split())[:200]
        advice = "check the address and its credentials; a database needs --query"
        raise InputError(f"{public(address)} cannot be read ({why}); {advice}") from error


def _copied(system: Any, name: str, shown: str, copies: Path) -> Path:
    key = hashlib.sha256(f"{shown}\0{system.ukey(name)}".encode()).hexdigest()[:16]
    copy = copies / f"{key}-{os.path.basename(name)}"
    if not copy.exists():
        with _passing(copy) as passing:
            system.get_file(name, str(passing))
    return copy


@contextmanager
def _passing(copy: Path) -> Iterator[Path]:
    """Give a passing name for a file, which gets its own when it is whole; whatever happens, no part of it is left."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    passing = copy.with_name(f"{copy.name}.{os.getpid()}.tmp")
    try:
        yield passing
        passing.replace(copy)
    finally:
        passing.unlink(missing_ok=True)


def _queried(url: str, query: str, copies: Path) -> SourceFile:
    """Return a file of what a query returns; one that is there is of the job that goes on."""
    if not _READS.match(query):
        raise InputError("--query must read: begin it with select, with or values")
    key = hashlib.sha256(f"{url}\0{query}".encode()).hexdigest()[:16]
    copy = copies / f"{key}-query.parquet"
    if not copy.exists():
        with _passing(copy) as passing:
            _write_query(url, query, passing)
    return SourceFile(copy, f"{public(url)}, query {hashlib.sha256(query.encode()).hexdigest()[:8]}", "parquet")


def _write_query(url: str, query: str, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = create_engine(url)
        with engine.connect() as connection:  # nothing is ever committed
            rows = connection.execution_options(stream_results=True, yield_per=BATCH).execute(text(query))
            names = list(rows.keys())
            schema = pa.schema([(name, pa.string()) for name in names])
            with pq.ParquetWriter(path, schema) as writer:
                for part in rows.partitions(BATCH):
                    columns = [
                        pa.array([_cell(value) for value in column], pa.string()) for column in zip(*part, strict=True)
                    ]
                    writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        engine.dispose()
    except (SQLAlchemyError, ImportError, ValueError) as error:
        # A statement may hold what is nobody's business; the driver's own words are enough.
        why = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
        raise InputError(
            f"the query on {public(url)} failed ({why}); check the URL, the driver and the query"
        ) from error


def _cell(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return format(value, "f") if isinstance(value, Decimal) else str(value)
