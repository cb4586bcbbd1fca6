"""One row's way through every station, for people who ask why a row is where it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pyarrow as pa

from models.features import token_strings, tokenise
from models.ranking import Ranking
from models.scoring import RECORD, Context, facts, given_labels, table
from models.text import prepare_all
from models.triage import TriageModel
from pipeline.config import Config
from pipeline.feedback.reading import read_feedback
from pipeline.feedback.record import InputError
from pipeline.feedback.sources import SourceFile

from .context import DumpContext, coded


def trace(
    wanted: str, files: Sequence[SourceFile], model: TriageModel, config: Config, now: datetime | None = None
) -> Iterator[str]:
    """Yield, line by line, what happened to the row whose id is `wanted`, or that stands at ``FILE:RECORD``.

    Raises
    ------
    InputError
        No row by that name.
    """
    context = DumpContext(config.rank.repeat_window_days)
    found: tuple[int, pa.RecordBatch] | None = None
    start = 0
    for file in files:
        for batch in read_feedback(file, ingest=config.ingest):
            for reject in batch.rejects:
                if wanted == f"{reject.source}:{reject.record}":
                    yield from _rejected(wanted, reject.reason)
                    return
            place = _place(batch.rows, wanted)
            if found is None and place is not None:
                found = start + place, batch.rows.slice(place, 1)
            if batch.rows.num_rows:
                context.add(coded(batch.rows))
            start += batch.rows.num_rows
    if found is None:
        raise InputError(
            f"no accepted row has the id {wanted!r}; a rejected row is traced by its place, "
            "as rejected.parquet names it, such as data/sample/survey.csv:26"
        )
    earlier, places = context.close()
    number, row = found
    here = places.of(row, earlier[[number]], (now or datetime.now(UTC)).timestamp())
    yield from _stations(number, row, model, config, here)


def _rejected(wanted: str, reason: str) -> Iterator[str]:
    yield f"read       {wanted}"
    yield f"validated  rejected: {reason}; counted in manifest.json, listed in rejected.parquet, never scored"


def _place(rows: pa.RecordBatch, wanted: str) -> int | None:
    for place, identifier in enumerate(rows.column("id").to_pylist()):
        here = f"{rows.column('source')[place].as_py()}:{rows.column('record')[place].as_py()}"
        if wanted in (identifier, here):
            return place
    return None


def _stations(number: int, row: pa.RecordBatch, model: TriageModel, config: Config, here: Context) -> Iterator[str]:
    values = row.to_pylist()[0]
    yield f"read       {values['source']}, record {values['record']}, row {number + 1} of the dump's accepted rows"
    given = {
        name: value for name, value in values.items() if value is not None and name not in ("source", "record", "text")
    }
    yield "validated  " + ", ".join(f"{name} {value}" for name, value in given.items())
    yield f"masked     {values['text']}"
    prepared = prepare_all([values["text"]])
    yield f"prepared   {prepared[0]}"
    tokens = token_strings(tokenise(prepared))
    yield f"tokens     {len(tokens)}: {' | '.join(tokens[:40])}{' ...' if len(tokens) > 40 else ''}"
    yield from _predicted(row, model)
    yield from _ranked(row, model, config, here)


def _predicted(row: pa.RecordBatch, model: TriageModel) -> Iterator[str]:
    predictions = model.predict(row.column("text").to_pylist())
    yield f"predicted  by {model.version}{', which knows none of its words' if predictions.wordless[0] else ''}"
    made = {name: str(model.lineage.get(name) or "unknown") for name in ("training_data", "config", "commit")}
    yield "  made of              " + ", ".join(
        f"{name.replace('_', ' ')} {value[:16]}" for name, value in made.items()
    )
    labels = given_labels(model, predictions.probabilities)
    for head in model.schema:
        likely = predictions.probabilities[head.name][0]
        names = head.labels or (head.name,)
        order = sorted(zip(names, likely.tolist(), strict=True), key=lambda pair: -pair[1])
        given = f"{names[labels[head.name][0]]}: " if head.exclusive else ""
        yield f"  {head.name:<20} {given}" + "  ".join(f"{name} {value:.3f}" for name, value in order[:5])


def _ranked(row: pa.RecordBatch, model: TriageModel, config: Config, here: Context) -> Iterator[str]:
    ranking = Ranking.from_settings(config.rank.model_dump() | {"explain_from": 0})
    records = {name: row.column(name).to_pylist() for name in RECORD}
    predictions = model.predict(records["text"])
    known = facts(records, ranking, here)
    yield (
        f"context    {int(known.earlier[0])} earlier texts of the customer in {ranking.repeat_window_days:g} days, "
        f"value percentile {known.value_percentile[0]:.2f}, waited {known.waited_hours[0]:.1f} h"
    )
    scored = table(model, records, predictions, ranking, here).to_pylist()[0]
    yield f"ranked     priority {scored['priority']:.2f}, the sum of:"
    for reason in scored["reasons"]:
        words = f"  because of: {', '.join(reason['words'])}" if reason["words"] else ""
        yield f"  {reason['factor']:<20} {reason['contribution']:6.2f}{words}"
    doubt = f"a person should look: {scored['review_reason']}" if scored["review"] else "the model is sure enough"
    yield f"reviewed   {doubt}"
