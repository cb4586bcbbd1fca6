"""Joint fine-tuning of the encoder and all heads with Hugging Face `Trainer`: on a GPU, and in bf16, unchanged."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from ...calibration import log_loss, of_heads
from ...schema import Schema
from ...targets import Target, Targets, balance
from .network import Network
from .probe import class_weight
from .runtime import filled, has_bf16
from .tokens import Tokeniser

Floats = NDArray[np.float32]


def fine_tune(
    network: Network, tokeniser: Tokeniser, learnt: tuple[Sequence[str], Targets],
    held_out: tuple[Sequence[str], Targets] | None, settings: Mapping[str, Any], seed: int, scratch: Path,
    progress: Callable[..., None],
) -> None:  # fmt: skip
    """Train `network` in place on prepared texts; it ends as it was after its best epoch on the held-out rows.

    Checkpoints of every epoch lie in `scratch`; where one is there already, training goes on from it.
    """
    schema = network.schema

    def compute_metrics(seen: Any) -> dict[str, float]:
        # `Trainer` evaluates in an order of its own: the truth has to come from the same batches as the predictions.
        return {"log_loss": log_loss(schema, seen.predictions, _targets(schema, *seen.label_ids))}

    train = dataset(tokeniser, *learnt, schema, settings)
    validation = dataset(tokeniser, *held_out, schema, settings) if held_out else None
    epochs = _epochs(settings, len(train))
    arguments = _arguments(settings, epochs, seed, scratch, validate=validation is not None)
    patience = int(settings["patience"]) * epochs // int(settings["epochs"])
    trainer = Trainer(
        model=network,
        args=arguments,
        data_collator=collate,
        train_dataset=train,
        eval_dataset=validation,
        compute_metrics=compute_metrics if held_out else None,
        optimizers=(_optimiser(network, settings), None),
        callbacks=[_Told(progress), *([EarlyStoppingCallback(patience)] if held_out else [])],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=_newest_whole(scratch))


def collate(rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
    """Return one batch: the windows of all its texts side by side, and which text each is of."""
    windows = [window for row in rows for window in np.split(row["ids"], np.cumsum(row["parts"])[:-1])]
    ids, mask = filled(windows, multiple=4)
    counts = torch.tensor([len(row["parts"]) for row in rows])
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask),
        "owner": torch.repeat_interleave(torch.arange(len(rows)), counts),
        "texts": counts,
        "truth": torch.from_numpy(np.stack([row["truth"] for row in rows]).astype(np.float32)),
        "weight": torch.from_numpy(np.stack([row["weight"] for row in rows]).astype(np.float32)),
    }


def loss_weights(schema: Schema, targets: Targets, settings: Mapping[str, Any]) -> Floats:
    """Return the loss weight of every label of every row, shape (rows, sum of widths).

    A head that few rows carry is raised as much as it is rare, so that all heads learn at one pace.
    """
    parts = []
    for head in schema:
        target = targets[head.name]
        pace = 1.0 if head.exclusive else 1 / np.sqrt(head.width)
        share = max(float(target.known.mean()), 1e-3)
        weight = float(settings["heads"].get(head.name, {}).get("weight", 1.0))
        balanced = balance(head, target, class_weight(head, settings))
        parts.append(balanced * np.float32(weight * pace / share))
    return np.hstack(parts).astype(np.float32)


def dataset(
    tokeniser: Tokeniser, texts: Sequence[str], targets: Targets, schema: Schema, settings: Mapping[str, Any]
) -> Any:
    """Return prepared texts as `datasets` holds them: token ids and lengths of their windows, truth, loss weights."""
    from datasets import Dataset

    windows = tokeniser.windows(texts)
    starts = np.append(0, np.cumsum(windows.count)).tolist()
    of_text = [windows.ids[start:stop] for start, stop in pairwise(starts)]
    columns = {
        "ids": [[token for window in own for token in window] for own in of_text],
        "parts": [[len(window) for window in own] for own in of_text],
        "length": [sum(map(len, own)) for own in of_text],
        "truth": np.hstack([targets[head.name].truth for head in schema]),
        "weight": loss_weights(schema, targets, settings),
    }
    return Dataset.from_dict(columns).with_format("numpy")


def _targets(schema: Schema, truth: Floats, weight: Floats) -> Targets:
    """Return the targets that `dataset` wrote down; a row that does not carry a head weighs nothing there."""
    parts = zip(schema, of_heads(schema, truth), of_heads(schema, weight), strict=True)
    return {head.name: Target(heavy.max(1) > 0, held) for head, held, heavy in parts}


def _newest_whole(scratch: Path) -> str | None:
    """Return the newest checkpoint that was written to its end; `Trainer` writes its state last."""
    for folder in scratch.glob("checkpoint-*"):
        if not (folder / "trainer_state.json").exists():
            shutil.rmtree(folder)
    whole = sorted(scratch.glob("checkpoint-*"), key=lambda folder: int(folder.name.rpartition("-")[2]))
    return str(whole[-1]) if whole else None


def _epochs(settings: Mapping[str, Any], rows: int) -> int:
    """Return the number of epochs: the one that is set, or more where few rows would leave too few steps."""
    steps = -(-rows // int(settings["batch_size"]))
    return max(int(settings["epochs"]), -(-int(settings["least_steps"]) // steps))


def _arguments(
    settings: Mapping[str, Any], epochs: int, seed: int, scratch: Path, *, validate: bool
) -> TrainingArguments:
    when = "epoch" if validate else "no"
    return TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=epochs,
        per_device_train_batch_size=int(settings["batch_size"]),
        per_device_eval_batch_size=64,
        lr_scheduler_type="linear",
        warmup_steps=0.1,
        bf16=has_bf16(),
        train_sampling_strategy="group_by_length",
        eval_strategy=when,
        save_strategy=when,
        save_total_limit=2,
        load_best_model_at_end=validate,
        metric_for_best_model="log_loss" if validate else None,
        greater_is_better=False if validate else None,
        label_names=["truth", "weight"],
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        seed=seed,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
    )


def _optimiser(network: Network, settings: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Return AdamW; readouts learn faster than the encoder, biases and norms do not decay."""
    rate = float(settings["learning_rate"])
    named = list(network.named_parameters())
    groups = []
    for inside in (True, False):
        for decays in (True, False):
            chosen = [
                value for name, value in named
                if name.startswith("encoder.") == inside and (value.ndim > 1) == decays and value.requires_grad
            ]  # fmt: skip
            decay = float(settings["weight_decay"]) if decays else 0.0
            groups.append(
                {"params": chosen, "lr": rate if inside else rate * float(settings["head_pace"]), "weight_decay": decay}
            )
    return torch.optim.AdamW(groups, fused=True)


class _Told(TrainerCallback):
    def __init__(self, progress: Callable[..., None]) -> None:
        self._progress = progress

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._progress(state.global_step / max(state.max_steps, 1))

    def on_evaluate(self, args: Any, state: Any, control: Any, **seen: Any) -> None:
        self._progress(state.global_step / max(state.max_steps, 1), seen["metrics"]["eval_log_loss"])
