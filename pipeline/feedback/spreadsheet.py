"""Texts of customers in files that people open with a spreadsheet."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # a cell that begins so is run


def inert(text: str) -> str:
    """Return `text` as a cell that a spreadsheet shows and never runs."""
    return f"'{text}" if text.startswith(_FORMULA) else text
