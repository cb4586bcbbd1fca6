"""Records out of delimiter-separated text (RFC 4180), block by block, in bounded memory and linear time.

The csv module cannot do this: it guesses at broken quotes, joins the rest of a file to one unclosed quote in memory,
and does not tell a malformed record from a whole one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ..cells import trim
from ..encoding import has_surrogate, is_clean
from ..record import MAX_TEXT

# The fields of a record, why it cannot be used if so, and its length in characters.
Record = tuple[Sequence[str], str | None, int]

# Beyond this number of columns a pattern of one group per column takes too long to compile.
_WIDEST_PATTERN = 300


def split(blocks: Iterable[str], delimiter: str) -> Iterator[Record]:
    """Yield the records that `blocks` make up, the header first; the size of the blocks makes no difference.

    Every record must have as many fields as the header. Empty lines are passed over.
    """
    partial = _Partial(delimiter)
    whole: re.Pattern[str] | None = None
    for block in blocks:
        clean = is_clean(block)
        position = 0
        while position < len(block):
            # Nearly all records lie whole in their block: one match takes one apart.
            match = whole.match(block, position) if whole and not partial.begun else None
            if match:
                position = match.end()
                fields = match.groups()
                if block.find('"', match.start(), position) >= 0:
                    fields = tuple([_unquoted(field) for field in fields])
                yield fields, None if clean else _fault(match[0]), position - match.start()
                continue
            position = partial.advance(block, position)
            if partial.ended:
                yield partial.take()
                if whole is None and partial.width and partial.width <= _WIDEST_PATTERN:
                    whole = _record_pattern(delimiter, partial.width)
    if partial.finish():
        yield partial.take()


def _record_pattern(delimiter: str, width: int) -> re.Pattern[str]:
    # Possessive throughout: what a part has taken it keeps, so that a match fails in linear time.
    field = rf'("(?:[^"]++|"")*+"|(?!")[^{delimiter}\r\n]*+)'
    return re.compile(r"[\r\n]*+" + delimiter.join([field] * width) + r"[\r\n]")


def _unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if field[:1] == '"' else field


def _fault(text: str) -> str | None:
    return "bad_encoding" if has_surrogate(text) else "nul_char" if "\0" in text else None


class _Partial:
    """A record read in pieces: across blocks, or because it is malformed or very long.

    Of each field it keeps no more than tells a text that is too long, so that a quote left open in a large file
    costs time but no memory.
    """

    _BEFORE, _FIELD, _PLAIN, _QUOTED, _AFTER_QUOTE = range(5)

    def __init__(self, delimiter: str) -> None:
        self.width: int | None = None  # of the header, once it is taken
        self._breaks = re.compile(r"[\r\n]*+")
        self._plain = re.compile(rf"[^{delimiter}\r\n]*+")
        self._quoted = re.compile(r'(?:[^"]++|"")*+')
        self._ends = delimiter + "\r\n"
        self._reset()

    def _reset(self) -> None:
        self._state = self._BEFORE
        self._fields: list[str] = []
        self._count = self._size = 0
        self._malformed = self._bad_encoding = self._nul = False
        self.ended = False
        self._start_field()

    def _start_field(self) -> None:
        self._pieces: list[str] = []
        self._kept = 0
        self._beyond = ""

    @property
    def begun(self) -> bool:
        """Whether a record has been read in part."""
        return self._state != self._BEFORE

    def advance(self, block: str, position: int) -> int:
        """Return the position in `block` up to which it was read: its end, or the end of the record."""
        if self._state == self._BEFORE:
            position = self._breaks.match(block, position).end()  # type: ignore[union-attr]
        start = position
        while position < len(block) and not self.ended:
            position = self._step(block, position)
        self._size += position - start
        return position

    def _step(self, block: str, position: int) -> int:
        if self._state in (self._BEFORE, self._FIELD):
            self._state = self._QUOTED if block[position] == '"' else self._PLAIN
            return position + (block[position] == '"')
        if self._state == self._QUOTED:
            end = self._quoted.match(block, position).end()  # type: ignore[union-attr]
            self._keep(block[position:end].replace('""', '"'))
            if end < len(block):
                self._state = self._AFTER_QUOTE
            return end + 1
        if self._state == self._AFTER_QUOTE:
            if block[position] == '"':  # a doubled quote, cut in two by the end of a block
                self._keep('"')
                self._state = self._QUOTED
                return position + 1
            self._malformed |= block[position] not in self._ends
            self._state = self._PLAIN
            return position
        end = self._plain.match(block, position).end()  # type: ignore[union-attr]
        self._keep(block[position:end])
        if end < len(block):
            self._end_field(last=block[end] in "\r\n")
        return end + 1

    def _keep(self, piece: str) -> None:
        if not is_clean(piece):
            self._bad_encoding |= has_surrogate(piece)
            self._nul |= "\0" in piece
        room = MAX_TEXT - self._kept
        if room > 0:
            self._pieces.append(piece[:room])
            self._kept += min(room, len(piece))
        if len(piece) > room and not self._beyond.strip():
            # One character stands for the rest; a visible one if there is any, or else the field may look empty.
            self._beyond = trim(piece[max(room, 0) :])[:1] or " "

    def _end_field(self, *, last: bool) -> None:
        self._count += 1
        if self.width is None or self._count <= self.width:
            self._fields.append("".join(self._pieces) + self._beyond)
        self._start_field()
        self._state = self._FIELD
        self.ended = last

    def finish(self) -> bool:
        """Return whether the end of the file ends a record."""
        if self.begun:
            self._malformed |= self._state == self._QUOTED
            self._end_field(last=True)
        return self.ended

    def take(self) -> Record:
        """Return the record that has ended, and be ready for the next; the first one is the header."""
        if self.width is None:
            self.width = self._count
        malformed = self._malformed or self._count != self.width
        fault = "bad_encoding" if self._bad_encoding else "malformed_record" if malformed else None
        record = self._fields, fault or ("nul_char" if self._nul else None), self._size
        self._reset()
        return record
