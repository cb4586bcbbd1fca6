"""The label schema: which things are predicted of a text, declared as data (`configs/labels.yaml`)."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

KINDS = ("nominal", "ordinal", "binary", "multilabel")

# Columns that mean something else: of the record (see `pipeline.feedback.record`) and of what scoring returns.
RESERVED = {
    "source", "record", "id", "text", "created_at", "channel", "lang", "industry", "customer_id", "customer_value",
    "reach", "nps", "rating", "split", "priority", "reasons", "windows", "review", "review_reason",
    "model_version", "scored_at",
}  # fmt: skip
DERIVABLE = ("nps", "customer_value", "reach")  # numbers of a record from which a label may be derived
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_DERIVE = re.compile(r"\s*([a-z_]+)\s*(<=|>=|==|<|>)\s*(-?\d+(?:\.\d+)?)\s*")
_OPERATORS = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_TRUE, _FALSE = {"1", "true", "yes", "y"}, {"0", "false", "no", "n"}


class SchemaError(ValueError):
    """A label schema that cannot be used; the message says what is wrong and what was expected."""


@dataclass(frozen=True)
class Derivation:
    """A binary label read off a known number, such as ``nps <= 6``."""

    column: str
    comparison: str
    threshold: float

    @classmethod
    def parse(cls, text: str) -> Derivation:
        """Return the derivation that `text` writes down.

        Raises
        ------
        SchemaError
            `text` is not ``COLUMN <= NUMBER`` (or ``< >= > ==``).
        """
        match = _DERIVE.fullmatch(text)
        if match is None:
            raise SchemaError(f"derive must read like 'nps <= 6'; got {text!r}")
        if match[1] not in DERIVABLE:
            raise SchemaError(f"derive reads one of {', '.join(DERIVABLE)} (a rating is read as nps); got {match[1]!r}")
        return cls(match[1], match[2], float(match[3]))

    def __call__(self, value: float) -> bool:
        """Return whether the label holds for a known `value` of the column."""
        return bool(_OPERATORS[self.comparison](value, self.threshold))

    def __str__(self) -> str:
        number = int(self.threshold) if self.threshold.is_integer() else self.threshold
        return f"{self.column} {self.comparison} {number}"


@dataclass(frozen=True)
class Head:
    """One thing predicted: its name, its kind and its labels, ordered from least to most where ordinal."""

    name: str
    kind: str
    labels: tuple[str, ...] = ()
    derive: Derivation | None = None
    definitions: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        """Refuse a head that no family could learn."""
        if not _NAME.fullmatch(self.name):
            raise SchemaError(f"a head's name is lower case letters, digits and _; got {self.name!r}")
        if self.name in RESERVED:
            raise SchemaError(f"a head may not be called {self.name!r}: that column means something else; rename it")
        if self.kind not in KINDS:
            hint = difflib.get_close_matches(self.kind, KINDS, 1)
            tail = f"; did you mean {hint[0]!r}?" if hint else ""
            raise SchemaError(f"head {self.name!r}: kind must be one of {', '.join(KINDS)}; got {self.kind!r}{tail}")
        if self.kind == "binary" and self.labels:
            raise SchemaError(f"head {self.name!r}: a binary head has no labels of its own; remove {list(self.labels)}")
        if self.derive and self.kind != "binary":
            raise SchemaError(f"head {self.name!r}: derive is for binary heads; this one is {self.kind}")
        least = {"nominal": 2, "ordinal": 2, "multilabel": 1, "binary": 0}[self.kind]
        if len(self.labels) < least:
            raise SchemaError(f"head {self.name!r}: {self.kind} needs at least {least} labels; got {len(self.labels)}")
        if len(set(self.labels)) != len(self.labels):
            raise SchemaError(f"head {self.name!r}: labels must differ; got {list(self.labels)}")

    @property
    def width(self) -> int:
        """Number of probabilities predicted for a text: one per label; one for a binary head."""
        return 1 if self.kind == "binary" else len(self.labels)

    @property
    def exclusive(self) -> bool:
        """Whether just one label holds, so that the probabilities of a text sum to one."""
        return self.kind in ("nominal", "ordinal")

    @property
    def columns(self) -> list[str]:
        """Names of the probability columns, in the order of the probabilities."""
        if self.kind == "binary":
            return [f"p_{self.name}"]
        return [f"p_{self.name}_{label}" for label in self.labels]

    def read(self, value: object) -> list[str] | None:
        """Return the labels that a cell of this head's column states; None where it states nothing.

        Multilabel cells are lists, or strings joined by ``|``; a binary cell is ``["yes"]`` or ``["no"]``.
        Labels are not checked against the schema here: see `unknown`.
        """
        if value is None:
            return None
        if self.kind == "multilabel":
            parts = value.split("|") if isinstance(value, str) else list(value) if isinstance(value, Iterable) else []
            return [str(part).strip() for part in parts if str(part).strip()] if value != "" else None
        text = str(value).strip()
        if not text:
            return None
        if self.kind == "binary":
            lowered = text.lower().removesuffix(".0")
            return ["yes"] if lowered in _TRUE else ["no"] if lowered in _FALSE else [text]
        return [text]

    def unknown(self, labels: Iterable[str]) -> list[str]:
        """Return those of `labels` that this head does not have."""
        known = ("yes", "no") if self.kind == "binary" else self.labels
        return [label for label in labels if label not in known]

    def to_json(self) -> dict[str, Any]:
        """Return the head as it stands in `labels.yaml`."""
        out: dict[str, Any] = {"kind": self.kind}
        if self.labels:
            out["labels"] = list(self.labels)
        if self.derive:
            out["derive"] = str(self.derive)
        if self.definitions:
            out["definitions"] = dict(self.definitions)
        return out


@dataclass(frozen=True)
class Schema:
    """All heads, in the order in which they are reported."""

    heads: tuple[Head, ...]

    def __post_init__(self) -> None:
        """Refuse heads whose output columns would be one and the same."""
        owner: dict[str, str] = {}
        for head in self.heads:
            for column in (head.name, f"{head.name}_confidence", *head.columns):
                if column in owner:
                    raise SchemaError(
                        f"heads {owner[column]!r} and {head.name!r} both have a column {column!r}; rename one"
                    )
                owner[column] = head.name

    def __iter__(self) -> Any:
        return iter(self.heads)

    def __contains__(self, name: object) -> bool:
        return any(head.name == name for head in self.heads)

    def __getitem__(self, name: str) -> Head:
        for head in self.heads:
            if head.name == name:
                return head
        raise KeyError(name)

    @property
    def names(self) -> list[str]:
        """Names of the heads."""
        return [head.name for head in self.heads]

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Schema:
        """Return the schema that the mapping under ``heads:`` declares.

        Raises
        ------
        SchemaError
            No heads, an unknown key, or a head that cannot be learnt; the message names it.
        """
        heads = data.get("heads") if isinstance(data, Mapping) else None
        if not isinstance(heads, Mapping) or not heads:
            raise SchemaError("a label schema needs a mapping 'heads:' with at least one head; see configs/labels.yaml")
        return cls(tuple(_head(str(name), entry) for name, entry in heads.items()))

    def to_json(self) -> dict[str, Any]:
        """Return the schema as `from_json` reads it."""
        return {"heads": {head.name: head.to_json() for head in self.heads}}


def _head(name: str, entry: object) -> Head:
    known = ("kind", "labels", "derive", "definitions")
    if not isinstance(entry, Mapping):
        raise SchemaError(f"head {name!r} must be a mapping with the key 'kind'; got {entry!r}")
    for key in entry:
        if key not in known:
            hint = difflib.get_close_matches(str(key), known, 1)
            tail = f"; did you mean {hint[0]!r}?" if hint else ""
            raise SchemaError(f"head {name!r}: unknown key {key!r}; known are {', '.join(known)}{tail}")
    labels = entry.get("labels") or ()
    if not isinstance(labels, list | tuple) or not all(isinstance(label, str) and label for label in labels):
        raise SchemaError(f"head {name!r}: labels must be a list of names (quote yes, no and numbers); got {labels!r}")
    definitions = entry.get("definitions") or {}
    if not isinstance(definitions, Mapping):
        raise SchemaError(f"head {name!r}: definitions must be a mapping of label to sentence; got {definitions!r}")
    derive = entry.get("derive")
    return Head(
        name=name,
        kind=str(entry.get("kind")),
        labels=tuple(labels),
        derive=Derivation.parse(str(derive)) if derive else None,
        definitions=dict(definitions),
    )
