"""Fine-tuning: judged on the right rows, gone on with after a kill, and never from another training's checkpoints."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.calibration import log_loss
from models.families.encoder import Encoder
from models.families.encoder.family import _checkpoints, _digest
from models.families.encoder.network import Network
from models.families.encoder.readout import Readout
from models.families.encoder.runtime import Torch, pool
from models.families.encoder.tokens import Tokeniser
from models.families.encoder.training import _newest_whole, fine_tune
from models.schema import Schema
from models.targets import encode_all
from tests.conftest import quick
from tests.models.test_encoder import SCHEMA, TEXTS, cells


def test_checkpoints_stay_when_training_is_cut_short_and_go_when_it_is_done(tmp_path: Path) -> None:
    cut_short = _checkpoints("one", str(tmp_path))
    folder = cut_short.__enter__()
    (folder / "checkpoint-1").mkdir()
    assert not cut_short.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    with _checkpoints("one", str(tmp_path)) as again:
        assert again == folder
        assert (again / "checkpoint-1").is_dir()
    assert not folder.exists()


def test_a_training_on_other_labels_has_other_checkpoints() -> None:
    settings = {"fine_tune": {}, "encoder": "x", "heads": {}, "max_tokens": 16}
    learnt, other = (
        (TEXTS, encode_all(SCHEMA, cells(4))),
        (TEXTS, encode_all(SCHEMA, cells(4) | {"mood": [["bad"]] * 4})),
    )
    fewer = Schema(SCHEMA.heads[:2])
    digests = [
        _digest(SCHEMA, settings, 1, learnt, None),
        _digest(SCHEMA, settings, 2, learnt, None),
        _digest(SCHEMA, settings | {"max_tokens": 32}, 1, learnt, None),
        _digest(SCHEMA, settings, 1, other, None),
        _digest(SCHEMA, settings, 1, learnt, learnt),
        _digest(fewer, settings, 1, learnt, None),
    ]
    assert len(set(digests)) == len(digests)
    assert _digest(SCHEMA, settings, 1, learnt, None) == digests[0]


def test_a_checkpoint_that_was_not_written_to_its_end_is_not_gone_on_from(tmp_path: Path) -> None:
    for step in (9, 10, 20):
        (tmp_path / f"checkpoint-{step}").mkdir()
        if step < 20:
            (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text("{}")
    assert _newest_whole(tmp_path) == str(tmp_path / "checkpoint-10")
    assert not (tmp_path / "checkpoint-20").exists()
    assert _newest_whole(tmp_path / "none") is None


def test_the_loss_on_held_out_rows_is_that_of_the_right_rows(pretrained: tuple[Any, Tokeniser], tmp_path: Path) -> None:
    """`Trainer` groups rows of like length when it evaluates as well: predictions come in another order."""
    encoder, tokeniser = pretrained
    network = Network(deepcopy(encoder), Readout.blank(SCHEMA, int(encoder.config.hidden_size)), {})
    texts = [f"{'awful' if row % 2 else 'lovely'} thing" + " and more" * (row * 7 % 5) for row in range(48)]
    targets = encode_all(SCHEMA, cells(48))
    settings = {"epochs": 1, "least_steps": 0, "patience": 1, "batch_size": 8, "learning_rate": 5e-3, "head_pace": 4}
    losses: list[float] = []
    fine_tune(
        network, tokeniser, (texts, targets), (texts, targets),
        settings | {"class_weight": 0.5, "weight_decay": 0.0, "heads": {}}, 1, tmp_path,
        lambda _, loss=None: losses.append(loss) if loss is not None else None,
    )  # fmt: skip
    logits = network.to_readout()(pool(Torch(network.encoder), tokeniser.windows(texts)))
    assert losses == [pytest.approx(log_loss(SCHEMA, logits, targets), abs=0.01)]


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on_and_ends_the_same(tiny_encoder: Path, tmp_path: Path) -> None:
    settings = quick(tiny_encoder, "encoder") | {"checkpoints": str(tmp_path), "export": "none"}
    settings["fine_tune"] = settings["fine_tune"] | {"epochs": 4}
    texts = [f"{word} thing number {row}" for row, word in enumerate(["awful", "lovely", "slow", "fast"] * 12)]
    targets = encode_all(SCHEMA, cells(48))
    held_out = (texts[:12], encode_all(SCHEMA, cells(12)))
    whole = Encoder.fit(texts, targets, SCHEMA, settings, 3, held_out=held_out)
    steps: list[float] = []

    def killed(share: float, *_: float) -> None:
        steps.append(share)
        if share > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Encoder.fit(texts, targets, SCHEMA, settings, 3, killed, held_out)
    assert list(tmp_path.rglob("checkpoint-*"))
    later: list[float] = []
    again = Encoder.fit(texts, targets, SCHEMA, settings, 3, lambda share, *_: later.append(share), held_out)
    assert min(share for share in later if share > 0.05) > 0.4
    np.testing.assert_allclose(again.logits(texts), whole.logits(texts), atol=1e-4)
    assert not list(tmp_path.iterdir())
