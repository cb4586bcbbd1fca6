"""Behaviour tests as data (Ribeiro et al. 2020, CheckList): what a model must do, whatever its figures.

Each YAML file under `evaluation.behaviour` holds a list of tests; users add files of their own. A test has a ``name``,
a ``kind``, ``texts``, and ``at_least``, the share of its texts that must pass (1 where it is missing). With ``must`` a
model that fails it never takes over from a champion; without, one that loses a third of the champion's texts does not.

- ``minimum``: ``expect`` says which label of a head each text must be given, or the bound of a number:
  ``{sentiment: negative, priority: ">= 60", p_detractor: "< 0.5"}``;
- ``invariance``: ``change`` names changes (`CHANGES`) that must leave what is under ``keep`` as it was;
- ``direction``: ``add`` is put behind each text; that must not lower the number under ``raises``, nor raise the one
  under ``lowers``, by more than ``tolerance``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from models.ranking import Ranking
from models.schema import Schema
from models.scoring import score
from models.triage import TriageModel
from pipeline.config import Config, ConfigError, resolve

Rows = list[dict[str, Any]]
_BOUND = re.compile(r"(<=|>=|<|>)\s*(-?\d+(?:\.\d+)?)$")
_KEYS = frozenset(
    {"name", "kind", "texts", "at_least", "must", "why", "expect", "change", "keep", "add", "raises", "lowers",
     "tolerance"}
)  # fmt: skip
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Outcome:
    """How one test ended: the share of its texts that passed, and the first that did not."""

    name: str
    kind: str
    passed: float
    needed: float
    must: bool = False
    example: str = ""

    @property
    def good(self) -> bool:
        """Whether enough of the texts passed."""
        return self.passed >= self.needed - 1e-9


def behave(model: TriageModel, config: Config) -> list[Outcome]:
    """Return how every behaviour test ended; tests of heads that the model does not have are left out.

    Raises
    ------
    ConfigError
        A file that is no list of tests, or a test that cannot be understood.
    """
    ranking = Ranking.from_settings(config.rank.model_dump() | {"explain_most": 0})

    def scored(texts: Sequence[str]) -> Rows:
        rows: Rows = score(model, {"text": list(texts)}, ranking, _NOON).to_pylist()
        return rows

    told = _told(model.schema)
    tests = [_kept(test, told) for test in load_tests(config)]
    return [_run(test, scored) for test in tests if _asked(test) and _asked(test) <= told]


def _kept(test: Mapping[str, Any], told: set[str]) -> Mapping[str, Any]:
    """Return the test of what must stay as it was, for the columns that the model has."""
    if test["kind"] != "invariance":
        return test
    return {**test, "keep": [name for name in test["keep"] if name in told]}


def load_tests(config: Config) -> list[dict[str, Any]]:
    """Return the tests of every file that the settings name, each with the file it is from."""
    pattern = resolve(config.evaluation.behaviour)
    found: list[dict[str, Any]] = []
    # A test may be of a head that another schema of ours has; of none at all, it is a slip of the pen.
    known = _told(config.schema_()) | _told(Config().schema_())
    for path in sorted(pattern.parent.glob(pattern.name)):
        try:
            tests = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error
        if not isinstance(tests, list):
            raise ConfigError(f"{path} must hold a list of behaviour tests; got {type(tests).__name__}")
        for test in tests:
            _check(test, path)
            _check_values(test, f"{path}: test {test['name']}", known)
        found += tests
    if not found:
        raise ConfigError(f"evaluation.behaviour: no test is in {pattern}; give files such as tests/behaviour/*.yaml")
    return found


def _check(test: Any, path: Path) -> None:
    name = test.get("name", "without a name") if isinstance(test, dict) else repr(test)[:40]
    needed = {"minimum": {"expect"}, "invariance": {"change", "keep"}, "direction": {"add"}}
    if not isinstance(test, dict) or test.get("kind") not in needed:
        raise ConfigError(f"{path}: test {name}: kind must be one of {', '.join(needed)}")
    lacking = {"name", "texts", *needed[test["kind"]]} - test.keys()
    if lacking:
        raise ConfigError(f"{path}: test {name} lacks {', '.join(sorted(lacking))}")
    if test["kind"] == "direction" and not test.keys() & {"raises", "lowers"}:
        raise ConfigError(f"{path}: test {name} lacks raises or lowers: the number that moves")
    unknown = set(test.get("change", ())) - CHANGES.keys()
    if unknown:
        raise ConfigError(f"{path}: test {name}: change {min(unknown)!r} is none of {', '.join(CHANGES)}")


def _check_values(test: Mapping[str, Any], name: str, known: set[str]) -> None:
    texts, least = test["texts"], test.get("at_least", 1)
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise ConfigError(f"{name}: texts must be a list of texts, at least one; got {str(texts)[:40]!r}")
    if isinstance(least, bool) or not isinstance(least, int | float) or not 0 <= least <= 1:
        raise ConfigError(f"{name}: at_least must be a share from 0 to 1; got {least!r}")
    if strange := test.keys() - _KEYS:
        raise ConfigError(f"{name}: {min(strange)!r} is no part of a test; {', '.join(sorted(_KEYS))} are")
    if unknown := _asked(test) - known:
        close = difflib.get_close_matches(min(unknown), known, 1)
        raise ConfigError(f"{name}: {min(unknown)!r} is no column of a prediction{f'; {close[0]!r}?' if close else ''}")
    for column, wanted in test.get("expect", {}).items():
        if column.startswith(("p_", "priority")) and not _BOUND.match(str(wanted)):
            raise ConfigError(f"{name}: {column} wants a bound such as '>= 0.5'; got {wanted!r}")


def _asked(test: Mapping[str, Any]) -> set[str]:
    """Return the columns that a test looks at."""
    moved = [test[name] for name in ("raises", "lowers") if name in test]
    return {*test.get("expect", {}), *test.get("keep", ()), *moved}


def _told(schema: Schema) -> set[str]:
    columns = {name for head in schema for name in head.columns}
    return {"priority", *columns, *(head.name for head in schema if head.kind != "binary")}


def _run(test: Mapping[str, Any], scored: Callable[[Sequence[str]], Rows]) -> Outcome:
    texts = [str(text) for text in test["texts"]]
    right = _KINDS[test["kind"]](test, texts, scored)
    wrong = [text for text, good in zip(texts, right, strict=True) if not good]
    share = float(np.mean(right)) if len(right) else 1.0
    return Outcome(test["name"], test["kind"], share, float(test.get("at_least", 1)), bool(test.get("must")),
                   wrong[0] if wrong else "")  # fmt: skip


def _minimum(test: Mapping[str, Any], texts: list[str], scored: Callable[[Sequence[str]], Rows]) -> list[bool]:
    return [all(_meets(row[name], wanted) for name, wanted in test["expect"].items()) for row in scored(texts)]


def _meets(found: Any, wanted: Any) -> bool:
    bound = _BOUND.match(str(wanted))
    if bound is None:
        return wanted in found if isinstance(found, list) and not isinstance(wanted, list) else bool(found == wanted)
    limit = float(bound[2])
    return bool({"<": found < limit, "<=": found <= limit, ">": found > limit, ">=": found >= limit}[bound[1]])


def _invariance(test: Mapping[str, Any], texts: list[str], scored: Callable[[Sequence[str]], Rows]) -> list[bool]:
    before = scored(texts)
    right = [True] * len(texts)
    for change in test["change"]:
        after = scored([CHANGES[change](text) for text in texts])
        same = [
            all(one[name] == other[name] for name in test["keep"]) for one, other in zip(before, after, strict=True)
        ]
        right = [so_far and now for so_far, now in zip(right, same, strict=True)]
    return right


def _direction(test: Mapping[str, Any], texts: list[str], scored: Callable[[Sequence[str]], Rows]) -> list[bool]:
    before, after = scored(texts), scored([f"{text} {test['add']}" for text in texts])
    allowed = float(test.get("tolerance", 0))
    right = [True] * len(texts)
    for name, sign in (("raises", 1), ("lowers", -1)):
        if name in test:
            moved = [sign * (later[test[name]] - first[test[name]]) for first, later in zip(before, after, strict=True)]
            right = [good and move >= -allowed for good, move in zip(right, moved, strict=True)]
    return right


_KINDS = {"minimum": _minimum, "invariance": _invariance, "direction": _direction}


def _typo(text: str) -> str:
    """Swap two letters in the middle of the longest word, as fingers do."""
    word = max(text.split(), key=len, default="")
    middle = len(word) // 2
    swapped = word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :] if len(word) > 4 else word
    return text.replace(word, swapped, 1) if word else text


def _swapped(pairs: Mapping[str, str]) -> Callable[[str], str]:
    both = {**pairs, **{value: key for key, value in pairs.items()}}
    words = re.compile(rf"\b({'|'.join(map(re.escape, both))})\b")
    return lambda text: words.sub(lambda match: both[match[0]], text)


CHANGES: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "lower case": str.lower,
    "invisible characters": lambda text: "\u2060" + text.replace("e", "e\u200b"),
    "typo": _typo,
    "full stop": lambda text: text.rstrip(" .") + ".",
    "names": _swapped({"Anna": "Mehmet", "Smith": "Nguyen", "Maria": "Jack", "Peter": "Fatima"}),
    "gender": _swapped(
        {"husband": "wife", "he": "she", "his": "her", "mother": "father", "Mr": "Mrs", "son": "daughter"}
    ),
}
