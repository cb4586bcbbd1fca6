"""Ranking: what speaks for calling a customer, and how much.

A factor is a number in 0..1 with a weight in log-odds. Priority squashes the weighted sum to 0..100, and every
factor's contribution is its share of that number, so that contributions add up to what the agent is shown:
``evidence = sum(weight * factor); priority = 100 * tanh(evidence / 2) = 100 * (2 * sigmoid(evidence) - 1)``.
No evidence is priority 0; there is no base to explain away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .schema import Head, Schema

Doubles = NDArray[np.float64]
Probabilities = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Ranking:
    """The settings of `rank` that decide a row's priority; see configs/default.yaml for what each does."""

    weights: Mapping[str, float]
    repeat_window_days: float
    sla_hours: Mapping[str, float]
    full_reach: float
    explain_from: float
    explain_most: int
    words_per_reason: int
    widest: float

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Ranking:
        """Return the ranking of a mapping that may hold other settings as well."""
        return cls(**{field.name: settings[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Facts:
    """What is known of each row beside its text; NaN where it is not.

    Attributes
    ----------
    known
        Numbers from which a binary head's label is derived, such as ``nps``.
    value_percentile
        Share of rows with a smaller value, ties counted half, 0..1.
    reach
        Audience: followers, helpful votes.
    waited_hours
        Hours since the text was written.
    earlier
        Number of earlier texts of the same customer within the window.
    """

    known: Mapping[str, Doubles]
    value_percentile: Doubles
    reach: Doubles
    waited_hours: Doubles
    earlier: Doubles


@dataclass(frozen=True)
class Ranked:
    """Priorities of a batch.

    Attributes
    ----------
    priority
        0..100, shape (rows,).
    contributions
        Points of priority, shape (rows, factors); a row's sum is its priority.
    factors
        Names of the factors, in the order of the columns.
    directions
        Per factor read from the text: the evidence for it as a weighting of all logits; None for a fact.
    from_text
        Whether a contribution was read from the text, shape (rows, factors): a known NPS was not.
    """

    priority: Doubles
    contributions: Doubles
    factors: list[str]
    directions: list[NDArray[np.float32] | None]
    from_text: NDArray[np.bool_]


@dataclass(frozen=True)
class TextFactor:
    """A factor read from predictions: the expected level of a head, 0 for its first label up to 1 for its last."""

    head: Head
    level: Doubles

    def __call__(self, probabilities: Probabilities) -> Doubles:
        """Return the factor of each row."""
        return np.asarray(probabilities[self.head.name].astype(np.float64) @ self.level)

    def direction(self, schema: Schema) -> NDArray[np.float32]:
        """Return the weighting of all heads' logits that speaks for the factor."""
        level = self.level - self.level.mean() if self.head.exclusive else self.level
        return np.concatenate([level if head == self.head else np.zeros(head.width) for head in schema]).astype("f4")


def text_factor(schema: Schema, name: str) -> TextFactor | None:
    """Return the factor that `name` stands for in `schema`; None where it stands for nothing.

    A binary or ordinal head by its name, a label of a multilabel head by its name, any label as ``head.label``.
    """
    for head in schema:
        if head.name == name and head.kind in ("binary", "ordinal"):
            return TextFactor(head, np.linspace(0, 1, head.width) if head.kind == "ordinal" else np.ones(1))
        for place, label in enumerate(head.labels):
            if name == f"{head.name}.{label}" or (head.kind == "multilabel" and name == label):
                return TextFactor(head, np.eye(head.width)[place])
    return None


def customer_value(facts: Facts, allowed_hours: Doubles, ranking: Ranking) -> Doubles:
    """Return the percentile of the value among the rows that have one."""
    return facts.value_percentile


def reach(facts: Facts, allowed_hours: Doubles, ranking: Ranking) -> Doubles:
    """Return the audience on a logarithmic scale, 1 from `full_reach` on: a bad word travels."""
    return np.asarray(np.log1p(facts.reach) / np.log1p(ranking.full_reach))


def waiting(facts: Facts, allowed_hours: Doubles, ranking: Ranking) -> Doubles:
    """Return the time waited as a share of the time that the urgency allows."""
    return np.asarray(facts.waited_hours / allowed_hours)


def repeat_contact(facts: Facts, allowed_hours: Doubles, ranking: Ranking) -> Doubles:
    """Return 0, 1/2, 1 for none, one, two or more earlier texts within the window."""
    return facts.earlier / 2


FACT_FACTORS: dict[str, Callable[[Facts, Doubles, Ranking], Doubles]] = {
    "customer_value": customer_value,
    "reach": reach,
    "waiting": waiting,
    "repeat_contact": repeat_contact,
}


def inactive(schema: Schema, ranking: Ranking) -> list[str]:
    """Return the names of weights that neither the schema nor the facts give a meaning."""
    return [name for name in ranking.weights if name not in FACT_FACTORS and text_factor(schema, name) is None]


def rank(
    schema: Schema, probabilities: Probabilities, facts: Facts, ranking: Ranking,
    labels: Mapping[str, NDArray[np.int64]] | None = None,
) -> Ranked:  # fmt: skip
    """Return the priority of each row with what each factor contributes.

    `labels` are those given by single-label heads; without them the likeliest ones say how long a row may wait.

    A fact speaks for a call only as far as the customer is at risk: a valued, loud or patient customer who is
    content is no reason to call. The risk is the binary head's factor (its known number outranks its prediction).
    """
    rows = len(facts.reach)
    risk = _risk(schema, probabilities, facts, rows)
    allowed = _allowed_hours(schema, probabilities, ranking, labels, rows)
    names = [name for name in ranking.weights if name not in inactive(schema, ranking)]
    values = np.zeros((rows, len(names)))
    from_text = np.zeros((rows, len(names)), bool)
    directions: list[NDArray[np.float32] | None] = []
    for column, name in enumerate(names):
        factor = text_factor(schema, name)
        directions.append(factor.direction(schema) if factor else None)
        if factor:
            values[:, column], from_text[:, column] = _outranked(factor, factor(probabilities), facts)
        if name in FACT_FACTORS:
            fact = np.nan_to_num(np.clip(FACT_FACTORS[name](facts, allowed, ranking), 0, 1)) * risk
            from_text[:, column] &= values[:, column] >= fact
            values[:, column] = np.maximum(values[:, column], fact)
    evidence = values * np.array([ranking.weights[name] for name in names])
    total = evidence.sum(1)
    priority = 100 * np.tanh(total / 2)
    share = np.divide(evidence, total[:, None], out=np.zeros_like(evidence), where=total[:, None] > 0)
    return Ranked(priority, share * priority[:, None], names, directions, from_text)


def _outranked(factor: TextFactor, predicted: Doubles, facts: Facts) -> tuple[Doubles, NDArray[np.bool_]]:
    """Return the factor with what is known put in place of what is predicted, and where it is still predicted."""
    derive = factor.head.derive
    if derive is None or derive.column not in facts.known:
        return predicted, np.ones(len(predicted), bool)
    number = facts.known[derive.column]
    truth = np.array([float(derive(value)) for value in number])
    return np.where(np.isnan(number), predicted, truth), np.isnan(number)


def _risk(schema: Schema, probabilities: Probabilities, facts: Facts, rows: int) -> Doubles:
    risks = [_outranked(TextFactor(head, np.ones(1)), probabilities[head.name][:, 0].astype(np.float64), facts)[0]
             for head in schema if head.kind == "binary"]  # fmt: skip
    return np.asarray(np.max(risks, axis=0)) if risks else np.ones(rows)


def _allowed_hours(
    schema: Schema, probabilities: Probabilities, ranking: Ranking,
    labels: Mapping[str, NDArray[np.int64]] | None, rows: int,
) -> Doubles:  # fmt: skip
    """Return the hours that each row's label allows, by the first head whose labels `sla_hours` names."""
    for head in schema:
        if head.exclusive and any(label in ranking.sla_hours for label in head.labels):
            longest = max(ranking.sla_hours.values())
            hours = np.array([ranking.sla_hours.get(label, longest) for label in head.labels], np.float64)
            return np.asarray(hours[labels[head.name] if labels else probabilities[head.name].argmax(1)])
    return np.full(rows, max(ranking.sla_hours.values(), default=48.0))
