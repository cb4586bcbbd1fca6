"""What a candidate must hold. A check returns why it does not, in one sentence; nothing where it does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter, process_time

import numpy as np

from models.triage import TriageModel
from pipeline.config import ConfigError

from ..behaviour import Outcome
from ..comparison import HEADLINE, MEAN, better
from ..evaluation import Figure
from ..splits import SIDES, fingerprints
from ..training import newest
from .contest import Contest

Check = Callable[[Contest], str]
SAME = 1e-4  # probabilities that differ by less are the same
TIMED, ROUNDS = 500, 3
GROUPS = 50
_DAY = 86_400.0


def sound_predictions(contest: Contest) -> str:
    """Refuse probabilities that are not from 0 to 1, do not sum to one, or are the same for every text."""
    for head in contest.data.schema:
        likely = contest.new.probabilities[head.name]
        if not np.isfinite(likely).all() or likely.min(initial=0) < 0 or likely.max(initial=0) > 1:
            return f"head {head.name} gives probabilities that are none"
        if head.exclusive and np.abs(likely.sum(1) - 1).max(initial=0) > 1e-3:
            return f"the probabilities of head {head.name} do not sum to one"
        if head.exclusive and len(likely) > 1 and np.ptp(likely, axis=0).max() < SAME:
            return f"head {head.name} says the same of every text"
    return ""


def same_as_trained(contest: Contest) -> str:
    """Refuse what comes back from the registry and says other than was evaluated: tokeniser, weights, export."""
    for name, likely in contest.evaluated.probabilities.items():
        apart = float(np.abs(likely - contest.new.probabilities[name]).max(initial=0))
        if not apart <= SAME:
            return f"head {name} of the registered model is up to {apart:.2g} from what was evaluated"
    for name, given in contest.evaluated.labels.items():
        others = int((given != contest.new.labels[name]).sum())
        if others:
            return f"head {name} of the registered model gives {others} rows another label than was evaluated"
    return ""


def signature(contest: Contest) -> str:
    """Refuse a registered model that does not say which columns it takes and gives."""
    return "" if contest.signed else "the registered model has no signature"


def same_heads(contest: Contest) -> str:
    """Refuse a model without a head of the champion, or with other labels: others rely on them."""
    if contest.champion is None:
        return ""
    new = {head.name: head for head in contest.candidate.schema}
    for head in contest.champion.schema:
        if head.name not in new:
            return f"head {head.name} of the champion is missing"
        if (new[head.name].kind, tuple(new[head.name].labels)) != (head.kind, tuple(head.labels)):
            return f"head {head.name} has other labels, or in another order, than the champion's"
    return ""


def unseen_test(contest: Contest) -> str:
    """Refuse a model that learnt from other rows than it says, or from a text of the test side."""
    lineage, splits = contest.candidate.lineage, contest.splits
    if lineage.get("training_data") != contest.data.digest():
        return "it says that it was trained on other data than these"
    rows = {name: len(getattr(splits, name)) for name in SIDES}
    if lineage.get("rows") != rows:
        return f"it was trained with other sides ({lineage.get('rows')}) than it is tested with ({rows})"
    learnt = contest.candidate.learnt
    if not len(learnt):
        return "it does not say which texts it learnt from"
    given, _ = contest.data.take(np.concatenate([splits.train, splits.calibration]))
    again = int(np.isin(contest.tested, [*learnt, *fingerprints(given)]).sum())
    return f"{again} texts of the test side are in the training data" if again else ""


def fresh_data(contest: Contest) -> str:
    """Refuse a model whose newest training row is older than it may be, or than the champion's."""
    latest = newest(contest.data, contest.splits)
    before = contest.champion.lineage.get("newest_row") if contest.champion else None
    if before and latest is None:
        return "its training rows have no dates, and the champion's had"
    if before and latest is not None and latest < float(before) - _DAY:
        return f"its newest training row is {(float(before) - latest) / _DAY:.0f} days older than the champion's"
    oldest = contest.config.gate.max_age_days
    if oldest is None:
        return ""
    if latest is None:
        return "no training row has a date, and gate.max_age_days asks for fresh data"
    from datetime import UTC, datetime

    age = (datetime.now(UTC).timestamp() - latest) / _DAY
    return f"its newest training row is {age:.0f} days old; gate.max_age_days allows {oldest:g}" if age > oldest else ""


def clean_tree(contest: Contest) -> str:
    """Refuse a model that was trained with code that is not in git: it cannot be had again."""
    commit = contest.candidate.lineage.get("commit")
    if commit is None:
        unknown = "the commit that it was trained at is unknown: train in a checkout of git"
        return unknown if contest.champion else ""
    changed = "it was trained with changes that are not in git: commit them, or insist with --promote"
    return changed if str(commit).endswith("-dirty") else ""


def enough_rows(contest: Contest) -> str:
    """Refuse to compare on so few customers that every interval is narrow by accident."""
    groups = len(np.unique(contest.splits.group[contest.rows]))
    if contest.champion is None or groups >= GROUPS:
        return ""
    return f"{groups} customers of the test side are new to the champion; {GROUPS} are needed to compare on"


def same_ground(contest: Contest) -> str:
    """Refuse a model that was not tested in a language that the champion was tested in."""
    if contest.champion is None:
        return ""
    lacking = {*getattr(contest.champion, "languages", ())} - {*contest.candidate.languages}
    return (
        f"its test side has no texts in {', '.join(sorted(lacking))}, which the champion was tested in"
        if lacking
        else ""
    )


def primary(contest: Contest) -> str:
    """Refuse a model that does not surely gain: in the primary figure, or in a named one within the margin."""
    if contest.champion is None:
        return ""
    gate = contest.config.gate
    gain = _gain(contest, gate.primary)
    if gain.low > 0:
        return ""
    if gain.low >= -gate.margin and any(_gain(contest, name).low > 0 for name in gate.or_gain):
        return ""
    return f"{gate.primary} does not surely gain on the champion: {gain.value:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"


def _gain(contest: Contest, name: str) -> Figure:
    head, _, metric = name.partition(".")
    try:
        return better(metric, contest.gains[head][metric])
    except KeyError:
        known = [f"{head}.{metric}" for head, figures in contest.gains.items() for metric in figures]
        raise ConfigError(f"{name!r} is no figure of this model; known are {', '.join(known[:8])}, ...") from None


def every_head(contest: Contest) -> str:
    """Refuse a model by which the headline figure of a head may fall by more than it may."""
    if contest.champion is None:
        return ""
    most = contest.config.gate.max_head_loss
    for head in contest.shared:
        gain = contest.thin_gains.get(head.name, {}).get(HEADLINE[head.kind])
        if gain is not None and gain.value < -most:
            return f"{head.name} falls by {-gain.value:.3f} on the few rows that carry it, too few for an interval"
        if not contest.targets[head.name].known.any():
            return f"no row of the test side that is new to the champion carries {head.name}"
    return _worst(contest, "", contest.gains, most)


def every_slice(contest: Contest) -> str:
    """Refuse a model by which that of a protected slice may fall by more than it may."""
    if contest.champion is None:
        return ""
    for name, rows in contest.slices().items():
        if worst := _worst(contest, f" on {name}", contest.gains_on(rows), contest.config.gate.max_slice_loss):
            return worst
    return ""


def _worst(contest: Contest, where: str, gains: Mapping[str, Mapping[str, Figure]], most: float) -> str:
    for head in contest.data.schema:
        gain = gains.get(head.name, {}).get(HEADLINE[head.kind])
        if gain is not None and gain.low < -most:
            return (
                f"{head.name}{where} may fall by {-gain.low:.3f} ({HEADLINE[head.kind]}, at most {most:g} is allowed)"
            )
    return ""


def calibrated(contest: Contest) -> str:
    """Refuse a model with a head that is clearly worse calibrated than the champion's."""
    if contest.champion is None:
        return ""
    most = contest.config.gate.max_ece_rise
    for name, figures in contest.gains.items():
        rise = figures.get("ece")
        if name != MEAN and rise is not None and rise.value > most and rise.low > 0:
            return f"head {name} is worse calibrated than the champion's: ECE {rise.value:+.3f}"
    return ""


def behaviour(contest: Contest) -> str:
    """Refuse a model that fails a behaviour test which it must pass, or which the champion clearly passes better."""
    now, before = contest.behaviours
    champion = {outcome.name: outcome for outcome in before}
    if contest.champion is None:
        return ""
    failed = [one for one in now if not one.good and (one.must or _lost(one, champion.get(one.name)))]
    if not failed:
        return ""
    first = failed[0]
    return f"{first.name!r} is passed by {first.passed:.0%} of its texts, and {first.needed:.0%} are needed"


def _lost(now: Outcome, before: Outcome | None) -> bool:
    """Return whether a third of the texts or more, that the champion passes, is lost: one of four may be chance."""
    return before is not None and before.good and before.passed - now.passed >= 1 / 3


def export(contest: Contest) -> str:
    """Refuse a model whose exported encoder lost more than it may."""
    report = contest.candidate.family.report
    report = report.get("encoder", report)
    most = contest.config.model.max_export_loss
    lost = report.get("loss", {}) if report.get("precision") == "int8" else {}
    worst = max(lost.values(), default=0.0)
    return f"its export loses {worst:.2f} points of macro-F1; {most:g} are allowed" if worst > most else ""


def speed(contest: Contest) -> str:
    """Refuse a model that is much slower than the champion."""
    if contest.champion is None or not contest.texts:
        return ""
    texts = (contest.texts * (TIMED // len(contest.texts) + 1))[:TIMED]
    taken = [min(times) for times in zip(*(_timed(contest, texts) for _ in range(ROUNDS)), strict=True)]
    ratio = taken[1] / max(taken[0], 1e-9)
    least = contest.config.gate.min_speed
    return (
        f"it scores {ratio:.2f} times as many rows a second as the champion; {least:g} are needed"
        if ratio < least
        else ""
    )


def _timed(contest: Contest, texts: list[str]) -> tuple[float, float]:
    def seconds(model: TriageModel) -> float:
        start, began = process_time(), perf_counter()
        model.predict(texts)
        worked, waited = process_time() - start, perf_counter() - began
        return waited if worked < waited / 5 else worked  # what waits, or works elsewhere, takes its time all the same

    assert contest.champion is not None
    return seconds(contest.candidate), seconds(contest.champion)


def size(contest: Contest) -> str:
    """Refuse a model that is much larger than the champion."""
    new, old = contest.sizes
    most = contest.config.gate.max_size
    if contest.champion is None or new <= most * old:
        return ""
    return f"it has {new / 1e6:,.1f} MB, the champion {old / 1e6:,.1f}; {most:g} times as much is allowed"


# Without a champion there is nothing to hold the candidate against.
COMPARING = frozenset(
    {
        "same_heads",
        "enough_rows",
        "same_ground",
        "primary",
        "every_head",
        "every_slice",
        "calibrated",
        "behaviour",
        "speed",
        "size",
    }
)
CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        sound_predictions, same_as_trained, signature, same_heads, unseen_test, fresh_data, clean_tree,
        enough_rows, same_ground, primary,
        every_head, every_slice, calibrated, behaviour, export, speed, size,
    )
}  # fmt: skip
