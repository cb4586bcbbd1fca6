"""Which files the given files, folders and globs stand for."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from .record import FileRefused, InputError

__all__ = ["Discovery", "InputError", "SourceFile", "check_regular", "discover", "formats_of"]

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet"}
COMPRESSIONS = {".gz": "gz", ".zst": "zst"}
_EXPECTED = f"a name ending in {', '.join(FORMATS)}, each also with {' or '.join(COMPRESSIONS)}"


@dataclass(frozen=True)
class SourceFile:
    """A file to read: where it lies, what it is called in rejects and in the manifest, and how it is written.

    `on_read` is told how many bytes more of it are read.
    """

    path: Path
    name: str
    format: str
    compression: str | None = None
    on_read: Callable[[int], None] | None = field(default=None, compare=False, repr=False)

    def sha256(self) -> str:
        """Return the SHA-256 of the file's bytes, as 64 hexadecimal digits."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


@dataclass(frozen=True)
class Discovery:
    """The files to read, in order; the names passed over because their suffix is not one of ours; those refused."""

    files: list[SourceFile] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    refused: list[FileRefused] = field(default_factory=list)


def discover(inputs: Sequence[str | Path], *, follow_links: bool = False, tolerant: bool = False) -> Discovery:
    """Return the files that `inputs` (files, folders, globs) stand for; the same file named twice comes once.

    Raises
    ------
    InputError
        An input names nothing, or a file of unknown suffix, or nothing readable remains.
    FileRefused
        A device, a folder called like a file, or a link that leads out of its folder; `follow_links` allows the link.
        A `tolerant` call leaves such a file out, as long as there are others.
    """
    found = Discovery()
    met: set[tuple[int, int]] = set()
    for given in inputs:
        for name in _expanded(str(given), found.ignored, follow_links):
            file = _source_file(name)
            try:
                check_regular(file.path, file.name, follow_links=follow_links)
                _check_readable(file)
            except FileRefused as error:
                if not tolerant:
                    raise
                found.refused.append(error)
                continue
            status = file.path.stat()
            if (status.st_dev, status.st_ino) not in met:
                met.add((status.st_dev, status.st_ino))
                found.files.append(file)
    if not found.files and found.refused:
        raise found.refused[0]
    if not found.files:
        passed_over = f" (passed over: {', '.join(found.ignored[:5])})" if found.ignored else ""
        named = ", ".join(repr(str(given)) for given in inputs)
        what = f"no feedback file in {named}{passed_over}" if named else "no input was given"
        raise InputError(f"{what}; give {_EXPECTED}, or a folder or glob of such files")
    return found


def _check_readable(file: SourceFile) -> None:
    if not os.access(file.path, os.R_OK):
        raise FileRefused(file.name, "not_regular_file", "it may not be read; check its permissions")


def check_regular(path: Path, name: str, *, follow_links: bool = False) -> None:
    """Return nothing where `path` may be opened: opening a FIFO would wait for ever, a link may lead anywhere.

    Raises
    ------
    InputError
        There is no such file.
    FileRefused
        ``not_regular_file``.
    """
    try:
        if path.is_symlink() and not path.exists():
            raise FileRefused(name, "not_regular_file", "it is a link that leads nowhere; mend or remove it")
        mode = path.stat().st_mode
        outside = path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve())
    except FileNotFoundError:
        raise InputError(f"there is no file {name!r}; give {_EXPECTED}, a folder or a glob") from None
    except OSError as error:
        raise FileRefused(
            name, "not_regular_file", f"it cannot be looked at ({error.strerror}); give a plain file"
        ) from error
    if outside and not follow_links:
        sentence = f"it is a link that leads out of its folder, to {path.resolve()}; copy the file there or set"
        raise FileRefused(name, "not_regular_file", f"{sentence} --set ingest.follow_links=true")
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"
        raise FileRefused(
            name, "not_regular_file", f"a plain file was expected and this is {kind}; rename or remove it"
        )


def _expanded(given: str, ignored: list[str], follow_links: bool) -> Iterator[str]:
    """Yield the names of the files that one input stands for; those of unknown suffix go to `ignored`."""
    if os.path.lexists(given):
        names = [given]
    elif glob.has_magic(given):
        names = sorted(glob.glob(given, recursive=True))
        behind = [] if follow_links else [name for name in names if _behind_link(given, name)]
        if behind:
            sentence = "it lies behind a link that leads out of its folder; name that folder itself or set"
            raise FileRefused(behind[0], "not_regular_file", f"{sentence} --set ingest.follow_links=true")
        if not names:
            raise InputError(f"nothing matches {given!r}; check the folder and quote the pattern for the shell")
    else:
        names = [given]
    for name in names:
        if os.path.isdir(name) and formats_of(name)[0] is None:
            _check_folder(Path(name), name, follow_links)
            yield from _inside(name, ignored)
        elif formats_of(name)[0] is None and name != given:
            ignored.append(name)
        else:
            yield name


def _behind_link(pattern: str, name: str) -> bool:
    """Return whether a folder on the way from the fixed part of `pattern` to `name` is a link that leads out of it."""
    fixed = Path(*takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    return not Path(name).parent.resolve().is_relative_to(fixed.resolve())


def _check_folder(path: Path, name: str, follow_links: bool) -> None:
    if path.is_symlink() and not follow_links and not path.resolve().is_relative_to(path.parent.resolve()):
        sentence = f"it is a link that leads out of its folder, to {path.resolve()}; name that folder itself or set"
        raise FileRefused(name, "not_regular_file", f"{sentence} --set ingest.follow_links=true")


def _inside(folder: str, ignored: list[str]) -> Iterator[str]:
    try:
        entries = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(f"the folder {folder!r} cannot be listed: {error.strerror}; check its permissions") from error
    for entry in entries:
        name = os.path.join(folder, entry)
        if entry.startswith((".", "_")):  # such as .DS_Store and _SUCCESS: marks that tools leave behind
            continue
        if formats_of(entry)[0] is not None:
            yield name
        else:
            ignored.append(name + os.sep if os.path.isdir(name) else name)


def _source_file(name: str) -> SourceFile:
    format_, compression = formats_of(name)
    if format_ is None:
        missing = "" if os.path.lexists(name) else "there is no such file, and "
        raise InputError(f"{name!r} cannot be read: {missing}its suffix is not known; give {_EXPECTED}")
    # A name may hold bytes that are no text; what goes into reports and tables must be.
    shown = os.fsencode(name).decode(errors="backslashreplace")
    return SourceFile(Path(name), shown, format_, compression)


def formats_of(name: str) -> tuple[str | None, str | None]:
    """Return the format and the compression that a name ends in; None for each that it does not state."""
    stem, last = os.path.splitext(os.path.basename(name.rstrip(os.sep)).lower())
    compression = COMPRESSIONS.get(last)
    return FORMATS.get(os.path.splitext(stem)[1] if compression else last), compression
