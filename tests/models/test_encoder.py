"""Family `encoder` in its parts: windows, readouts, export, gate, checkpoints, where encoders come from."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.families.encoder import Encoder
from models.families.encoder.gate import exported_if_good, rows_to_judge
from models.families.encoder.network import Dropout, Network
from models.families.encoder.network import conditional_to_logits as torch_logits
from models.families.encoder.readout import Readout, conditional_to_logits, spans
from models.families.encoder.runtime import TOKEN_BUDGET, OpenVino, Torch, batches, pool
from models.families.encoder.sources import load_pretrained, packaged
from models.families.encoder.tokens import Tokeniser
from models.families.encoder.training import collate, dataset, loss_weights
from models.schema import Head, Schema
from models.targets import encode_all
from tests.conftest import quick

SCHEMA = Schema(
    (Head("mood", "nominal", ("bad", "fine")), Head("pace", "ordinal", ("slow", "mid", "fast")), Head("left", "binary"))
)
TEXTS = ["awful, cancel now", "lovely people", "the usual " * 30, ""]


@pytest.fixture(scope="module")
def tokeniser() -> Tokeniser:
    return Tokeniser.load(packaged() / "tokenizer.json", 16)


def cells(rows: int) -> dict[str, list[list[str] | None]]:
    return {
        "mood": [["bad"] if row % 2 else ["fine"] for row in range(rows)],
        "pace": [[("slow", "mid", "fast")[row % 3]] for row in range(rows)],
        "left": [["yes"] if row % 4 == 0 else ["no"] if row % 4 == 1 else None for row in range(rows)],
    }


@pytest.fixture(scope="module")
def trained(tiny_encoder: Path) -> Encoder:
    settings = quick(tiny_encoder, "encoder")
    settings["fine_tune"] = settings["fine_tune"] | {"epochs": 1}
    texts = [f"{word} thing number {row}" for row, word in enumerate(["awful", "lovely", "slow", "fast"] * 12)]
    return Encoder.fit(texts, encode_all(SCHEMA, cells(48)), SCHEMA, settings, 3)


# ---- windows -------------------------------------------------------------------------------------------------------


def test_no_token_is_lost_and_windows_are_about_equal(tokeniser: Tokeniser) -> None:
    windows = tokeniser.windows(TEXTS)
    assert windows.count.tolist() == [1, 1, 5, 1]
    assert max(map(len, windows.ids)) <= 16
    long = [window for window, text in zip(windows.ids, windows.text, strict=True) if text == 2]
    assert {len(window) for window in long} == {14}
    inner = [token for window in long for token in window[1:-1]]
    assert inner == Tokeniser.load(packaged() / "tokenizer.json", 512).windows([TEXTS[2]]).ids[0][1:-1]
    assert windows.wordless.tolist() == [False, False, False, True]


@given(st.lists(st.text(max_size=80), max_size=5))
def test_every_text_has_its_windows_in_order(texts: list[str]) -> None:
    tokeniser = Tokeniser.load(packaged() / "tokenizer.json", 12)
    windows = tokeniser.windows(texts)
    assert windows.text.tolist() == sorted(windows.text.tolist())
    assert np.bincount(windows.text, minlength=len(texts)).tolist() == windows.count.tolist()
    assert all(0 < len(window) <= 12 for window in windows.ids)


def test_a_window_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^model.max_tokens must leave room beside the special tokens; got 2$"):
        Tokeniser.load(packaged() / "tokenizer.json", 2)


@given(st.lists(st.integers(1, 128), min_size=1, max_size=60))
def test_batches_hold_every_window_once_within_the_budget(lengths: list[int]) -> None:
    windows = [list(range(1, length + 1)) for length in lengths]
    seen: list[int] = []
    for rows, ids, mask in batches(windows):
        assert ids.size <= max(TOKEN_BUDGET, 128)
        assert ids.shape[1] % 8 == 0
        for row, own, kept in zip(rows, ids, mask, strict=True):
            assert own[kept == 1].tolist() == windows[row]
            assert not own[kept == 0].any()
        seen += rows.tolist()
    assert sorted(seen) == list(range(len(lengths)))


def test_a_long_text_is_the_mean_of_all_its_tokens(pretrained: tuple[Any, Tokeniser]) -> None:
    encoder, tokeniser = pretrained
    windows = tokeniser.windows(TEXTS)
    pooled = pool(Torch(encoder), windows)
    parts = [window for window, text in zip(windows.ids, windows.text, strict=True) if text == 2]
    states = [encoder(input_ids=torch.tensor([part])).last_hidden_state[0] for part in parts]
    np.testing.assert_allclose(pooled[2], torch.cat(states).mean(0).detach().numpy(), atol=1e-5)


# ---- readouts ------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-20, 20), min_size=3, max_size=3))
def test_conditional_steps_become_a_distribution(passed: list[float]) -> None:
    logits = conditional_to_logits(np.array([passed], np.float32))
    assert logits.shape == (1, 4)
    assert np.exp(logits).sum() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(logits, torch_logits(torch.tensor([passed])).numpy(), rtol=1e-4, atol=1e-4)


def test_a_step_passed_for_sure_leaves_nothing_below() -> None:
    likely = np.exp(conditional_to_logits(np.array([[9, 9, -9], [-9, 5, 5]], np.float32)))
    assert likely.argmax(1).tolist() == [2, 0]


def test_network_and_readout_say_the_same_adapters_too(pretrained: tuple[Any, Tokeniser]) -> None:
    encoder, tokeniser = pretrained
    network = Network(encoder, Readout.blank(SCHEMA, 32), {"pace": 4}).eval()
    torch.nn.init.normal_(network.readout.weight)
    torch.nn.init.normal_(network.adapters["pace"].up.weight)
    windows = tokeniser.windows(TEXTS)
    columns = {name: column[: len(TEXTS)] for name, column in cells(4).items()}
    batch = collate(
        list(dataset(tokeniser, TEXTS, encode_all(SCHEMA, columns), SCHEMA, {"class_weight": 0.5, "heads": {}}))
    )
    said = network(batch["input_ids"], batch["attention_mask"], batch["owner"], batch["texts"])["logits"]
    ours = network.to_readout()(pool(Torch(encoder), windows))
    np.testing.assert_allclose(said.detach().numpy(), ours, atol=1e-4)
    assert [span.stop - span.start for span in spans(SCHEMA)] == [2, 2, 1]


def test_dropout_takes_away_the_share_it_says_and_keeps_the_mean() -> None:
    torch.manual_seed(1)
    dropped = Dropout(0.1).train()(torch.ones(999, 333))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.1, abs=0.005)
    assert float(dropped.mean()) == pytest.approx(1, abs=0.005)
    assert torch.equal(Dropout(0.1).eval()(dropped), dropped)
    assert torch.equal(Dropout(0.0).train()(dropped), dropped)


def test_what_a_row_does_not_carry_changes_nothing(pretrained: tuple[Any, Tokeniser]) -> None:
    network = Network(pretrained[0], Readout.blank(SCHEMA, 32), {})
    targets = encode_all(SCHEMA, cells(8))
    weight = torch.tensor(loss_weights(SCHEMA, targets, {"class_weight": 0.5, "heads": {}}))
    truth = torch.tensor(np.hstack([targets[head.name].truth for head in SCHEMA]))
    logits = torch.randn(8, 6, generator=torch.Generator().manual_seed(1))
    other = truth.clone()
    other[2, 5] = 1  # row 2 does not say whether the customer left
    assert network.loss(logits, truth, weight) == network.loss(logits, other, weight)
    assert weight[2, 5] == 0
    assert weight[0, 5] > 0


def test_a_head_of_few_rows_weighs_as_much_in_sum() -> None:
    columns = cells(40)
    columns["left"] = [cell if row < 8 else None for row, cell in enumerate(columns["left"])]
    weight = loss_weights(SCHEMA, encode_all(SCHEMA, columns), {"class_weight": 0.0, "heads": {}})
    assert weight[:, 5].sum() == pytest.approx(weight[:, 0].sum(), rel=1e-5)
    doubled = loss_weights(SCHEMA, encode_all(SCHEMA, columns), {"class_weight": 0, "heads": {"left": {"weight": 2}}})
    assert doubled[:, 5].sum() == pytest.approx(2 * weight[:, 5].sum(), rel=1e-5)


# ---- export --------------------------------------------------------------------------------------------------------


def test_the_export_answers_as_torch_does(trained: Encoder) -> None:
    assert trained.exported is not None
    exact = pool(Torch(trained.weights.build()), trained.tokeniser.windows(TEXTS[:3]))
    quantised = pool(OpenVino(trained.exported), trained.tokeniser.windows(TEXTS[:3]))
    angle = (exact * quantised).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(quantised, axis=1)
    assert angle.min() > 0.98


def _shifted(readout: Readout, by: float) -> Readout:
    bias = readout.bias.copy()
    bias[0] -= by
    return replace(readout, bias=bias)


def test_an_export_that_loses_too_much_is_refused(
    trained: Encoder, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The export is made too coarse on purpose: weights rounded to halves."""
    import models.families.encoder.gate as gate

    encoder = trained.weights.build().eval()
    real = gate.export

    def ruinous(encoder: Any, tokeniser: Tokeniser, texts: Any, precision: str) -> Any:
        if precision != "int8":
            return real(encoder, tokeniser, texts, precision)
        coarse = deepcopy(encoder)
        for weights in coarse.parameters():
            weights.data = (weights.data * 2).round() / 2
        return replace(real(coarse, tokeniser, texts, "float32"), precision="int8")

    monkeypatch.setattr(gate, "export", ruinous)
    texts = [f"{word} thing number {row}" for row, word in enumerate(["awful", "lovely", "slow", "fast"] * 12)]
    moods = trained.logits(texts, Torch(encoder))[:, :2]
    leaning = moods[:, 0] - moods[:, 1]
    truth = cells(48)  # what the encoder itself says, relative to its median: half of the rows hang by a thread
    truth["mood"] = [["bad"] if lean > 0 else ["fine"] for lean in leaning - np.median(leaning)]
    trained = replace(trained, readout=_shifted(trained.readout, float(np.median(leaning))))
    judged = encode_all(SCHEMA, truth)
    first = {name: target.take(np.arange(24)) for name, target in judged.items()}
    settings = quick(tiny_encoder, "encoder")
    made, report = exported_if_good(trained, encoder, settings, texts, judged, (texts[:24], first))
    assert made is not None
    assert (made.precision, report["precision"]) == ("float32", "float32")
    assert report["refused"]["int8"]["mood"] > 0.3
    assert 0.3 < report["sure_loss"]["mood"] <= 100
    _, lenient = exported_if_good(trained, encoder, settings | {"max_export_loss": 100.0}, texts, judged)
    assert set(lenient["sure_loss"].values()) == {0.0}  # nothing was held out
    assert (lenient["precision"], lenient["refused"]) == ("int8", {})


def test_rows_to_judge_are_held_out_rows_and_some_of_training() -> None:
    learnt = ([f"text {row}" for row in range(6)], encode_all(SCHEMA, cells(6)))
    texts, targets = rows_to_judge(learnt, (["held out"], encode_all(SCHEMA, cells(1))))
    assert texts == ["held out", *learnt[0]]
    assert targets["mood"].known.sum() == 7


# ---- sources ---------------------------------------------------------------------------------------------------------


def test_an_encoder_that_is_nowhere_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^model.encoder 'no/such-encoder' cannot be loaded \(.*\); give 'minilm', a"):
        load_pretrained("no/such-encoder", max_tokens=16, dropout=0.0)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match=r"^model.encoder '.*' cannot be loaded \("):
        load_pretrained(str(tmp_path), max_tokens=16, dropout=0.0)


def test_the_packaged_encoder_is_the_one_that_was_checked() -> None:
    encoder, tokeniser = load_pretrained("minilm", max_tokens=128, dropout=0.1)
    assert (encoder.config.hidden_size, tokeniser.max_tokens) == (384, 128)
    assert encoder.pooler is None
    assert not any(isinstance(module, torch.nn.Dropout) for module in encoder.modules())
    assert {module.level for module in encoder.modules() if isinstance(module, Dropout)} == {26}


def test_windows_are_no_longer_than_the_encoder_can_place(tiny_encoder: Path) -> None:
    assert load_pretrained(str(tiny_encoder), max_tokens=512, dropout=0.0)[1].max_tokens == 62
