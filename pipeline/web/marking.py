"""Customers' texts cut into pieces that a page can show safely: plain, telling, or hidden made visible."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# Controls, direction marks, zero-width and filler characters, tags, line separators: what can reorder or hide a page.
_HIDDEN = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Joiners belong to emoji families and to Persian or Hindi words; beside a plain letter they only hide something.
_JOINER = "(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
_SHOWN = re.compile(f"[{_HIDDEN}]|{_JOINER}")
_SPACE = re.compile(r"[ \t\r\n]+")
_MOST_WORDS, _LONGEST_WORD = 64, 80


class Segment(NamedTuple):
    """A piece of a text: what it was, how it is shown, and as what (``plain``, ``mark`` or ``hidden``)."""

    raw: str
    shown: str
    kind: str


def visible(text: str) -> str:
    """Return `text` with every hidden character as a token such as ⟨U+202E⟩."""
    return _SHOWN.sub(lambda match: _token(match[0]), text)


def segments(text: str, words: Iterable[str] = ()) -> list[Segment]:
    """Return `text` in pieces, with whole-word, case-blind occurrences of `words` marked; no character is lost."""
    pattern = _pattern(words)
    pieces: list[Segment] = []
    at = 0
    for hidden in _SHOWN.finditer(text):
        pieces += _marked(text[at : hidden.start()], pattern)
        pieces.append(Segment(hidden[0], _token(hidden[0]), "hidden"))
        at = hidden.end()
    return pieces + list(_marked(text[at:], pattern))


def excerpt(text: str, words: Iterable[str] = (), *, limit: int = 230) -> list[Segment]:
    """Return at most about `limit` characters of `text` on one line, so cut that the first telling word is in it."""
    flat = _SPACE.sub(" ", text).strip()
    words = list(words)
    pattern = _pattern(words)
    first = pattern.search(flat) if pattern else None
    start = 0
    if first and first.end() > limit - 20:
        start = flat.rfind(" ", 0, max(first.start() - limit // 4, 0)) + 1
    end = start + limit
    if end < len(flat):
        # Cut between words, unless the text has none.
        space = flat.rfind(" ", start + limit // 2, end)
        end = space if space > 0 else end
    cut = flat[start:end]
    return segments(f"{'… ' if start else ''}{cut}{' …' if end < len(flat) else ''}", words)


def _token(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def _pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    parts = [word.split() for word in words if len(word) <= _LONGEST_WORD]
    # The longest first: "never again" must win over "never". A bounded gap keeps the search linear.
    phrases = sorted(
        {r"\s{1,5}".join(map(re.escape, part)) for part in parts if part}, key=lambda one: (-len(one), one)
    )
    if not phrases:
        return None
    return re.compile(rf"(?<!\w)(?:{'|'.join(phrases[:_MOST_WORDS])})(?!\w)", re.IGNORECASE)


def _marked(text: str, pattern: re.Pattern[str] | None) -> Iterator[Segment]:
    at = 0
    for match in pattern.finditer(text) if pattern else ():
        if match.start() > at:
            yield _plain(text[at : match.start()])
        yield Segment(match[0], match[0], "mark")
        at = match.end()
    if at < len(text):
        yield _plain(text[at:])


def _plain(text: str) -> Segment:
    return Segment(text, text, "plain")
