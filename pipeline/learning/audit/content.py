"""What is in the data: rows and rejects, labels and which are too few, languages and channels, dates, lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath

import numpy as np

from models.instants import all_seconds
from models.languages import detect

from ..dataset import Dataset
from ..presentable import presentable
from ..splits import SIDES, Splits
from .findings import Finding

FEW = 30  # training rows of a label, below which it is hardly learnt and not at all measured
MEASURED = 5  # test rows of a label, below which the test says nothing of it
MIXES = ("channel", "industry", "source")
MOST = 20  # values of a mix that are shown
_DAY = 86_400


def content(data: Dataset, splits: Splits) -> Iterator[Finding]:
    """Yield what is in the data."""
    yield _rows(data, splits)
    yield from (_labels(data, splits, head.name) for head in data.schema)
    yield _mix("language", detect(data.texts, data.columns["lang"]))
    yield from (_mix(name, [value and PurePath(value).name for value in data.columns[name]]) for name in MIXES
                if any(data.columns[name]))  # fmt: skip
    yield _dates(data, splits)
    yield _lengths(data)


def _rows(data: Dataset, splits: Splits) -> Finding:
    rejected = sum(data.rejected.values())
    unknown = sum(sum(labels.values()) for labels in data.rejected_labels.values())
    out = sum(splits.excluded.values())
    table = [
        *({"what": f"rejected: {reason}", "rows": count} for reason, count in data.rejected.most_common()),
        *({"what": f"{name}: labels outside the schema", "rows": sum(labels.values())}
          for name, labels in data.rejected_labels.items()),
        *({"what": f"left out: {why}", "rows": count} for why, count in splits.excluded.items()),
    ]  # fmt: skip
    said = (
        f"{len(data):,} rows can be used, {rejected:,} were rejected, {unknown:,} labels are outside the schema, and "
        f"{out:,} rows are on no side."
    )
    share = (rejected + unknown) / max(len(data) + rejected, 1)
    return Finding("rows", "look" if share > 0.02 else "good", said, table)


def _labels(data: Dataset, splits: Splits, name: str) -> Finding:
    head, target = data.schema[name], data.targets[name]
    names = head.labels or ("yes",)
    sides = {side: getattr(splits, side) for side in SIDES}
    counts = {side: target.truth[rows][target.known[rows]].sum(0).astype(int).tolist() for side, rows in sides.items()}
    table = [{"label": label, **{side: counts[side][place] for side in sides}} for place, label in enumerate(names)]
    few = [label for label, count in zip(names, counts["train"], strict=True) if count < FEW]
    unmeasured = [label for label, count in zip(names, counts["test"], strict=True) if count < MEASURED]
    none = [label for label, count in zip(names, counts["train"], strict=True) if count < 2]
    known = f"{target.known.mean():.0%} of the rows carry {name}"
    if none and head.kind != "multilabel":
        said = (
            f"{known}; under 2 training rows have {', '.join(none)}, and nothing can be learnt: label more, or merge."
        )
        return Finding(f"labels of {name}", "bad", said, table)
    if few:
        said = f"{known}; fewer than {FEW} training rows have {', '.join(few)}: label more of them or merge."
        return Finding(f"labels of {name}", "look", said, table)
    if unmeasured:
        said = f"{known}; the test side has under {MEASURED} rows of {', '.join(unmeasured)}: it says nothing of them."
        return Finding(f"labels of {name}", "look", said, table)
    return Finding(f"labels of {name}", "good", f"{known}; every label has {FEW} training rows or more.", table)


def _mix(name: str, values: list[str | None]) -> Finding:
    counts = Counter(value or "unknown" for value in presentable(values))
    first, most = counts.most_common(1)[0]
    table = [{name: value, "rows": count, "share": count / len(values)} for value, count in
             counts.most_common(MOST)]  # fmt: skip
    said = f"{len(counts):,} values of {name}; the most frequent, {first}, has {most / len(values):.0%} of the rows."
    return Finding(f"mix of {name}", "good", said, table)


def _dates(data: Dataset, splits: Splits) -> Finding:
    when = all_seconds(data.columns["created_at"])
    dated = ~np.isnan(when)
    if not dated.any():
        said = "No row has a date: whether the model holds next month cannot be tested."
        return Finding("dates", "look", said)
    day = np.datetime64("1970-01-01")
    span = [str(day + int(edge // _DAY)) for edge in (when[dated].min(), when[dated].max())]
    train, test = (when[rows][dated[rows]] for rows in (splits.train, splits.test))
    forward = len(train) and len(test) and test.min() >= np.quantile(train, 0.99)
    later = "the test side is later than the train side."
    same = "the test side is of the same time as the train side and says nothing of drift (data.split.latest does)."
    said = f"{dated.mean():.0%} of the rows have a date, from {span[0]} to {span[1]}; {later if forward else same}"
    return Finding("dates", "good" if forward else "look", said)


def _lengths(data: Dataset) -> Finding:
    length = np.array([len(text) for text in data.texts])
    table = [{"characters": f"{share:.0%} of texts have at most", "value": int(np.quantile(length, share))}
             for share in (0.01, 0.25, 0.5, 0.75, 0.99, 1)]  # fmt: skip
    short = float((length < 10).mean())
    said = f"Texts have {int(np.median(length)):,} characters in the middle; {short:.0%} have fewer than 10."
    return Finding("lengths", "look" if short > 0.05 else "good", said, table)
