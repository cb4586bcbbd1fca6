"""What scoring returns: the same columns, made by the same function, for the nightly job, the API and MLflow.

Customers' texts go in; identifiers, predictions, priority and reasons come out, never the texts themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .attribution import readable, strongest
from .instants import all_seconds
from .languages import detect
from .ranking import Facts, Ranked, Ranking, rank
from .schema import DERIVABLE, Head, Schema
from .triage import Predictions, TriageModel

Doubles = NDArray[np.float64]
I64 = NDArray[np.int64]
REASON = pa.struct([("factor", pa.string()), ("contribution", pa.float64()), ("words", pa.list_(pa.string()))])
RECORD = ("id", "text", "created_at", "customer_id", "customer_value", "reach", "nps", "lang")
NO_WORDS, LANGUAGE, UNFAMILIAR, UNCERTAIN = "no_words", "language", "unfamiliar", "uncertain"
_DAY, _HOUR = 86_400.0, 3_600.0


@dataclass(frozen=True)
class Context:
    """What a row's rank depends on beyond the row.

    Attributes
    ----------
    value_percentile
        Share of rows with a smaller value than each row's, NaN where its value is unknown.
    earlier
        Number of earlier texts of the same customer within the window.
    now
        The moment from which waiting is counted, in seconds since 1970.
    """

    value_percentile: Doubles
    earlier: Doubles
    now: float


def score(
    model: TriageModel,
    records: Mapping[str, Sequence[Any]],
    ranking: Ranking,
    now: datetime,
    known_values: Sequence[float] = (),
) -> pa.Table:
    """Return one scored row per record, columns as in `columns`, by the batch's own context.

    Parameters
    ----------
    records
        Columns of equal length: ``text``, and any of ``id created_at customer_id customer_value reach nps lang``.
    known_values
        Values of other customers, among which each record's value is placed.
    """
    filled = fill(records)
    predictions = model.predict(filled["text"])
    values = numbers(filled["customer_value"])
    context = Context(
        value_percentile=percentiles(values, np.concatenate([values, np.asarray(known_values, np.float64)])),
        earlier=earlier_texts(filled["customer_id"], all_seconds(filled["created_at"]), ranking.repeat_window_days),
        now=now.timestamp(),
    )
    return table(model, filled, predictions, ranking, context)


def table(
    model: TriageModel,
    records: Mapping[str, Sequence[Any]],
    predictions: Predictions,
    ranking: Ranking,
    context: Context,
) -> pa.Table:
    """Return the scored rows of `records`, whose predictions and context are given."""
    labels = given_labels(model, predictions.probabilities)
    ranked = rank(model.schema, predictions.probabilities, facts(records, ranking, context), ranking, labels)
    reviews = review(model, predictions, ranking.widest, in_foreign_language(model, records))
    rows = len(predictions)
    columns: dict[str, Any] = {
        name: pa.array(records[name], pa.string()) for name in ("id", "customer_id", "created_at")
    }
    columns |= head_columns(model.schema, predictions.probabilities, labels)
    columns["priority"] = pa.array(ranked.priority)
    columns["reasons"] = reasons(model, records["text"], ranked, ranking)
    # An artefact that answers with code of before there were windows says nothing of them.
    columns["windows"] = pa.array(getattr(predictions, "windows", np.ones(rows, np.int32)), pa.int32())
    columns["review"] = pa.array([reason is not None for reason in reviews], pa.bool_())
    columns["review_reason"] = pa.array(reviews, pa.string())
    columns["model_version"] = pa.repeat(pa.scalar(model.version), rows)
    stamp = datetime.fromtimestamp(context.now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    columns["scored_at"] = pa.repeat(pa.scalar(stamp), rows)
    return pa.table(columns)


def fill(records: Mapping[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """Return the columns of `RECORD`, those that `records` lacks full of None."""
    rows = len(records["text"])
    return {name: records[name] if name in records else [None] * rows for name in RECORD}


def numbers(values: Sequence[float | None]) -> Doubles:
    """Return `values` as an array, NaN for None."""
    return np.array([np.nan if value is None else value for value in values], np.float64)


def percentiles(values: Doubles, among: Doubles) -> Doubles:
    """Return the share of `among` below each value, ties counted half; NaN stays NaN."""
    known = np.sort(among[~np.isnan(among)])
    if not len(known):
        return np.full(len(values), np.nan)
    below = np.searchsorted(known, values, "left") + np.searchsorted(known, values, "right")
    return np.where(np.isnan(values), np.nan, below / (2 * len(known)))


def earlier_texts(customers: Sequence[str | None], seconds: Doubles, window_days: float) -> Doubles:
    """Return how many texts of the same customer came within the window before each; 0 where undated or nameless."""
    keys = {customer: key for key, customer in enumerate(dict.fromkeys(customers))}
    codes = np.array([-1 if customer is None else keys[customer] for customer in customers], np.int64)
    return count_earlier(codes, seconds, window_days)


def count_earlier(codes: NDArray[np.int64], seconds: Doubles, window_days: float) -> Doubles:
    """Return, for customers as whole numbers (-1: nameless), how many of their texts came in the window before each."""
    out = np.zeros(len(codes))
    rows = np.flatnonzero((codes != -1) & ~np.isnan(seconds))
    order = rows[np.lexsort((seconds[rows], codes[rows]))]
    code, second = codes[order], seconds[order]
    place = np.arange(len(order))
    starts = np.flatnonzero(np.append(True, code[1:] != code[:-1])) if len(order) else place
    group = np.repeat(starts, np.diff(np.append(starts, len(order))))
    # Time relative to the group's first text, laid out so that groups never overlap: one search serves them all.
    gap = window_days * _DAY + 1 + (second - second[group]).max(initial=0)
    line = (second - second[group]) + np.searchsorted(starts, group) * gap
    out[order] = place - np.maximum(np.searchsorted(line, line - window_days * _DAY, "left"), group)
    return out


def facts(records: Mapping[str, Sequence[Any]], ranking: Ranking, context: Context) -> Facts:
    """Return what is known of each record beside its text."""
    waited = (context.now - all_seconds(records["created_at"])) / _HOUR
    return Facts(
        known={name: numbers(records[name]) for name in DERIVABLE},
        value_percentile=context.value_percentile,
        reach=numbers(records["reach"]),
        waited_hours=np.maximum(waited, 0),
        earlier=context.earlier,
    )


def given_labels(model: TriageModel, probabilities: Mapping[str, NDArray[np.float32]]) -> dict[str, I64]:
    """Return the place of the label that every single-label head gives to each row."""
    exclusive = [head for head in model.schema if head.exclusive]
    if not hasattr(model, "label"):  # an artefact that answers with code of before the likeliest was not always given
        return {head.name: probabilities[head.name].argmax(1) for head in exclusive}
    return {head.name: model.label(head, probabilities[head.name]) for head in exclusive}


def head_columns(
    schema: Schema, probabilities: Mapping[str, NDArray[np.float32]], labels: Mapping[str, I64]
) -> dict[str, pa.Array]:
    """Return label, confidence (its probability) and probabilities of every head, as columns."""
    columns: dict[str, pa.Array] = {}
    for head in schema:
        likely = probabilities[head.name]
        if head.exclusive:
            best = labels[head.name]
            columns[head.name] = pa.array(np.array(head.labels, object)[best], pa.string())
            columns[f"{head.name}_confidence"] = pa.array(likely[np.arange(len(best)), best], pa.float32())
        elif head.kind == "multilabel":
            columns[head.name] = _lists(likely >= 0.5, head)
        for place, name in enumerate(head.columns):
            columns[name] = pa.array(np.ascontiguousarray(likely[:, place]), pa.float32())
    return columns


def in_foreign_language(model: TriageModel, records: Mapping[str, Sequence[Any]]) -> list[bool]:
    """Return whether each record is in a language, given or detected, that the model was not evaluated on."""
    # An artefact that answers with code of before there were languages has no such attribute.
    languages = getattr(model, "languages", ())
    if not languages:
        return [False] * len(records["text"])
    return [code is not None and code not in languages for code in detect(records["text"], records["lang"])]


def review(model: TriageModel, predictions: Predictions, widest: float, foreign: Sequence[bool]) -> list[str | None]:
    """Return why the model abstains on each row; None where it does not.

    It abstains on a text without a word it knows, on one in a language it was not evaluated on, on one unlike those it
    has learnt from, and where every single-label head is in doubt.
    """
    if not hasattr(model, "doubt"):  # an artefact that answers with code of before there was any
        doubts = unlike = np.zeros(len(predictions), bool)
    else:
        doubts = model.doubt.unsure(model.schema, predictions.probabilities, widest)
        unlike = predictions.familiar < model.doubt.familiar
    said = zip(predictions.wordless.tolist(), foreign, unlike.tolist(), doubts.tolist(), strict=True)
    return [
        NO_WORDS if wordless else LANGUAGE if strange else UNFAMILIAR if odd else UNCERTAIN if doubt else None
        for wordless, strange, odd, doubt in said
    ]


def reasons(model: TriageModel, texts: Sequence[str], ranked: Ranked, ranking: Ranking) -> pa.Array:
    """Return the factors of each row with their contributions, largest first, and the words that speak for them.

    Words are looked up for the `explain_most` rows of highest priority, if that is `explain_from` or more: finding
    words costs many times a prediction, and nobody reads those of the others.
    """
    rows, places = np.nonzero(ranked.contributions > 0)
    points = ranked.contributions[rows, places]
    order = np.lexsort((places, -points, rows))
    rows, places, points = rows[order], places[order], points[order]
    names = pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(ranked.factors, pa.string()))
    structs = pa.StructArray.from_arrays(
        [names.dictionary_decode(), pa.array(points), _telling_words(model, texts, ranked, ranking, rows, places)],
        fields=list(REASON),
    )
    offsets = np.searchsorted(rows, np.arange(len(ranked.priority) + 1))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)


def _telling_words(
    model: TriageModel, texts: Sequence[str], ranked: Ranked, ranking: Ranking, rows: I64, places: I64
) -> pa.Array:
    """Return the words behind each contribution, given by row and factor, that was read from the text."""
    columns = [column for column, direction in enumerate(ranked.directions) if direction is not None]
    explained = _worth_explaining(ranked, ranking)
    spoken: list[tuple[I64, I64]] = []
    words: list[str] = []
    if len(explained) and columns:
        directions = np.stack([direction for direction in ranked.directions if direction is not None])
        found = model.attribute([texts[row] for row in explained.tolist()], directions)
        words, kept = found.words, readable(found.words)
        reason_of = np.full(ranked.contributions.shape, -1, np.int64)
        reason_of[rows, places] = np.where(ranked.from_text[rows, places], np.arange(len(rows)), -1)
        for direction, column in enumerate(columns):
            text, word = strongest(found, kept, direction, ranking.words_per_reason)
            reason = reason_of[explained[text], column]
            spoken.append((reason[reason >= 0], word[reason >= 0]))
    reason = np.concatenate([pair[0] for pair in spoken]) if spoken else np.zeros(0, np.int64)
    word = np.concatenate([pair[1] for pair in spoken]) if spoken else np.zeros(0, np.int64)
    order = np.argsort(reason, kind="stable")
    offsets = np.searchsorted(reason[order], np.arange(len(rows) + 1))
    values = pa.array(words, pa.string()).take(pa.array(word[order]))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _worth_explaining(ranked: Ranked, ranking: Ranking) -> I64:
    """Return the rows, in order, whose words are looked up."""
    highest = np.argsort(-ranked.priority, kind="stable")[: ranking.explain_most]
    return np.sort(highest[ranked.priority[highest] >= ranking.explain_from])


def _lists(held: NDArray[np.bool_], head: Head) -> pa.Array:
    rows, places = np.nonzero(held)
    offsets = np.searchsorted(rows, np.arange(len(held) + 1))
    values = pa.array(np.array(head.labels, object)[places], pa.string())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
