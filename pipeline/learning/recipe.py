"""The stages of a training run in order: read, split, fit, calibrate, evaluate, log, register."""

from __future__ import annotations

import difflib
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from models.families import FAMILIES
from models.ranking import Ranking, inactive
from pipeline.artefact import source_hash
from pipeline.config import ROOT, Config, ConfigError, flat, resolve
from pipeline.registry import Registered, add_page, connect, log_audit, log_training
from pipeline.settings import Split

from .audit import PAGE, SUSPECTS, Audit, audit
from .behaviour import load_tests
from .comparison import MEAN
from .dataset import Dataset, load_dataset
from .gate import Decision
from .plots import draw, draw_curve
from .promotion import Wish, settle
from .report import EVALUATION, report_of, write_mistakes
from .search import search
from .splits import SIDES, Splits, split
from .training import Trained, card, listed_metrics, slice_metrics, train

# Invented, so that nothing of a customer is ever in MLflow.
EXAMPLE = {
    "id": "example-1",
    "text": "Third time I ask about the double charge on my bill. Cancelling tonight.",
    "created_at": "2026-01-31T18:30:00Z",
    "customer_id": "C-1",
    "customer_value": 1200.0,
    "reach": 0.0,
    "nps": 2.0,
    "lang": "en",
}


def run(config: Config, *, wish: Wish = "gate", trials: int = 0) -> tuple[Registered, Decision]:
    """Return the registered version of the model that `config` trains, and what the gate says of it.

    Its alias says whether it serves. Progress goes to a terminal only. With `trials`, settings are searched for first,
    and the best ones trained.
    """
    console = Console(stderr=True)
    data, splits = _begun(console, config)
    if trials:
        config = _searched(console, config, data, splits, trials)
    audited = _audited(console, config, data, splits)
    with _progress(console, f"fitting {config.model.family}") as progress:
        trained = train(data, splits, config, commit(), progress)
    console.print(_table(trained))
    _say_chosen(console, trained.model.family.report)
    with tempfile.TemporaryDirectory() as scratch, console.status("evaluating, and comparing with the champion"):
        plots, page = Path(scratch) / "reports" / "plots", resolve(config.data.reports) / EVALUATION
        registered = _log(config, data, splits, trained, audited, Path(scratch))
        evaluated = report_of(data, splits, config, trained, audited)
        decision, serves = settle(config, data, splits, trained, registered.version, wish)
        evaluated.write(page, plots, decision, serves=serves)
    add_page(registered.run_id, page, {f"behaviour.{one.name}": one.passed for one in evaluated.behaviours})
    write_mistakes(page.with_name("mistakes.csv"), data, splits, trained)
    _say_decision(console, decision, serves)
    console.print(f"all of it on one page: {page}", markup=False, highlight=False, soft_wrap=True)
    return (replace(registered, alias="champion") if serves else registered), decision


def audit_alone(config: Config) -> Audit:
    """Return the audit of the data that `config` names; its page and the suspects are in ``data.reports``.

    The page is in MLflow as well; the suspects, which hold masked texts, are not.
    """
    console = Console(stderr=True)
    data, splits = _begun(console, config)
    audited = _audited(console, config, data, splits)
    folder = resolve(config.data.reports)
    run_id = log_audit(config, folder / PAGE, _described(data, splits))
    said = f"the report: {folder / PAGE} (run {run_id}); labels that are probably wrong: {folder / SUSPECTS}"
    console.print(said, markup=False, highlight=False, soft_wrap=True)
    return audited


def _begun(console: Console, config: Config) -> tuple[Dataset, Splits]:
    """Return the data and its sides; what is wrong with the settings, the data or the store is said before any work."""
    _check_settings(config)
    data = load_dataset(config)
    splits = split(data, config.data.split)
    connect(config)
    _announce(console, data, splits, config.data.split)
    return data, splits


def _audited(console: Console, config: Config, data: Dataset, splits: Splits) -> Audit:
    with _progress(console, "auditing the data") as progress:
        audited = audit(data, splits, config, progress)
    folder = resolve(config.data.reports)
    audited.write_page(folder / PAGE)
    audited.write_suspects(folder / SUSPECTS, data)
    for line in audited.said():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return audited


@contextmanager
def _progress(console: Console, what: str) -> Iterator[Callable[..., None]]:
    """Give what moves a bar on a terminal, from 0 to 1; it is silent elsewhere."""
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share, *_: bar.update(task, completed=share)


def _searched(console: Console, config: Config, data: Dataset, splits: Splits, trials: int) -> Config:
    """Return `config` with the best settings that a search found, which are printed as ``--set`` takes them."""
    with console.status(f"searching: {trials} trials of {config.model.family}"):
        best = search(config, data, splits, trials)
    found = [f"{name}={value:.4g}" for name, value in best.settings.items()]
    said = " ".join(f"--set {one}" for one in found)
    console.print(f"best of {best.trials} trials (log loss {best.loss:.4f}): {said}")
    return config.overridden(found)


def _say_chosen(console: Console, chosen: Mapping[str, Any]) -> None:
    """Tell what was chosen on held-out rows: how the encoder runs, and how many rows it reads."""
    exported = chosen.get("encoder", chosen)
    if "precision" in exported:
        refused = ", ".join(exported.get("refused", {}))
        why = f" ({refused} lost too much)" if refused else ""
        console.print(f"the encoder runs in {exported['precision']}{why}")
    if "share" in chosen:
        console.print(f"the encoder reads {chosen['share']:.0%} of the rows, family linear the others")


def _say_decision(console: Console, decision: Decision, serves: bool) -> None:
    """Tell whether the new version serves, and which checks it does not hold."""
    for name, reason in decision.refused.items():
        console.print(f"gate: {name.replace('_', ' ')}: {reason}", markup=False, highlight=False, soft_wrap=True)
    if not decision.refused:
        console.print(f"gate: every check holds ({decision.why})", markup=False, highlight=False, soft_wrap=True)
    if serves and decision.refused:
        console.print("gate: it serves all the same, because --promote insists")


def _check_settings(config: Config) -> None:
    """Refuse an unknown family, and a name that means nothing here and is no default: it is a slip of the pen."""
    if config.model.family not in FAMILIES:
        raise ConfigError(f"model.family must be one of {', '.join(FAMILIES)}; got {config.model.family!r}")
    heads, usual = config.schema_().names, Config()
    ranking = Ranking.from_settings(config.rank.model_dump())
    for name in inactive(config.schema_(), ranking):
        if name not in usual.rank.weights:
            known = [*heads, *usual.rank.weights]
            raise ConfigError(f"rank.weights: {name!r} is no head, label or factor; {_meant(name, known)}")
    load_tests(config)
    for figure in (config.gate.primary, *config.gate.or_gain):
        if figure.partition(".")[0] not in (*heads, MEAN):
            raise ConfigError(
                f"gate: {figure!r} is no figure; give mean.headline or head.metric, as {heads[0]}.macro_f1"
            )
    for name in config.model.heads:
        if name not in heads and name not in usual.model.heads:
            raise ConfigError(f"model.heads: {name!r} is no head of the label schema; {_meant(name, heads)}")


def _meant(name: str, known: Sequence[str]) -> str:
    hint = difflib.get_close_matches(name, known, 1)
    return f"did you mean {hint[0]!r}?" if hint else "see configs/default.yaml"


def _log(config: Config, data: Dataset, splits: Splits, trained: Trained, audited: Audit, scratch: Path) -> Registered:
    trained.model.save(scratch / "triage", card(trained, config))
    _, targets = data.take(splits.test)
    draw(data.schema, trained.predictions.probabilities, targets, trained.labels, scratch / "reports" / "plots")
    audited.write_page(scratch / "reports" / PAGE)
    chosen = trained.model.family.report
    if "curve" in chosen:
        draw_curve(data.schema, chosen["curve"], chosen["share"], scratch / "reports" / "plots")
    lineage = trained.model.lineage
    metrics = {f"{name}.rows": float(report.rows) for name, report in trained.report.items()}
    for name, report in trained.report.items():
        for metric, figure in report.figures.items():
            key = f"{name}.{metric}"
            metrics |= {key: figure.value, f"{key}.low": figure.low, f"{key}.high": figure.high}
    metrics |= slice_metrics(trained)
    return log_training(
        config,
        scratch / "triage",
        metrics=metrics,
        params=flat("model", config.model.model_dump()) | {"seed": config.seed},
        tags={
            "commit": str(lineage["commit"]),
            "config": config.digest(),
            "data": lineage["training_data"],
            "models_source": source_hash(),
            "model_version": trained.model.version,
        },
        dataset=_described(data, splits),
        reports=scratch / "reports",
        report=chosen,
        example=EXAMPLE,
    )


def _described(data: Dataset, splits: Splits) -> dict[str, Any]:
    """Return which data it is and how it was divided, without a text of it."""
    return {
        "name": " ".join(sorted(data.files)),
        "digest": data.digest(),
        "files": data.files,
        "rows": {name: len(getattr(splits, name)) for name in SIDES},
        "rejected": dict(data.rejected),
        "rejected_labels": {head: sum(unknown.values()) for head, unknown in data.rejected_labels.items()},
        "excluded": splits.excluded,
    }


def _announce(console: Console, data: Dataset, splits: Splits, wanted: Split) -> None:
    console.print(
        f"{len(data):,} rows from {len(data.files)} files: {len(splits.train):,} to train on, "
        f"{len(splits.calibration):,} to calibrate on, {len(splits.test):,} to test on"
    )
    tested = len(splits.test) / max(len(splits.train) + len(splits.calibration) + len(splits.test), 1)
    if not any(data.columns["split"]) and abs(tested - wanted.test) > wanted.test / 2:
        console.print(
            f"note: {tested:.0%} of the rows are tested on where {wanted.test:.0%} were asked for: "
            "a few customers or often repeated texts hold most rows together"
        )
    for what, counts in (("rejected rows", data.rejected), ("left out", splits.excluded)):
        if any(counts.values()):
            console.print(f"{what}: " + ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count))
    for head, unknown in data.rejected_labels.items():
        # Counts alone: a column mapped by mistake would print what customers wrote.
        console.print(
            f"rejected labels of {head}: {sum(unknown.values()):,} of {len(unknown):,} kinds that are not in the schema"
        )


def _table(trained: Trained) -> Table:
    table = Table("head", "rows", "metric", "value", "95% interval", title="test side")
    for name, report in trained.report.items():
        for place, metric in enumerate(listed_metrics(trained, name)):
            figure = report.figures[metric]
            first = (name, f"{report.rows:,}") if place == 0 else ("", "")
            table.add_row(*first, metric, f"{figure.value:.3f}", f"{figure.low:.3f} to {figure.high:.3f}")
    return table


CODE = ("models", "pipeline", ":(glob)*.py", "requirements.lock")  # what a model cannot be had again without


def commit() -> str | None:
    """Return the git commit of the checkout, ``-dirty`` where its code differs from it; None outside a checkout.

    A file of code that git does not know is a difference too; settings and tests are none: those are kept with the run.
    """
    try:
        head = _git("rev-parse", "HEAD")
        changed = _git("diff", "--name-only", "HEAD", "--", *CODE)
        unknown = _git("ls-files", "--others", "--exclude-standard", "--", *CODE)
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}-dirty" if changed or unknown else head


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
