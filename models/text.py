"""The only preparation of text a model sees: personal data masked, then disguise and spelling variants folded away.

`mask` is for people as well: it replaces personal data and leaves every other character as it was written.
`fold` is for the model's eye alone. Fit and predict both go through `prepare_all`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from .masking import find

# Takes no room on paper: Unicode's format characters (Cf) and the rest of its Default_Ignorable set, and control
# characters that are not white space.
_INVISIBLE = (
    r"\x00-\x08\x0e-\x1b\x7f\x80-\x84\x86-\x9f\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160"
    r"\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_HIDDEN = re.compile(f"[{_INVISIBLE}]+")
# Marks drawn over a letter or digit ("5̶5̶5̶") must not save it from masking either.
_MARKS = r"\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_MARK_RUN = re.compile(f"(?:[{_INVISIBLE}]{{0,4}}[{_MARKS}])*")
_DROPPED = re.compile(f"[{_INVISIBLE}{_MARKS}]+")

# Letters that the eye takes for Latin ones. A lower-case key has its upper-case twin here too, or folding twice would
# not equal folding once; upper-case keys whose lower case looks different ("В", "в") stand alone.
_TWINS = (
    (
        "АаЕеОоРрСсУуХхІіЈјЅѕҺһԀԁԚԛԜԝҮүКкЁё",
        "AaEeOoPpCcYyXxIiJjSsHhDdQqWwYyKkEe",
    ),  # Cyrillic, both cases
    ("ВМНТ", "BMHT"),  # Cyrillic capitals
    ("ΑαΟοΡρΙιΚκΥυΝνΧχϹϲ", "AaOoPpIiKkYuNvXxCc"),  # Greek, both cases
    ("ΒΕΖΗΜΤ", "BEZHMT"),  # Greek capitals
)
_FOREIGN = str.maketrans("".join(foreign for foreign, _ in _TWINS), "".join(latin for _, latin in _TWINS))
_LATIN = str.maketrans({"ı": "i", "ɑ": "a", "ɡ": "g", "ɩ": "i", "ʟ": "l", "ᴏ": "o", "ｌ": "l"})
_LOOKALIKE = re.compile("[" + "".join(map(chr, _FOREIGN)) + "]")
_TRULY_FOREIGN = re.compile("(?![" + "".join(map(chr, _FOREIGN)) + "])[\u0370-\u03ff\u0400-\u052f]")
_LATIN_LETTER = re.compile("[A-Za-z\u00c0-\u024f]")
_WORD = re.compile(r"\w+")

# Before compatibility folding, which would tear "´" into a space and a combining mark.
_PUNCTUATION = str.maketrans(
    dict.fromkeys("‘’‚‛′´ʹʻʼʽˈ＇", "'") | dict.fromkeys("“”„‟″«»〝〞＂", '"') | dict.fromkeys("‐‑‒–—―−﹘﹣－⁃", "-")
)
_STRETCHED = re.compile(r"([^\W\d_])\1{3,}")

_ASCII_RUNS = tuple(4 * letter for letter in "abcdefghijklmnopqrstuvwxyz")

# Nothing personal is written without one of these; a text without them costs one scan. A handle is no address.
_WORTH_A_LOOK = re.compile(r"[\d:=]|(?<=\S)@|(?i:www)\.")
_WORTH_A_LOOK_WIDE = re.compile(
    rf"[\d@:={_INVISIBLE}{_MARKS}\u00b2\u00b3\u00b9\u2070-\u209c\u2460-\u24ff\u2776-\u2793\ufe50-\ufe6b\uff00-\uffef]"
    r"|(?i:www)\."
)


def mask(text: str) -> str:
    """Return `text` with personal data replaced by ``[EMAIL]``, ``[PHONE]``, ``[CARD]``, ... and nothing else changed.

    Masking again changes nothing. What counts as personal is in `masking.FINDERS`.
    """
    plain = text.isascii()
    if not (_WORTH_A_LOOK if plain else _WORTH_A_LOOK_WIDE).search(text):
        return text
    shadow, origin = (text, range(len(text))) if plain and not _HIDDEN.search(text) else _shadow(text)
    if not _WORTH_A_LOOK.search(shadow):  # an emoji's invisible half, or ":" in full width, had called for the shadow
        return text
    pieces, end = [], 0
    for start, stop, label in find(shadow):
        pieces += [text[end : origin[start]], f"[{label}]"]
        end = _MARK_RUN.match(text, origin[stop - 1] + 1).end()  # type: ignore[union-attr]  # it matches "" too
    return "".join(pieces) + text[end:] if pieces else text


def mask_all(texts: Sequence[str]) -> list[str]:
    """Return each of `texts` masked, in order."""
    return [mask(text) for text in texts]


def fold(text: str) -> str:
    """Return `text` as a model should read it: what looks the same is the same.

    Compatibility forms, lookalike letters in mixed words, typographic quotes and dashes, case, white space and
    stretched letters are folded and invisible characters go. Folding again changes nothing.
    """
    if text.isascii():
        return _fold_ascii(text)
    # One round is enough for nearly every text; a few letters fold into ones that fold again ("ᾳ" → "αι").
    while (folded := _fold_once(text)) != text:
        text = folded
    return text


def fold_all(texts: Sequence[str]) -> list[str]:
    """Return each of `texts` folded, in order."""
    return [fold(text) for text in texts]


def prepare_all(texts: Sequence[str]) -> list[str]:
    """Return each of `texts` masked and folded: what every model is fitted on and asked about."""
    return fold_all(mask_all(texts))


def _fold_ascii(text: str) -> str:
    """Return what `_fold_once` would, by checks that cost a fifth of the patterns they spare."""
    text = (text if text.isprintable() else _HIDDEN.sub("", text)).lower()
    if any(run in text for run in _ASCII_RUNS):
        text = _STRETCHED.sub(r"\1\1\1", text)
    return " ".join(text.split())


def _fold_once(text: str) -> str:
    text = _HIDDEN.sub("", text).translate(_PUNCTUATION)
    text = _unmix(unicodedata.normalize("NFKC", text)).casefold()
    return _squeeze(unicodedata.normalize("NFKC", text))


def _squeeze(text: str) -> str:
    return " ".join(_STRETCHED.sub(r"\1\1\1", text).split())


def _unmix(text: str) -> str:
    """Return `text` with lookalikes made Latin where they pose as Latin: real Russian and Greek stay as they are.

    They pose in a word that has Latin letters as well, and in a word made of nothing but lookalikes where the text has
    Latin letters and no letter that only Cyrillic or Greek has.
    """
    text = text.translate(_LATIN)
    if not _LOOKALIKE.search(text):
        return text
    posing = bool(_LATIN_LETTER.search(text)) and not _TRULY_FOREIGN.search(text)

    def latin(word: re.Match[str]) -> str:
        mixed = _LATIN_LETTER.search(word[0])
        return word[0].translate(_FOREIGN) if posing or mixed else word[0]

    return _WORD.sub(latin, text)


class _Plain(dict[int, str]):
    """Table for `str.translate`: each character to the one ASCII character it looks like, worked out when first met."""

    def __missing__(self, code: int) -> str:
        self[code] = plain = _plain(chr(code))
        return plain


def _plain(char: str) -> str:
    if char.isspace():
        return "\n" if char in "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029" else " "
    char = char.translate(_PUNCTUATION).translate(_FOREIGN).translate(_LATIN)
    base = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", char)).translate(_FOREIGN)
    if base[:1].isascii() and (len(base) == 1 or unicodedata.combining(base[1])):
        return base[0]  # "５" → "5", "é" → "e"; "½" and "℡" have no single look
    return str(unicodedata.decimal(char, char))


_PLAIN = _Plain({code: chr(code) for code in range(128)})
_POSING_ZERO = re.compile(r"(?<=\d)[ОоΟοՕօ](?=[ -]?\d)")


def _shadow(text: str) -> tuple[str, Sequence[int]]:
    """Return `text` with its disguise off, and for each character of that the index it comes from."""
    origin: Sequence[int] = range(len(text))
    if _DROPPED.search(text):
        dropped = {index for run in _DROPPED.finditer(text) for index in range(*run.span())}
        origin = [index for index in origin if index not in dropped]
        text = _DROPPED.sub("", text)
    return _POSING_ZERO.sub("0", text).translate(_PLAIN), origin


class _Names(dict[int, str]):
    """Table for `str.translate`: each pictograph to its Unicode name, worked out when first met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        pictograph = code > 127 and unicodedata.category(char) in ("So", "Sk")
        name = unicodedata.name(char, "").lower() if pictograph else ""
        # A skin tone says nothing about the matter.
        self[code] = "" if "modifier" in name else f" {name} " if name else char
        return self[code]


_NAMES = _Names()


def spell(text: str) -> str:
    """Return a prepared text with emoji spelled out by name: few encoders have a token for them."""
    return text if text.isascii() else " ".join(text.translate(_NAMES).split())


def spell_all(texts: Sequence[str]) -> list[str]:
    """Return each of `texts` with emoji spelled out, in order."""
    return [spell(text) for text in texts]
