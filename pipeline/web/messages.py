"""Everything that a page says, gathered for translators; what programs are told stays English.

Sentences are found where they are said: in the templates, and in the code by the names of what takes them. The words of
heads, labels, factors, root causes and roles are those that are shipped; a desk with others adds theirs to its file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from models.scoring import LANGUAGE, NO_WORDS, UNCERTAIN, UNFAMILIAR
from pipeline.config import ROOT, load
from pipeline.followup.ledger import OPEN
from pipeline.followup.policy import Policy
from pipeline.followup.roles import PEOPLE
from pipeline.web import app, casepage, caseview, oidc, pages
from pipeline.web.display import Display
from pipeline.web.language import LOCALE

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

# What takes a sentence, which of its arguments that is (of two, the second is the plural), and how a sentence begins.
_TAKES: list[tuple[dict[str, Any], str]] = [
    ({"_": None, "say": None, "sentence": None, "ngettext": (1, 2), "count": (1, 2), "__init__": None,
      "CaseworkError": None, "ConflictError": None, "RefusedError": None, "UnusableError": None}, ""),
    ({"HTTPException": (2,)}, "[A-Z]"),  # one with a small letter is for programs, in JSON
    ({"Actor": (1,)}, ".* "),  # a part of the desk; a user's name has no space
]  # fmt: skip
_WHERE = [
    ("followup/received.py", "ignore"),  # programs alone send a request twice
    ("followup/migrations/**.py", "ignore"),
    ("followup/**.py", "python"),
    ("web/**.py", "python"),
    ("web/templates/**.html", "jinja2"),
]
_HEADER = """\
# What the desk says, in {name}. What is left empty is said in English; what stands between %( and )s stays as it is.
# Brought up to date, with what was translated before: serve.py messages {code} > new.po, then put it in place of this.
msgid ""
msgstr ""
"Language: {code}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: {plural}\\n"

"""


def messages() -> Catalog:
    """Return a catalogue of all that pages say, each message with the files that say it."""
    from babel.messages.catalog import Catalog

    found = Catalog()
    for name, said in _said():
        found.add(said, locations=[(f"pipeline/{name}", 1)])
    for name, words in _words():
        found.add(words, locations=[(name, 1)])
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
        locale = Locale.parse(language if re.fullmatch("[a-z]{2,3}", language) else None)
    except (UnknownLocaleError, TypeError):
        raise ValueError(f"{language[:20]!r} is the code of no language; codes are such as fr or pl") from None
    path = LOCALE / f"{language}.po"
    there = read_po(io.BytesIO(path.read_bytes() if path.is_file() else b""), locale=locale)
    catalogue = messages()
    for message in catalogue:
        before = there.get(message.id)
        plural = isinstance(message.id, tuple)
        message.string = before.string if before else ("",) * there.num_plurals if plural else ""
    out = io.BytesIO()
    write_po(out, catalogue, width=120, omit_header=True, include_lineno=False)
    header = _HEADER.format(name=locale.english_name, code=language, plural=Catalog(locale=locale).plural_forms)
    return header + out.getvalue().decode("utf-8")


def _said() -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Yield the file and the message of everything that is said as a sentence."""
    from babel.messages.extract import extract_from_dir

    options = {"**.html": {"trimmed": "true", "silent": "false"}}
    for keywords, begins in _TAKES:
        for name, _, said, _, _ in extract_from_dir(ROOT / "pipeline", _WHERE, options, keywords):
            if re.match(begins, str(said)):
                yield name, said


def _words() -> Iterator[tuple[str, str]]:
    """Yield the file and the words of everything that is named by data."""
    config, display = load(), Display()
    tables: list[tuple[str, Mapping[Any, str]]] = [
        ("app", app.SENTENCES), ("caseview", caseview.SENTENCES), ("casepage", casepage.AGAIN), ("pages", pages.TITLES)
    ]  # fmt: skip
    told = {f"pipeline/web/{module}.py": list(words.values()) for module, words in tables}
    told |= {"pipeline/web/oidc.py": [oidc.DOWN, oidc.ODD, oidc.REFUSED]}
    told |= {"pipeline/followup/roles.py": list(PEOPLE)}
    named = {"pipeline/web/display.py": [*display.words, OPEN], "configs/default.yaml": list(config.rank.weights)}
    named |= {"configs/labels.yaml": [key for head in config.schema_() for key in (head.name, *head.labels)]}
    named |= {"configs/desk.yaml": Policy.of(config).root_causes}
    named |= {"models/scoring.py": [NO_WORDS, LANGUAGE, UNFAMILIAR, UNCERTAIN]}
    told |= {where: [display.name(key) for key in keys] for where, keys in named.items()}
    yield from ((where, one) for where, words in told.items() for one in words)
