"""The bytes of a file as they were before compression, in bounded blocks, with a guard against bombs."""

from __future__ import annotations

import io
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Protocol

import zstandard

from pipeline.settings import Ingest

from .record import FileRefused, InputError
from .sources import SourceFile, check_regular

BLOCK = 256 * 1024
# Below this, any ratio is harmless; above it, no text of people shrinks by more than this.
RATIO_FROM, RATIO = 4 * 2**20, 200
# Four compressed bytes may unfold to 128 KiB and the libraries stop nowhere between: fed with 1 KiB at a time, they
# put at most 32 MiB into memory before the guard sees them.
STEP = 1024
# A zstd file may also begin with a frame to be skipped, of which there are sixteen kinds.
MAGIC = {"gz": (b"\x1f\x8b",), "zst": (b"\x28\xb5\x2f\xfd", *(bytes([0x50 + n]) + b"\x2a\x4d\x18" for n in range(16)))}
MAGIC_BYTES = 4


def opened(file: SourceFile, *, follow_links: bool = False) -> BinaryIO:
    """Return the plain file opened for reading, never waiting for a pipe that took its place.

    Raises
    ------
    InputError
        The file is missing or may not be read.
    FileRefused
        ``not_regular_file``, ``empty_file``.
    """
    check_regular(file.path, file.name, follow_links=follow_links)
    try:
        number = os.open(file.path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        handle = io.BufferedReader(_Metered(number, file.on_read)) if file.on_read else os.fdopen(number, "rb")
    except OSError as error:
        raise InputError(f"{file.name!r} cannot be opened: {error.strerror}; check its permissions") from error
    status = os.fstat(handle.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        handle.close()
        if status.st_size == 0 and stat.S_ISREG(status.st_mode):
            raise empty(file)
        raise FileRefused(
            file.name, "not_regular_file", "a plain file was expected; it was replaced while being opened"
        )
    return handle


class _Metered(io.FileIO):
    """An open file that tells of every read."""

    def __init__(self, number: int, on_read: Callable[[int], None]) -> None:
        super().__init__(number, "rb")
        self._on_read = on_read

    def readinto(self, buffer: Any) -> int:
        """Read into `buffer`, and return how much."""
        size = super().readinto(buffer) or 0
        self._on_read(size)
        return size


def empty(file: SourceFile) -> FileRefused:
    """Return the refusal of a file that holds nothing."""
    return FileRefused(
        file.name, "empty_file", "it holds 0 bytes, feedback was expected; check the export that wrote it"
    )


def blocks(file: SourceFile, ingest: Ingest) -> Iterator[bytes]:
    """Yield the decompressed content in blocks of about `BLOCK` bytes.

    Raises
    ------
    FileRefused
        ``truncated_container``, ``corrupt_container``, ``bomb``, ``type_mismatch``, ``empty_file``; the first three may
        come after blocks were yielded.
    """
    with opened(file, follow_links=ingest.follow_links) as handle:
        if file.compression is None:
            yield from iter(lambda: handle.read(BLOCK), b"")
            return
        start = handle.read(MAGIC_BYTES)
        handle.seek(0)
        if not _begins(start, file.compression):
            sentence = f"its name says .{file.compression}, its first bytes do not; rename it or compress it again"
            raise FileRefused(file.name, "type_mismatch", sentence)
        guard = Guard(file, ingest)
        yield from _gathered(_decompressed(handle, file.compression, guard))
        if guard.produced == 0:
            raise empty(file)


class Guard:
    """Counts what goes into and comes out of a decompressor, and stops a bomb before it fills the memory."""

    def __init__(self, file: SourceFile, ingest: Ingest) -> None:
        self.file = file
        self.limit = ingest.max_decompressed_mib * 2**20
        self.consumed = 0
        self.produced = 0

    def count(self, consumed: int, produced: int) -> None:
        """Add `consumed` bytes in and `produced` bytes out.

        Raises
        ------
        FileRefused
            ``bomb``.
        """
        self.consumed += consumed
        self.produced += produced
        if self.produced > self.limit:
            raise bomb(self.file.name, f"it decompresses to more than {self.limit / 2**20:g} MiB")
        if self.produced > RATIO_FROM and self.produced > RATIO * self.consumed:
            raise bomb(self.file.name, f"{self.consumed:,} bytes of it decompress to {self.produced:,}")

    def truncated(self) -> FileRefused:
        """Return the refusal of a container that ends early."""
        sentence = f"it ends in the middle of its .{self.file.compression} stream; copy or export it again"
        return FileRefused(self.file.name, "truncated_container", sentence)

    def corrupt(self, why: object) -> FileRefused:
        """Return the refusal of a container that does not decompress."""
        sentence = f"its .{self.file.compression} stream cannot be decompressed ({why}); copy or export it again"
        return FileRefused(self.file.name, "corrupt_container", sentence)


def bomb(source: str, what: str) -> FileRefused:
    """Return the refusal of a file that would blow up."""
    advice = f"at most {RATIO}:1 and ingest.max_decompressed_mib are accepted; check its origin, or unpack or split it"
    return FileRefused(source, "bomb", f"{what}; {advice}")


class _Stream(Protocol):
    """One gzip member or zstd frame being decompressed."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """What was given beyond its end."""

    def decompress(self, data: bytes, /) -> bytes:
        """Return what `data` unfolds to."""


DECOMPRESSORS: dict[str, Callable[[], _Stream]] = {
    "gz": lambda: zlib.decompressobj(wbits=31),
    "zst": lambda: zstandard.ZstdDecompressor().decompressobj(),
}


def _decompressed(handle: BinaryIO, compression: str, guard: Guard) -> Iterator[bytes]:
    """Yield what the members of a container unfold to, one after the other."""
    stream: _Stream | None = None
    waiting = b""
    while data := waiting or handle.read(STEP):
        waiting = b""
        if stream is None:
            data += handle.read(MAGIC_BYTES - len(data)) if len(data) < MAGIC_BYTES else b""
            if not _begins(data, compression):
                raise guard.corrupt("something else follows its end")
            stream = DECOMPRESSORS[compression]()
        try:
            piece = stream.decompress(data)
        except (zlib.error, zstandard.ZstdError) as error:
            raise guard.corrupt(error) from error
        waiting = stream.unused_data if stream.eof else b""
        guard.count(len(data) - len(waiting), len(piece))
        yield piece
        if stream.eof:
            stream = None
    if stream is not None:
        raise guard.truncated()


def _begins(data: bytes, compression: str) -> bool:
    """Return whether `data` begins like the container, or is too short to say otherwise."""
    return any(data[: len(magic)] == magic[: len(data)] for magic in MAGIC[compression])


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in blocks of `BLOCK`, the last one shorter."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= BLOCK:
            yield bytes(held[:BLOCK])
            del held[:BLOCK]
    if held:
        yield bytes(held)
