"""Everything that a page says, gathered for translators; what programs are told stays English.

Sentences are found where they are said: in the templates, and in the code by the names of what takes them. The words of
heads, labels, factors, root causes and roles are those that are shipped; a desk with others adds theirs to its file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from models.scoring import LANGUAGE, NO_WORDS, UNCERTAIN, UNFAMILIAR
from pipeline.config import ROOT, load
from pipeline.followup.people import ROLES
from pipeline.followup.policy import Policy
from pipeline.web import app, casepage, caseview, oidc, pages
from pipeline.web.display import Display
from pipeline.web.language import LOCALE

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

Message = str | tuple[str, ...]
# What takes a sentence, and which of its arguments that is; of two, the second is the plural.
_TAKES = {
    "_": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "say": None, "sentence": None, "count": (1, 2),
    "CaseworkError": None, "ConflictError": None, "RefusedError": None, "SaidError": None,
    "UnknownCaseError": None, "UnknownPromoterError": None,
}  # fmt: skip
_REFUSES = {"HTTPException": (2,)}
_WHERE = [
    ("followup/received.py", "ignore"),  # programs alone send a request twice
    ("followup/**.py", "python"),
    ("web/**.py", "python"),
    ("web/templates/**.html", "jinja2"),
]
_HEADER = """\
# What the desk says, in %s.
# A sentence that is left empty is said in English. Keep what stands between %%( and )s as it is.
# serve.py messages %s > new.po brings this file up to date, with what was translated before."""


def messages() -> Catalog:
    """Return a catalogue of all that pages say, each message with the files that say it."""
    from babel.messages.catalog import Catalog

    found = Catalog()
    for name, said, context in _said():
        found.add(said, None, [(name, None)], context=context)
    for name, words in _words():
        found.add(words, None, [(name, None)])
    return found


def skeleton(language: str) -> str:
    """Return a file of translations for `language`, such as ``fr``, with those that there are already.

    Raises
    ------
    ValueError
        No language has this code.
    """
    from babel.core import Locale, UnknownLocaleError
    from babel.messages.catalog import Catalog
    from babel.messages.pofile import read_po, write_po

    try:
        locale = Locale.parse(language) if re.fullmatch("[a-z]{2,3}", language) else None
    except UnknownLocaleError:
        locale = None
    if locale is None:
        raise ValueError(f"{language[:20]!r} is the code of no language; codes are such as fr or pl")
    path = LOCALE / f"{language}.po"
    catalogue = Catalog(locale=locale)
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            catalogue = read_po(file, locale=locale)
    catalogue.update(messages(), no_fuzzy_matching=True)
    catalogue.header_comment = _HEADER % (locale.english_name, language)
    out = io.BytesIO()
    write_po(out, catalogue, width=120, omit_header=False, ignore_obsolete=True, include_lineno=False)
    return out.getvalue().decode("utf-8")


def _said() -> Iterator[tuple[str, Message, str | None]]:
    """Yield the file, the message and the context of everything that is said as a sentence."""
    from babel.messages.extract import extract_from_dir

    options = {"**.html": {"trimmed": "true", "silent": "false"}}
    for keywords in (_TAKES, _REFUSES):
        for name, _, said, _, context in extract_from_dir(ROOT / "pipeline", _WHERE, options, keywords):
            # A refusal that begins with a small letter is for programs: it stands in JSON.
            if keywords is _TAKES or str(said)[:1].isupper():
                yield f"pipeline/{name}", said, context


def _words() -> Iterator[tuple[str, str]]:
    """Yield the file and the words of everything that is named by data."""
    config, display = load(), Display()
    for module, words in {
        "app": app.SENTENCES, "caseview": caseview.SENTENCES, "casepage": casepage.AGAIN, "pages": pages.TITLES,
        "oidc": {"": oidc.DOWN, " ": oidc.ODD, "  ": oidc.REFUSED}, "display": display.words,
    }.items():  # fmt: skip
        yield from ((f"pipeline/web/{module}.py", one) for one in words.values())
    keys = [head.name for head in config.schema_()] + [label for head in config.schema_() for label in head.labels]
    yield from (("configs/labels.yaml", display.name(key)) for key in keys)
    yield from (("configs/default.yaml", display.name(key)) for key in config.rank.weights)
    yield from (("configs/desk.yaml", display.name(key)) for key in Policy.of(config).root_causes)
    yield from (("models/scoring.py", display.name(key)) for key in (LANGUAGE, NO_WORDS, UNCERTAIN, UNFAMILIAR))
    yield from (("pipeline/followup/policy.py", role) for role in ROLES if role != "service")
