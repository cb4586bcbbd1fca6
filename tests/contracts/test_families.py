"""What every model family must do. A new member of FAMILIES is tested here for nothing.

A family may need settings of its own: they come from the default configuration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.attribution import Attribution
from models.calibration import Calibration
from models.families import FAMILIES
from models.schema import Head, Schema
from models.targets import encode_all
from models.triage import TriageModel
from tests.conftest import quick

SCHEMA = Schema(
    (
        Head("mood", "nominal", ("bad", "fine", "good")),
        Head("pace", "ordinal", ("slow", "fast")),
        Head("left", "binary"),
        Head("said", "multilabel", ("sues", "tells")),
    )
)
WIDTH = 3 + 2 + 1 + 2
FRESH = ["awful again, cancel now", "lovely people", "it is what it is", "", "🙂🙂", "ＬＯＶＥＬＹ!!", "x" * 5_000]


def feedback(rows: int = 240) -> tuple[list[str], dict[str, list[list[str] | None]]]:
    """Return texts whose words give their labels away; of each head some rows carry none."""
    random = np.random.default_rng(11)
    words = {
        "bad": ["awful", "broken", "rude"],
        "fine": ["okay", "average", "usual"],
        "good": ["lovely", "great", "kind"],
    }
    texts, labels = [], []
    for row in range(rows):
        mood = ("bad", "fine", "good")[row % 3]
        fast, left, sues = row % 2 == 0, row % 5 == 0, row % 7 == 0
        extra = ["now"] * fast + ["cancel"] * left + ["lawyer"] * sues
        texts.append(" ".join([*random.choice(words[mood], 3), *extra, str(random.choice(["shop", "bill", "line"]))]))
        labels.append(([mood], ["fast" if fast else "slow"], ["yes" if left else "no"], ["sues"] if sues else []))
    columns: dict[str, list[list[str] | None]] = {
        name: [cells[place] if (row + place) % 4 else None for row, cells in enumerate(labels)]
        for place, name in enumerate(SCHEMA.names)
    }
    return texts, columns


def fit(name: str, encoder: Path, seed: int = 3, progress: Any = lambda *_: None) -> Any:
    texts, columns = feedback()
    targets, rows = encode_all(SCHEMA, columns), np.arange(len(texts))
    learnt, held_out = rows[rows % 6 > 0], rows[rows % 6 == 0]
    sides = [
        ([texts[row] for row in side], {name: target.take(side) for name, target in targets.items()})
        for side in (learnt, held_out)
    ]
    return FAMILIES[name].fit(*sides[0], SCHEMA, quick(encoder, name), seed, progress, sides[1])


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest, tiny_encoder: Path) -> tuple[str, Any]:
    return request.param, fit(request.param, tiny_encoder)


def test_logits_of_all_heads_side_by_side(family: tuple[str, Any]) -> None:
    logits, wordless, *_ = family[1].forward(FRESH)
    assert (logits.shape, logits.dtype) == ((len(FRESH), WIDTH), np.float32)
    assert (wordless.shape, wordless.dtype) == ((len(FRESH),), np.bool_)
    assert np.isfinite(logits).all()
    empty, none, *_ = family[1].forward([])
    assert (empty.shape, none.shape) == ((0, WIDTH), (0,))


def test_it_learns_each_head(family: tuple[str, Any]) -> None:
    logits, *_ = family[1].forward(["awful and rude, cancel now", "lovely and kind", "okay, the usual, my lawyer says"])
    assert logits[:, :3].argmax(1).tolist() == [0, 2, 1]
    assert logits[0, 4] - logits[0, 3] > logits[1, 4] - logits[1, 3]
    assert logits[0, 5] > logits[1, 5]
    assert logits[2, 6] > logits[1, 6]


def test_a_text_without_a_word_is_told(family: tuple[str, Any]) -> None:
    assert family[1].forward(["", "!!!", " \n\u200b"])[1].all()
    assert not family[1].forward(["awful", "lovely 🙂"])[1].any()


def test_a_text_is_predicted_alike_whatever_stands_beside_it(family: tuple[str, Any]) -> None:
    together, *_ = family[1].forward(FRESH)
    for place, text in enumerate(FRESH):
        np.testing.assert_allclose(family[1].forward([text])[0][0], together[place], atol=1e-4)


def test_it_reads_through_disguise(family: tuple[str, Any]) -> None:
    """A model prepares raw texts; whoever forgets `models.text` fails here."""
    name, fitted = family
    model = TriageModel(SCHEMA, fitted, name, {head.name: Calibration.identity(head) for head in SCHEMA})
    plain, disguised = model.logits(["awful and rude", "ＡＷＦＵＬ  a\u200bnd\u00ad RUDE"])
    np.testing.assert_allclose(plain, disguised, atol=1e-4)
    masked, other = model.logits(["write to a@b.com", "write to someone.else@example.org"])
    np.testing.assert_allclose(masked, other, atol=1e-4)


def test_attribution_names_words_of_the_text(family: tuple[str, Any]) -> None:
    directions = np.eye(WIDTH, dtype=np.float32)[[0, 5]]
    found = family[1].attribute(FRESH, directions)
    assert isinstance(found, Attribution)
    assert found.value.shape == (len(found.text), 2)
    assert np.isfinite(found.value).all()
    assert len(found.common) == len(found.words) > found.word.max()
    assert set(found.text.tolist()) <= set(range(len(FRESH)))
    of_first = {found.words[word] for word in found.word[found.text == 0]}
    assert {"awful", "cancel"} <= of_first
    assert not (found.text == FRESH.index("")).any()
    bad = found.value[found.text == 0]
    names = [found.words[word] for word in found.word[found.text == 0]]
    assert names[int(bad[:, 1].argmax())] == "cancel"


def test_the_seed_decides_and_progress_ends_with_one(family: tuple[str, Any], tiny_encoder: Path) -> None:
    seen: list[float] = []
    again = fit(family[0], tiny_encoder, progress=lambda share, *_: seen.append(share))
    np.testing.assert_allclose(again.forward(FRESH)[0], family[1].forward(FRESH)[0], atol=1e-5)
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_it_comes_back_from_its_folder_as_data(family: tuple[str, Any], tmp_path: Path) -> None:
    family[1].save(tmp_path)
    for path in tmp_path.rglob("*"):
        assert path.suffix in (".json", ".safetensors", ".xml", ".bin")
        assert not path.read_bytes().startswith(b"\x80")
    again = FAMILIES[family[0]].load(tmp_path, SCHEMA)
    assert again.forward(FRESH)[0].tobytes() == family[1].forward(FRESH)[0].tobytes()
    assert again.forward(FRESH)[1].tolist() == family[1].forward(FRESH)[1].tolist()


def test_other_heads_are_refused(family: tuple[str, Any], tmp_path: Path) -> None:
    family[1].save(tmp_path)
    with pytest.raises(ValueError, match=r"weights are for \d \w+, the schema has 3"):
        FAMILIES[family[0]].load(tmp_path, Schema((SCHEMA["mood"],)))


def test_it_makes_a_triage_model(family: tuple[str, Any], tmp_path: Path) -> None:
    texts, columns = feedback()
    model = TriageModel(SCHEMA, family[1], family[0], {head.name: Calibration.identity(head) for head in SCHEMA})
    model.calibrate(texts, encode_all(SCHEMA, columns))
    model.save(tmp_path / "model")
    loaded = TriageModel.load(tmp_path / "model")
    assert loaded.family_name == family[0]
    assert loaded.version.startswith(f"{family[0]}-")
    before, after = model.predict(FRESH).probabilities, loaded.predict(FRESH).probabilities
    assert {name: likely.tobytes() for name, likely in after.items()} == {
        name: likely.tobytes() for name, likely in before.items()
    }
