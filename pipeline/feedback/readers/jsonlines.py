"""JSON Lines: one object per line, strictly RFC 8259."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NoReturn

from pipeline.settings import Ingest

from ..encoding import has_surrogate, text_blocks
from ..layout import Layout
from ..record import Chunk
from ..sources import SourceFile
from ..strings import DEEPEST, strings_and_depth
from .chunks import in_chunks

Record = tuple[dict[str, Any], str | None, int]

# A longer line is not parsed: parsed, it might take thirty times its length in memory.
LONGEST_LINE = 16 * 2**20
LONGEST_NUMBER = 4_300  # digits
_BLANK = " \t\r\n"
# A pair of escaped surrogates is one character; one alone, caught by the group, is none. The last alternative passes
# over other escapes, so that the backslash in "\\ud800" is not taken for the start of one.
_HIGH, _LOW, _ANY = "u[dD][89abAB][0-9a-fA-F]{2}", "u[dD][c-fC-F][0-9a-fA-F]{2}", "u[dD][89a-fA-F][0-9a-fA-F]{2}"
_LONGEST_ESCAPE = 12
_ESCAPE = re.compile(rf"\\(?:{_HIGH}\\{_LOW}|({_ANY})|.)", re.DOTALL)


def read_jsonl(file: SourceFile, layout: Layout, ingest: Ingest) -> Iterator[Chunk]:
    """Yield the records of a JSON Lines file; it has ids if its first valid object has."""
    has_ids: bool | None = None

    def columns(rows: Sequence[dict[str, Any]]) -> dict[str, Sequence[object]]:
        nonlocal has_ids
        if has_ids is None and rows:
            has_ids = layout.foreign["id"] in rows[0]
        return layout.columns(rows, ids=bool(has_ids))

    records = (parse(line) for line in lines(text_blocks(file, ingest)))
    yield from in_chunks(records, columns, ingest.batch_rows)


def lines(blocks: Iterable[str]) -> Iterator[str | _LongLine]:
    """Yield the lines that are not blank; of one beyond `LONGEST_LINE` characters only what is known of it."""
    held: list[str] = []
    size = 0
    long: _LongLine | None = None
    for block in blocks:
        *ended, rest = block.split("\n")
        for end in ended:
            if long:
                long.add(end)
                yield long
            elif (line := "".join([*held, end]) if held else end).strip(_BLANK):
                yield line
            held, size, long = [], 0, None
        if long:
            long.add(rest)
            continue
        held.append(rest)
        size += len(rest)
        if size > LONGEST_LINE:
            long = _LongLine("".join(held))
            held = []
    if long:
        yield long
    elif (line := "".join(held)).strip(_BLANK):
        yield line


class _LongLine:
    """What is kept of a line too long to be parsed."""

    def __init__(self, start: str) -> None:
        self._is_object = start.lstrip(_BLANK).startswith("{")
        self._end = ""
        self._undecided = ""
        self._bad_encoding = False
        self.add(start)

    def add(self, piece: str) -> None:
        """Take notice of a further piece of the line."""
        self._end = (self._end + piece[-8:]).rstrip(_BLANK)[-8:] if piece.strip(_BLANK) else self._end
        self._bad_encoding |= has_surrogate(piece)
        # The last characters wait for the next piece, which may go on with an escape that begins in them.
        text = self._undecided + piece
        decided = len(text) - _LONGEST_ESCAPE
        for match in _ESCAPE.finditer(text):
            if match.start() >= len(text) - _LONGEST_ESCAPE:
                break
            self._bad_encoding |= match[1] is not None
            decided = max(decided, match.end())
        self._undecided = text[max(decided, 0) :]

    def record(self) -> Record:
        """Return the record as rejected: an object this long holds a text too long, anything else is malformed."""
        bad_encoding = self._bad_encoding or _lone_surrogate_escape(self._undecided)
        whole = self._is_object and self._end.endswith("}")
        return {}, "bad_encoding" if bad_encoding else "text_too_long" if whole else "malformed_record", 0


def parse(line: str | _LongLine) -> Record:
    """Return the object that a line holds, or the reason why it holds none, and its length."""
    if isinstance(line, _LongLine):
        return line.record()
    if has_surrogate(line) or _lone_surrogate_escape(line):
        return {}, "bad_encoding", len(line)
    try:
        value = (_DECODER if len(line) <= LONGEST_NUMBER else _CAREFUL_DECODER).decode(line)
    except (ValueError, RecursionError):
        return {}, "malformed_record", len(line)
    if type(value) is not dict:  # a `_Repeating` is not one either
        return {}, "malformed_record", len(line)
    deep = line.count("{") + line.count("[") > DEEPEST
    escaped_nul = "\\u0000" in line
    if deep or escaped_nul:
        texts, depth = strings_and_depth(value)
        if depth > DEEPEST:
            return {}, "malformed_record", len(line)
        if any("\0" in text for text in texts):
            return {}, "nul_char", len(line)
    return value, None, len(line)


def _lone_surrogate_escape(line: str) -> bool:
    if "\\ud" not in line and "\\uD" not in line:
        return False
    return any(match[1] for match in _ESCAPE.finditer(line))


class _Repeating(dict[str, Any]):
    """An object in which a key stands twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    return value if len(value) == len(pairs) else _Repeating(value)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _short(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(literal: str) -> Any:
        if len(literal) > LONGEST_NUMBER and sum(map(str.isdigit, literal)) > LONGEST_NUMBER:
            raise ValueError("the number has too many digits")
        return kind(literal)

    return read


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
# The built-in conversions, which a line too short for a long number can keep, are faster.
_CAREFUL_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_no_constant, parse_int=_short(int), parse_float=_short(float)
)
