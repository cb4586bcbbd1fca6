"""Where our columns lie in a file."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from models.schema import Schema
from models.text import mask

from .cells import trim
from .record import FileRefused

NAMES = ("created_at", "channel", "lang", "industry", "customer_id", "customer_value", "reach", "nps", "rating")
INPUTS = ("id", "text", *NAMES)
# Under this name the reader hands over the column that says train, calibration or test.
SPLIT = "split"
# What exports call the text; used only to propose a mapping.
_USUAL = ("text", "body", "comment", "message", "review", "feedback", "narrative", "verbatim", "content", "description")


@dataclass(frozen=True)
class Layout:
    """The columns wanted of one source: under our name, what each is called there."""

    source: str
    foreign: Mapping[str, str]

    @classmethod
    def of(
        cls,
        source: str,
        columns: Mapping[str, str],
        schema: Schema | None = None,
        split_column: str | None = None,
        others: Sequence[str] = (),
    ) -> Layout:
        """Return the layout for the canonical columns, heads of `schema`, split and `others`; `columns` renames."""
        heads = schema.names if schema else []
        foreign = {name: trim(columns.get(name, name)) for name in (*INPUTS, *heads, *others)}
        if split_column:
            foreign[SPLIT] = trim(split_column)
        return cls(source, foreign)

    def locate(self, header: Sequence[str]) -> dict[str, int]:
        """Return the position in `header` of each wanted column that is there.

        Raises
        ------
        FileRefused
            ``duplicate_column``, ``missing_column``.
        """
        found = [trim(name) for name in header]
        positions: dict[str, int] = {}
        for index, name in enumerate(found):
            # Spreadsheets leave unnamed columns behind; nobody can ask for one, so they may repeat.
            if name and positions.setdefault(name, index) != index:
                sentence = (
                    f"the column {_shown(name)} stands there twice, columns {positions[name] + 1} and {index + 1}"
                )
                raise FileRefused(self.source, "duplicate_column", f"{sentence}; rename or remove one of them")
        if self.foreign["text"] not in positions:
            raise FileRefused(self.source, "missing_column", self._no_text([name for name in found if name]))
        return {ours: positions[theirs] for ours, theirs in self.foreign.items() if theirs in positions}

    def columns(self, rows: Sequence[Mapping[str, object]], *, ids: bool | None = None) -> dict[str, Sequence[object]]:
        """Return, under our names, what objects hold; there are ids where `ids`, by default if the first object has."""
        if ids is None:
            ids = bool(rows) and self.foreign["id"] in rows[0]
        wanted = {ours: theirs for ours, theirs in self.foreign.items() if ours != "id" or ids}
        return {ours: [row.get(theirs) for row in rows] for ours, theirs in wanted.items()}

    def _no_text(self, found: Sequence[str]) -> str:
        wanted = self.foreign["text"]
        sentence = f"there is no column {_shown(wanted)} to take the text from"
        if not found:
            return f"{sentence}; the first record must name the columns, and it names none"
        if not all(map(_is_name, found)):
            return f"{sentence}; its first line does not look like the names of columns: export it with a header"
        names = ", ".join(_shown(name) for name in found[:20]) + (", ..." if len(found) > 20 else "")
        if len(found) == 1 and (";" in found[0] or "\t" in found[0]):
            return f"{sentence}; it has one column, {names}: export it with commas, or with tabs as .tsv"
        candidates = [name for name in found if name.isprintable()]
        if not candidates:
            return f"{sentence}; it has {names}: export it again with a column named text"
        candidate = _most_like(wanted, candidates)
        quoted = f"'{candidate}'" if "'" not in candidate else shlex.quote(candidate)
        return f"{sentence}; it has {names}; if the text is there, add --set ingest.columns.text={quoted}"


def _is_name(text: str) -> bool:
    """Return whether a text may be a column's name: what customers wrote must not be shown."""
    return len(text) <= 60 and len(text.split()) <= 8 and mask(text) == text


def _most_like(wanted: str, found: Sequence[str]) -> str:
    """Return the one of `found` that most likely holds the text."""
    folded = {name.casefold(): name for name in reversed(found)}
    for word in (wanted.casefold(), *_USUAL):
        if word in folded:
            return folded[word]
    for word in _USUAL:
        for name in found:
            if word in name.casefold():
                return name
    return next(iter(difflib.get_close_matches(wanted, found, 1, cutoff=0.0)), found[0])


def _shown(name: str) -> str:
    return repr(name if len(name) <= 60 else f"{name[:57]}...")
