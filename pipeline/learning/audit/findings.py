"""What an audit says: findings, each one sentence with a verdict, and numbers for those who want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["good", "look", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes
    ----------
    topic
        What was looked at, such as ``near duplicates``.
    verdict
        ``good``; ``look``: a person should; ``bad``: figures of a model trained on this cannot be trusted.
    said
        One sentence, without a word of any text.
    table
        Rows of the same columns.
    """

    topic: str
    verdict: Verdict
    said: str
    table: Sequence[Mapping[str, Any]] = field(default=())
