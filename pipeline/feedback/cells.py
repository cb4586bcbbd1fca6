"""What one cell says: the trimming, the dates, the numbers and the names, alike for files and for the API."""

from __future__ import annotations

import datetime
import math
import re
from decimal import Decimal
from functools import lru_cache

# Unicode categories Zs Zl Zp Cc Cf, written as ranges: finding them takes a tenth of a second, which every start of
# every command would pay. A test compares them with `unicodedata`. The last line is the letters that show nothing.
_BLANKS = (
    (0x0, 0x20), (0x7F, 0xA0), (0xAD, 0xAD), (0x600, 0x605), (0x61C, 0x61C), (0x6DD, 0x6DD), (0x70F, 0x70F),
    (0x890, 0x891), (0x8E2, 0x8E2), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x200F), (0x2028, 0x202F),
    (0x205F, 0x2064), (0x2066, 0x206F), (0x3000, 0x3000), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB), (0x110BD, 0x110BD),
    (0x110CD, 0x110CD), (0x13430, 0x13438), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0001, 0xE0001),
    (0xE0020, 0xE007F),
    (0x115F, 0x1160), (0x2800, 0x2800), (0x3164, 0x3164), (0xFFA0, 0xFFA0),
)  # fmt: skip
_TRIMMED = "".join(chr(code) for first, last in _BLANKS for code in range(first, last + 1))

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?)?"
)


class CellError(ValueError):
    """A cell that breaks the rule of its column; its row is rejected."""


def trim(text: str) -> str:
    """Return `text` without the white space, control, format and blank-looking characters at its two ends."""
    return text.strip(_TRIMMED)


def is_integer(value: object) -> bool:
    """Return whether `value` is an integer; a boolean is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def identifier(value: object) -> str | None:
    """Return the id that a cell holds, an integer as its decimal string; None where it holds none."""
    if isinstance(value, str):
        return trim(value) or None
    return str(value) if is_integer(value) else None


def name(value: object) -> str | None:
    """Return a free value such as a channel as text; None where the cell is empty or holds a list or an object."""
    if isinstance(value, str):
        return trim(value) or None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isnan(value):  # how a data frame writes that nothing is there
        return None
    if isinstance(value, float) and value.is_integer():  # how a data frame writes a whole number beside an empty cell
        return str(int(value))
    return str(value) if isinstance(value, (int, float, Decimal)) else None


@lru_cache(maxsize=4096)
def _real_date(year: str, month: str, day: str) -> bool:
    try:
        datetime.date(int(year), int(month), int(day))
    except ValueError:
        return False
    return True


def moment(value: object) -> str | None:
    """Return the date or date and time of a cell, as written; None where the cell is empty.

    Raises
    ------
    CellError
        It is not an ISO 8601 text of the accepted forms, or no real date.
    """
    if value is None:
        return None
    if not isinstance(value, str):
        raise CellError("a date must be text such as 2026-01-31T09:30:00Z")
    text = trim(value)
    if not text:
        return None
    match = _MOMENT.fullmatch(text)
    if match is None or not _real_date(*match.groups()):
        raise CellError("a date must be real and read like 2026-01-31 or 2026-01-31T09:30:00Z")
    return text


def number(value: object) -> float | None:
    """Return the finite number that a cell states; None where the cell is empty.

    Raises
    ------
    CellError
        It is no number in plain decimal or exponent notation, or it is not finite.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _written_number(value) if len(value) <= 40 else _written_number.__wrapped__(value)
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        raise CellError("a number was expected")
    try:
        return _finite(float(value))
    except OverflowError:
        raise CellError("the number is too large") from None


# A column of answers holds few different ones; remembering them takes half the time.
@lru_cache(maxsize=4096)
def _written_number(text: str) -> float | None:
    text = trim(text)
    if not text:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise CellError("a number must be written in plain decimal or exponent notation")
    return _finite(float(text))


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise CellError("the number is not finite")
    return value
