"""The languages of the desk: a catalogue per file in `locale/`; adding a language is adding one."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import NamedTuple

from babel.core import Locale
from babel.dates import format_date, format_skeleton, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

LOCALE = Path(__file__).parent / "locale"
SOURCE = "en"  # the language in which templates and code are written


class When(NamedTuple):
    """A moment for a page: for machines, in full, how far from now ("3 hours ago"), and how long ("3 hours")."""

    iso: str
    exact: str
    ago: str
    span: str


@dataclass(frozen=True)
class Language:
    """How numbers, moments and sentences are said in one language."""

    code: str

    def say(self, sentence: str, **facts: object) -> str:
        """Return `sentence`, a template in English with places such as ``%(name)s``, in this language."""
        said = catalogue(self.code).gettext(sentence) if sentence else ""  # a catalogue's head is filed under ""
        return said % facts if facts else said

    def sentence(self, template: str, **facts: object) -> str:
        """Return what an error says as a sentence that stands on a page; a fact that is a float is an amount."""
        facts = {name: self.number(fact, 2) if isinstance(fact, float) else fact for name, fact in facts.items()}
        said = self.say(template, **facts)
        return f"{said[:1].upper()}{said[1:]}."

    def count(self, one: str, many: str, number: int) -> str:
        """Return the template for `number` things, with the number in it."""
        return catalogue(self.code).ngettext(one, many, number) % {"num": self.number(number)}

    def number(self, value: float, places: int = 0) -> str:
        """Return a number with its thousands apart."""
        return _number(self.code, value, places)

    def date(self, moment: date, *, year: bool = True) -> str:
        """Return the day of `moment`, as it is written in this language."""
        return _date(self.code, moment.year, moment.month, moment.day, year)

    def when(self, moment: datetime, now: datetime) -> When:
        """Return `moment` as a page shows it at `now`."""
        utc = moment.astimezone(UTC)
        exact = f"{self.date(utc)}, {utc:%H:%M} UTC"
        away = utc - now
        if abs(away) < timedelta(minutes=1):
            just = self.say("just now")
            return When(utc.isoformat(timespec="seconds"), exact, just, just)
        minutes = round(away / timedelta(minutes=1))
        ago, alone = (_span(self.code, minutes, directed) for directed in (True, False))
        return When(utc.isoformat(timespec="seconds"), exact, ago, alone)


# A page says a hundred of these, and the next page mostly the same ones: a page takes half the time.
@lru_cache(maxsize=8_192)
def _number(code: str, value: float, places: int) -> str:
    return str(format_decimal(value, format="#,##0" + ("." + "0" * places if places else ""), locale=code))


@lru_cache(maxsize=8_192)
def _date(code: str, year: int, month: int, day: int, with_year: bool) -> str:
    moment = date(year, month, day)
    if code == SOURCE:  # Babel's English is American
        return str(format_date(moment, "d MMM y" if with_year else "d MMM", locale=SOURCE))
    return str(format_skeleton("yMMMd" if with_year else "Md", datetime(year, month, day), locale=code))


@lru_cache(maxsize=8_192)
def _span(code: str, minutes: int, directed: bool) -> str:
    span = timedelta(minutes=minutes if directed else abs(minutes))
    said = format_timedelta(span, threshold=1.5, add_direction=directed, format="short", locale=code)
    return str(said)


@cache
def languages() -> tuple[str, ...]:
    """Return the codes of all languages, that of the templates first."""
    return (SOURCE, *sorted(path.stem for path in LOCALE.glob("*.po")))


@cache
def catalogue(language: str) -> NullTranslations:
    """Return what is said in `language`; a sentence that its file lacks is said in English."""
    if language == SOURCE:
        return NullTranslations()
    with (LOCALE / f"{language}.po").open("rb") as file:
        messages = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, messages)
    compiled.seek(0)
    return GNUTranslations(compiled)


def endonyms() -> dict[str, str]:
    """Return the languages, each with its name for itself."""
    names = {code: str(Locale.parse(code).language_name) for code in languages()}
    return {code: name[:1].upper() + name[1:] for code, name in names.items()}


def chosen(accepted: str, wanted: str | None = None) -> str:
    """Return the language for somebody: the one they chose, or the first that their browser accepts and we have."""
    if wanted in languages():
        return str(wanted)
    weighed = []
    for place, entry in enumerate(accepted.split(",")[:20]):
        code, _, weight = "".join(entry.split()).lower().partition(";q=")
        # A weight is 0, for what is not wanted, to 1, with up to three decimals (RFC 9110, 12.4.2).
        if re.fullmatch(r"|0?\.\d{1,3}|1(\.0{0,3})?", weight):
            weighed.append((-float(weight or 1), place, code.split("-")[0]))
    return next((code for weight, _, code in sorted(weighed) if weight and code in languages()), SOURCE)
