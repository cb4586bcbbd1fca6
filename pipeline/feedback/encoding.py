"""Text out of bytes: refused where it is no UTF-8 text at all, and otherwise never lost or guessed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

from pipeline.settings import Ingest

from .containers import blocks, empty
from .record import FileRefused
from .sources import SourceFile

_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_FOREIGN = (
    (re.compile(rb"PAR1"), "a Parquet file", "rename it to .parquet"),
    (re.compile(rb"\x1f\x8b"), "a gzip file", "add .gz to its name"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "a zstd file", "add .zst to its name"),
    (
        re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08)"),
        "a zip file or an Excel workbook",
        "unpack it or save it as CSV UTF-8",
    ),
    (re.compile(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "an old Excel or Office file", "save it as CSV UTF-8"),
    (re.compile(rb"%PDF"), "a PDF", "export the feedback itself as CSV"),
    (re.compile(rb"SQLite format 3\x00"), "an SQLite database", "export its table as CSV"),
    (re.compile(rb"BZh[1-9]"), "a bzip2 file", "unpack it or compress it as .gz"),
    (re.compile(rb"\xfd7zXZ\x00"), "an xz file", "unpack it or compress it as .gz"),
)
_LONGEST_LEAD = 16


def text_blocks(file: SourceFile, ingest: Ingest) -> Iterator[str]:
    """Yield the text of a file in blocks, without a byte order mark.

    A byte that is not UTF-8 comes as a lone surrogate, so that the records around it can still be told apart.

    Raises
    ------
    FileRefused
        ``unsupported_encoding``, ``type_mismatch``, and what `containers.blocks` raises.
    """
    yield from decoded(_checked(file, blocks(file, ingest)))


def decoded(content: Iterable[bytes]) -> Iterator[str]:
    """Yield `content` as text, block by block; what is not strict UTF-8 becomes lone surrogates."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    first = True
    for block in content:
        text = decoder.decode(block)
        if text:
            yield text.removeprefix("\ufeff") if first else text
            first = False
    if rest := decoder.decode(b"", final=True):
        yield rest


def is_clean(text: str) -> bool:
    """Return whether `text` was strict UTF-8 without a NUL, which is true of all but a few blocks."""
    return not has_surrogate(text) and "\0" not in text


def has_surrogate(text: str) -> bool:
    """Return whether `text` holds a lone surrogate, the trace of bytes or escapes that are no characters."""
    if text.isascii():
        return False
    try:
        text.encode()  # ten times faster than searching
    except UnicodeEncodeError:
        return True
    return False


def _checked(file: SourceFile, content: Iterator[bytes]) -> Iterator[bytes]:
    lead = b""
    for block in content:
        lead += block
        if len(lead) >= _LONGEST_LEAD:
            break
    if not lead:
        raise empty(file)
    if lead.startswith(_UTF16):
        sentence = "it is written in UTF-16 or UTF-32, UTF-8 was expected; save it again as UTF-8"
        raise FileRefused(file.name, "unsupported_encoding", sentence)
    for magic, what, advice in _FOREIGN:
        if magic.match(lead):
            sentence = f"its name says .{file.format}, its content is {what}; {advice}"
            raise FileRefused(file.name, "type_mismatch", sentence)
    yield lead
    yield from content
