"""Files that are whole or not there, whatever happens while they are written.

Every byte goes through `os.write`, every file through `os.fsync` before `os.replace` gives it its name, and every name
through an `os.fsync` of its folder: the calls that `tests/faults` lets fail or die, one after the other.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

BLOCK = 2**20
_AT_FDCWD, _EXCHANGE = -100, 2


class DurableFile:
    """A new file that is on the disk once it is closed; Arrow and `csv` write into it."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        self._held = bytearray()
        self._size = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        """Take all of `data`; it goes to the system in blocks of `BLOCK` bytes."""
        whole = memoryview(data).cast("B")
        self._held += whole
        self._size += len(whole)
        if len(self._held) >= BLOCK:
            self.flush()
        return len(whole)

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self._size

    def flush(self) -> None:
        """Hand what is held to the system; a write that it cuts short is gone on with."""
        held, self._held = memoryview(bytes(self._held)), bytearray()
        while held:
            held = held[os.write(self._handle, held) :]

    def readable(self) -> bool:
        """Return whether it can be read: no."""
        return False

    def writable(self) -> bool:
        """Return whether it can be written: yes."""
        return True

    def seekable(self) -> bool:
        """Return whether one can go back in it: no."""
        return False

    def close(self) -> None:
        """Wait until the disk has it."""
        if not self.closed:
            self.closed = True
            try:
                self.flush()
                os.fsync(self._handle)
            finally:
                os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def write_file(path: Path, data: bytes | memoryview) -> None:
    """Write `data` under a passing name, and give it its own when the disk has it."""
    passing = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with DurableFile(passing) as file:
            file.write(data)
        os.replace(passing, path)
    except OSError:
        passing.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, and wait until the disk has it; a line that a death cut short before is ended first."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(handle).st_size
        cut = size and os.pread(handle, 1, size - 1) != b"\n"
        held = memoryview(f"{chr(10) if cut else ''}{line}\n".encode())
        while held:
            held = held[os.write(handle, held) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Wait until the disk has the names in `folder`."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put_in_place(folder: Path, target: Path) -> None:
    """Give `folder` the name `target` at one stroke; what had the name, if anything, is gone afterwards.

    Where the system cannot exchange two names (``renameat2`` of Linux), an earlier folder is moved aside first.
    """
    if not target.exists():
        os.rename(folder, target)
    elif _exchanged(folder, target):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent)) / target.name
        os.rename(target, aside)
        try:
            os.rename(folder, target)
        except OSError:
            os.rename(aside, target)
            raise
        finally:
            shutil.rmtree(aside.parent, ignore_errors=True)
    sync_folder(target.parent)


def _exchanged(one: Path, other: Path) -> bool:
    """Return whether two names were exchanged, which is one step for whoever looks."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError):
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0)
