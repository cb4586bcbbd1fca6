"""The cribs for the person on the phone, from ``configs/playbooks.yaml``: what helps with each type of complaint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from pipeline.config import ConfigError, read_yaml, resolve, validated
from pipeline.settings import Section

DEFAULT = "default"
# What does not fit here is a script, and nobody can glance at a script while listening.
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=140)]
Lines = Annotated[tuple[Line, ...], Field(min_length=1, max_length=4)]


class Playbook(Section):
    """A crib for one type of complaint, in the order of a call; configs/playbooks.yaml says what each key is for."""

    say_first: Lines
    own: Lines
    fix: Lines
    give: Lines
    check: Lines
    avoid: Lines


class _File(Section):
    playbooks: dict[str, Playbook]


def load(path: str, language: str = "en") -> dict[str, Playbook]:
    """Return the playbooks of the file at `path` by type of complaint, with "default" among them.

    A file beside it that is named after `language` (for "de" or "de-AT": ``playbooks.de.yaml``) replaces the
    playbooks that it holds; the others stay as they are at `path`.

    Raises
    ------
    ConfigError
        No file at `path`, an unknown or missing key, an empty or overlong list or line, or no "default" at `path`.
    """
    file = resolve(path)
    books = _read(file, path)
    if DEFAULT not in books:
        raise ConfigError(f"{path}: there is no playbook {DEFAULT!r}; it serves every type that has none of its own")
    code = re.split("[^a-z]", language.lower(), maxsplit=1)[0]
    translated = file.with_name(f"{file.stem}.{code}{file.suffix}")
    if translated.is_file():
        books |= _read(translated, str(Path(path).with_name(translated.name)))
    return books


def playbook_for(books: Mapping[str, Playbook], label: str | None) -> Playbook:
    """Return the playbook of a type of complaint; "default" where there is no type, or no playbook for it."""
    return books.get(label or DEFAULT, books[DEFAULT])


def _read(file: Path, name: str) -> dict[str, Playbook]:
    return validated(_File, read_yaml(file), f"{name}: ").playbooks
