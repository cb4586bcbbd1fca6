"""Ourselves and the peers of the comparison: each takes a task and a seed, and returns its figures by name.

One training of a cascade gives three rows of the table: itself, both tiers on every row, and its encoder alone.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.sets import METRICS, Task
from models.families.routing import Routing
from models.schema import Head, Schema
from models.scoring import given_labels
from models.triage import TriageModel
from pipeline.learning.evaluation import evaluate

Figures = dict[str, float]
System = Callable[[Task, int], dict[str, Figures]]
Predict = Callable[[Sequence[str]], dict[str, np.ndarray]]
FULL_EPOCHS = 3


def figures_of(
    task: Task, schema: Schema, likely: dict[str, np.ndarray], labels: dict[str, np.ndarray] | None = None
) -> Figures:
    """Return the figures of some heads' probabilities, and of the labels given, on the test side."""
    targets = {name: target.take(task.sides.test) for name, target in task.data.targets.items()}
    groups = task.sides.group[task.sides.test]
    reports = evaluate(
        schema, likely, targets, groups, resamples=50, seed=1, capacity=task.config.rank.capacity, labels=labels
    )
    return {
        f"{name} {metric}": report.figures[metric].value
        for name, report in reports.items()
        for metric in METRICS[schema[name].kind]
    }


def judged(task: Task, predict: Predict, model: TriageModel | None = None) -> Figures:
    """Return the figures of `predict` on the test side, and its rows per CPU-second there: texts it never met.

    The labels are those that `model` gives; a peer's are the likeliest.
    """
    predict(["to load what is loaded once"])
    start = time.process_time()
    likely = predict(task.test_texts)
    taken = time.process_time() - start
    labels = given_labels(model, likely) if model else None
    return figures_of(task, task.data.schema, likely, labels) | {"rows_per_cpu_s": len(task.test_texts) / taken}


def ours(family: str) -> System:
    """Return what measures one of our families, calibrated on the calibration side."""

    def measure(task: Task, seed: int) -> dict[str, Figures]:
        model, trained = _trained(task, family, seed)
        return {family: trained | judged(task, lambda texts: model.predict(texts).probabilities, model)}

    return measure


def cascade(task: Task, seed: int) -> dict[str, Figures]:
    """Return the figures of a cascade, of the same one where the encoder reads every row, and of its encoder alone."""
    model, trained = _trained(task, "cascade", seed)
    family = model.family
    alone = replace(model, family=family.second, family_name="encoder", calibrations=dict(model.calibrations))
    alone.calibrate(*task.data.take(task.sides.calibration), balances(task))
    every = replace(model, family=replace(family, routing=Routing.everything(model.schema)))
    return {
        name: trained | judged(task, lambda texts, one=one: one.predict(texts).probabilities, one)
        for name, one in (("cascade", model), ("every", every), ("encoder", alone))
    }


def balances(task: Task) -> dict[str, float]:
    """Return how far the rare labels of each head are raised."""
    return {name: one.balance for name, one in task.config.model.heads.items()}


def _trained(task: Task, family: str, seed: int) -> tuple[TriageModel, Figures]:
    settings = task.config.model_settings() | {"family": family, "checkpoints": ""}
    held_out, learnt = task.data.take(task.sides.calibration), task.data.take(task.sides.train)
    start = time.perf_counter()
    model = TriageModel.fit(task.data.schema, *learnt, settings, seed, held_out=held_out)
    taken = time.perf_counter() - start
    model.calibrate(*held_out, balances(task))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return model, {"training_s": taken, "training_mib": peak}


def per_head(fit: Callable[[list[str], np.ndarray, Head, int], Callable[[Sequence[str]], np.ndarray]]):  # noqa: ANN201
    """Return what measures a peer that has one model per head; `fit` returns what predicts a head's probabilities."""

    def measure(task: Task, seed: int) -> dict[str, Figures]:
        texts, models = task.data.texts, {}
        start = time.perf_counter()
        for head in task.data.schema:
            target = task.data.targets[head.name]
            rows = task.learnt[target.known[task.learnt]]
            truth = target.truth[rows]
            labels = truth if head.kind == "multilabel" else truth[:, 0] if head.kind == "binary" else truth.argmax(1)
            models[head.name] = fit([texts[row] for row in rows.tolist()], labels.astype(int), head, seed)
        taken = time.perf_counter() - start
        figures = judged(task, lambda batch: {name: model(batch) for name, model in models.items()})
        return {fit.__name__: {"training_s": taken} | figures}

    return measure


def _shaped(likely: np.ndarray, head: Head) -> np.ndarray:
    """Return a classifier's probabilities in our shape: of a binary head, the yes alone."""
    return np.asarray(likely[:, 1:] if head.kind == "binary" else likely, np.float32)


def _regression(head: Head):  # noqa: ANN202
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    one = LogisticRegression(class_weight="balanced", max_iter=300)
    return OneVsRestClassifier(one) if head.kind == "multilabel" else one


def tfidf(texts: list[str], labels: np.ndarray, head: Head, seed: int) -> Callable[[Sequence[str]], np.ndarray]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), _regression(head)).fit(texts, labels)
    return lambda batch: _shaped(model.predict_proba(batch), head)


def embeddings(texts: list[str], labels: np.ndarray, head: Head, seed: int) -> Callable[[Sequence[str]], np.ndarray]:
    from sentence_transformers import SentenceTransformer

    from models.families.encoder.sources import packaged

    encoder = SentenceTransformer(str(packaged()), device="cpu")
    model = _regression(head).fit(encoder.encode(texts, show_progress_bar=False), labels)
    return lambda batch: _shaped(model.predict_proba(encoder.encode(list(batch), show_progress_bar=False)), head)


def fasttext(texts: list[str], labels: np.ndarray, head: Head, seed: int) -> Callable[[Sequence[str]], np.ndarray]:
    import fasttext as library

    names = (
        [[str(i) for i in np.flatnonzero(row)] or ["none"] for row in labels] if labels.ndim > 1 else labels[:, None]
    )
    width = head.width if head.kind == "multilabel" else int(labels.max()) + 1
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "train.txt"
        lines = (" ".join(f"__label__{name}" for name in own) + " " + " ".join(text.lower().split())
                 for own, text in zip(names, texts, strict=True))  # fmt: skip
        file.write_text("\n".join(lines), encoding="utf-8")
        loss = "ova" if head.kind == "multilabel" else "softmax"
        model = library.train_supervised(
            str(file), epoch=25, lr=0.5, wordNgrams=2, minn=2, maxn=5, dim=50, loss=loss, thread=2, verbose=0
        )

    def predict(batch: Sequence[str]) -> np.ndarray:
        out = np.zeros((len(batch), width), np.float32)
        for row, text in enumerate(batch):
            # With numpy 2 the library's own multi-line prediction returns wrong probabilities.
            for likely, name in model.f.predict(" ".join(text.lower().split()) + "\n", -1, 0.0, "strict"):
                if name.removeprefix("__label__").isdigit():
                    out[row, int(name.removeprefix("__label__"))] = likely
        return _shaped(out, head)

    return predict


def finetuned(texts: list[str], labels: np.ndarray, head: Head, seed: int) -> Callable[[Sequence[str]], np.ndarray]:
    """MiniLM as the tutorials fine-tune it: `Trainer`, three epochs, batches of 16, 5e-5, served by `pipeline()`."""
    import torch
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments, pipeline

    from models.families.encoder.sources import packaged

    many = head.kind == "multilabel"
    tokenizer = AutoTokenizer.from_pretrained(packaged())
    torch.manual_seed(seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        packaged(), num_labels=head.width if many else int(labels.max()) + 1,
        problem_type="multi_label_classification" if many else "single_label_classification",
    )  # fmt: skip
    rows = Dataset.from_dict({"text": texts, "labels": labels.astype(float).tolist() if many else labels.tolist()})
    rows = rows.map(lambda row: tokenizer(row["text"], truncation=True, max_length=128), batched=True)
    with TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            scratch, num_train_epochs=FULL_EPOCHS, per_device_train_batch_size=16, learning_rate=5e-5, seed=seed,
            report_to="none", save_strategy="no", disable_tqdm=True, use_cpu=True,
        )  # fmt: skip
        Trainer(model=model, args=arguments, train_dataset=rows, processing_class=tokenizer).train()
    serve = pipeline("text-classification", model=model.eval(), tokenizer=tokenizer, device="cpu", top_k=None,
                     function_to_apply="sigmoid" if many else "softmax")  # fmt: skip

    def predict(batch: Sequence[str]) -> np.ndarray:
        said = serve(list(batch), truncation=True, max_length=128)
        likely = np.zeros((len(batch), model.config.num_labels), np.float32)
        for row, entries in enumerate(said):
            for entry in entries:
                likely[row, model.config.label2id[entry["label"]]] = entry["score"]
        return _shaped(likely, head)

    return predict


def setfit(texts: list[str], labels: np.ndarray, head: Head, seed: int) -> Callable[[Sequence[str]], np.ndarray]:
    """SetFit (Tunstall et al. 2022) on up to 16 rows a label, as it is meant to be used."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    from models.families.encoder.sources import packaged

    random = np.random.default_rng(seed)
    columns = labels if labels.ndim > 1 else np.eye(int(labels.max()) + 1, dtype=int)[labels]
    chosen = np.unique(np.concatenate([random.permutation(np.flatnonzero(column))[:16] for column in columns.T]))
    model = SetFitModel.from_pretrained(
        str(packaged()), multi_target_strategy="one-vs-rest" if labels.ndim > 1 else None
    )
    rows = Dataset.from_dict({"text": [texts[row] for row in chosen.tolist()], "label": labels[chosen].tolist()})
    arguments = TrainingArguments(batch_size=32, num_epochs=1, num_iterations=10, seed=seed, report_to="none")
    Trainer(model=model, args=arguments, train_dataset=rows).train()
    return lambda batch: _shaped(np.asarray(model.predict_proba(list(batch)), np.float32), head)


SYSTEMS: dict[str, System] = {
    "linear": ours("linear"),
    "frozen": ours("frozen"),
    "cascade": cascade,
    "tfidf": per_head(tfidf),
    "embeddings": per_head(embeddings),
    "fasttext": per_head(fasttext),
    "finetuned": per_head(finetuned),
    "setfit": per_head(setfit),
}
