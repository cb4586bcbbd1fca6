"""Every string inside a parsed value, and how deep the value is nested."""

from __future__ import annotations

from .encoding import has_surrogate

DEEPEST = 64


def fault_of(value: object) -> str | None:
    """Return the reason why a parsed record cannot be used, its strings and its nesting judged; None if it can."""
    texts, depth = strings_and_depth(value)
    if any(has_surrogate(text) for text in texts):
        return "bad_encoding"
    if depth > DEEPEST:
        return "malformed_record"
    return "nul_char" if any("\0" in text for text in texts) else None


def strings_and_depth(value: object) -> tuple[list[str], int]:
    """Return the strings and keys in `value`, and how many lists and objects enclose its innermost part."""
    texts: list[str] = []
    depth = 0
    level = [value]
    while level:
        inner: list[object] = []
        nested = False
        for part in level:
            if isinstance(part, str):
                texts.append(part)
            elif isinstance(part, dict):
                nested = True
                inner += part
                inner += part.values()
            elif isinstance(part, (list, tuple)):
                nested = True
                inner += part
        depth += nested
        level = inner
    return texts, depth
