"""A multilingual encoder drops in by name: another architecture, another tokeniser, other special tokens."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.families.encoder.runtime import OpenVino, Torch, pool
from models.families.encoder.sources import load_pretrained
from models.triage import TriageModel
from tests.conftest import quick
from tests.contracts.test_families import SCHEMA, feedback

TEXTS = [
    "Meine Rechnung ist falsch, ich kündige heute.",
    "La factura está mal y nadie contesta.",
    "الفاتورة خاطئة",
    "मेरा बिल गलत है",
    "My bill is wrong and nobody answers.",
]


@pytest.fixture(scope="module")
def multilingual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tiny XLM-RoBERTa with a unigram tokeniser trained on the spot, as a local folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    folder = tmp_path_factory.mktemp("multilingual")
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator([*TEXTS, *feedback()[0]], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(1)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = XLMRobertaConfig(**shape, vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=66)
    XLMRobertaModel(config).save_pretrained(folder)
    return folder


def test_every_script_is_read_and_no_token_is_lost(multilingual: Path) -> None:
    encoder, tokeniser = load_pretrained(str(multilingual), max_tokens=64, dropout=0.0)
    windows = tokeniser.windows([*TEXTS, TEXTS[0] * 20])
    assert not windows.wordless.any()
    assert windows.count[-1] > 1
    assert all(window[0] == 0 and window[-1] == 2 for window in windows.ids)
    together = pool(Torch(encoder), windows)
    alone = pool(Torch(encoder), tokeniser.windows([TEXTS[1]]))
    np.testing.assert_allclose(together[1], alone[0], atol=1e-4)


def test_it_learns_exports_and_comes_back(multilingual: Path, tmp_path: Path) -> None:
    from models.targets import encode_all

    texts, columns = feedback(120)
    model = TriageModel.fit(SCHEMA, texts, encode_all(SCHEMA, columns), quick(multilingual, "frozen"), 3)
    model.save(tmp_path / "model")
    again = TriageModel.load(tmp_path / "model")
    assert isinstance(again.family.runtime, OpenVino)
    for head, likely in model.predict(TEXTS).probabilities.items():
        assert again.predict(TEXTS).probabilities[head].tobytes() == likely.tobytes()
    assert model.predict(["awful rude broken"]).probabilities["mood"].argmax() == 0
