"""Customers' texts cut into pieces that a page can show safely: plain, telling, or hidden made visible."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import islice
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


def excerpt(text: str, words: Iterable[str] = (), *, limit: int = 175) -> list[Segment]:
    """Return at most about `limit` characters of `text` on one line: where it tells most, or else its beginning."""
    flat = _SPACE.sub(" ", text).strip()
    words = list(words)
    start = _telling_start(flat, _pattern(words), limit) if len(flat) > limit else 0
    end = start + limit
    if end < len(flat):
        # Cut between words, unless the text has none.
        space = flat.rfind(" ", start + limit // 2, end)
        end = space if space > 0 else end
    return segments(f"{'… ' if start else ''}{flat[start:end]}{' …' if end < len(flat) else ''}", words)


def _telling_start(flat: str, pattern: re.Pattern[str] | None, limit: int) -> int:
    """Return where the window with the most different telling words begins; the earliest of equals."""
    matches = islice(pattern.finditer(flat), 100) if pattern else ()
    found = [(match.start(), match.end(), match[0].lower()) for match in matches]
    # Some words before the first mark give it its sense; the last window ends with the text.
    lead = limit // 4
    starts = [0, *(flat.rfind(" ", 0, max(min(at - lead, len(flat) - limit), 1)) + 1 for at, _, _ in found)]
    return max(starts, key=lambda start: (_told(found, start, start + limit - 10), -start))


def _told(found: list[tuple[int, int, str]], start: int, end: int) -> int:
    return len({word for at, stop, word in found if start <= at and stop <= end})


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
        if _goes_on(text, match):
            continue
        if match.start() > at:
            yield _plain(text[at : match.start()])
        yield Segment(match[0], match[0], "mark")
        at = match.end()
    if at < len(text):
        yield _plain(text[at:])


def _goes_on(text: str, match: re.Match[str]) -> bool:
    """Return whether a vowel sign or an accent, which is no letter to `re`, joins the match to more of its word."""
    around = text[max(match.start() - 1, 0) : match.start()] + text[match.end() : match.end() + 1]
    return any(unicodedata.category(character).startswith("M") for character in around)


def _plain(text: str) -> Segment:
    return Segment(text, text, "plain")
