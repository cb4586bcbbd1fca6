"""Families `encoder` and `frozen`: a transformer encoder, fine-tuned jointly for all heads, or left as it came."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...attribution import Attribution
from ...schema import Schema
from ...targets import Targets, rows_per_label
from ..forward import Forward, later
from ..occlusion import occlude
from .readout import Readout
from .runtime import Exported, OpenVino, Runtime, Torch, has_gpu, has_openvino, limit_shape_caches, pool
from .tokens import Tokeniser, common_words, share_met, tokens_met
from .weights import Weights

Floats = NDArray[np.float32]
CHUNK = 4_096  # texts tokenised and sorted by length together
FEW = 30  # rows a label, below which fine-tuning starts from fitted readouts


@dataclass
class Encoder:
    """A fine-tuned encoder with its readouts.

    Attributes
    ----------
    exported
        What runs on a processor; None where the settings ask for no export: then torch runs `weights`.
    weights
        The encoder as it was trained, for a GPU and for machines without OpenVINO.
    common
        Words that over 2% of the training texts hold.
    met
        Which tokens the training texts hold, shape (vocabulary,).
    report
        What was found while exporting, as plain data.
    """

    tokeniser: Tokeniser
    readout: Readout
    weights: Weights
    exported: Exported | None
    common: frozenset[str]
    met: NDArray[np.bool_]
    report: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        targets: Targets,
        schema: Schema,
        settings: Mapping[str, Any],
        seed: int,
        progress: Callable[..., None] = lambda *_: None,
        held_out: tuple[Sequence[str], Targets] | None = None,
    ) -> Encoder:
        """Return the family fine-tuned by ``settings["fine_tune"]``, from a checkpoint on where one is there.

        Raises
        ------
        ValueError
            ``settings["encoder"]`` names no encoder.
        """
        limit_shape_caches()
        import torch

        from .averaging import average
        from .gate import exported_if_good
        from .network import Network
        from .probe import fit_readout
        from .sources import load_pretrained
        from .training import fine_tune

        torch.manual_seed(seed)
        tuning = _tuning(settings)
        encoder, tokeniser = load_pretrained(
            settings["encoder"], max_tokens=settings["max_tokens"], dropout=tuning["dropout"]
        )
        adapters = {name: own["adapter"] for name, own in settings["heads"].items() if own["adapter"]}
        learnt = (texts, targets)
        readout = Readout.blank(schema, int(encoder.config.hidden_size))
        if tuning["start"] == "probe" or (tuning["start"] == "auto" and rows_per_label(schema, targets) < FEW):
            # First the readouts alone, then everything: what the encoder knows is kept (Kumar et al. 2022).
            vectors = pool(Torch(encoder, bf16=True), tokeniser.windows(texts))
            readout = fit_readout(vectors, targets, schema, tuning)
        progress(0.05)
        network = Network(encoder, readout, adapters)
        with _checkpoints(_digest(schema, settings, seed, learnt, held_out), settings["checkpoints"]) as scratch:
            before = {name: value.detach().clone() for name, value in network.state_dict().items()}
            fine_tune(network, tokeniser, learnt, held_out, tuning, seed, scratch, later(progress, 0.05))
        tuned = average(network, before, tokeniser, held_out)
        readout = network.to_readout()
        family = cls(tokeniser, readout, Weights.of(encoder), None, common_words(texts), tokens_met(tokeniser, texts))
        family.exported, family.report = exported_if_good(family, encoder.eval(), settings, texts, targets, held_out)
        family.report["tuned_share"] = tuned
        progress(1.0)
        return family

    def forward(self, texts: Sequence[str]) -> Forward:
        """Return the logits of `texts`, which are wordless, and in how many windows each was read."""
        width = sum(head.width for head in self.readout.schema)
        read = Forward(
            np.empty((len(texts), width), np.float32), np.empty(len(texts), bool), np.empty(len(texts), np.int32),
            np.empty(len(texts), np.float32),
        )  # fmt: skip
        for start in range(0, len(texts), CHUNK):
            windows = self.tokeniser.windows(texts[start : start + CHUNK])
            read.logits[start : start + CHUNK] = self.readout(pool(self.runtime, windows))
            read.wordless[start : start + CHUNK] = windows.wordless
            read.windows[start : start + CHUNK] = windows.count
            read.familiar[start : start + CHUNK] = share_met(self.tokeniser, windows, self.met)
        return read

    def logits(self, texts: Sequence[str], runtime: Runtime | None = None) -> Floats:
        """Return the logits of `texts`, shape (texts, sum of widths)."""
        return self.readout(self.embed(texts, runtime))

    def embed(self, texts: Sequence[str], runtime: Runtime | None = None) -> Floats:
        """Return the vectors of `texts`: the mean state of all their tokens, shape (texts, size)."""
        return pool(runtime or self.runtime, self.tokeniser.windows(texts))

    @cached_property
    def runtime(self) -> Runtime:
        """What runs the encoder on this machine."""
        if self.exported is None or has_gpu() or not has_openvino():
            return Torch(self.weights.build())
        return OpenVino(self.exported)

    def attribute(self, texts: Sequence[str], directions: Floats) -> Attribution:
        """Return what each word of `texts` adds along every row of `directions`, by leaving it out."""
        return self.attribute_by(self.logits, texts, directions)

    def attribute_by(
        self, logits: Callable[[Sequence[str]], Floats], texts: Sequence[str], directions: Floats
    ) -> Attribution:
        """Return the same for the `logits` of somebody who looks at the same texts."""
        return occlude(logits, texts, directions, self.common)

    def save(self, folder: Path) -> None:
        """Write the family into `folder`: settings and tokeniser as JSON, weights as safetensors, the export beside."""
        self.tokeniser.save(folder / "tokenizer.json")
        self.weights.save(folder / "encoder.safetensors")
        self.readout.save(folder / "readout.safetensors")
        if self.exported is not None:
            self.exported.save(folder)
        contents = {
            "max_tokens": self.tokeniser.max_tokens,
            "precision": self.exported.precision if self.exported else None,
            "config": self.weights.config,
            "common": sorted(self.common),
            "met": np.packbits(self.met).tobytes().hex(),
            "report": self.report,
        }
        (folder / "encoder.json").write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, schema: Schema) -> Encoder:
        """Return the family that `save` wrote.

        Raises
        ------
        ValueError
            The weights are for other heads than `schema` has, or are not finite.
        """
        contents = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        precision = contents["precision"]
        return cls(
            tokeniser=Tokeniser.load(folder / "tokenizer.json", contents["max_tokens"]),
            readout=Readout.load(folder / "readout.safetensors", schema),
            weights=Weights(contents["config"], folder / "encoder.safetensors"),
            exported=Exported.load(folder, precision) if precision else None,
            common=frozenset(contents["common"]),
            met=np.unpackbits(np.frombuffer(bytes.fromhex(contents["met"]), np.uint8)).astype(bool),
            report=contents["report"],
        )


class Frozen(Encoder):
    """The encoder as it came, with linear readouts fitted to its vectors: trains in a minute."""

    @classmethod
    def fit(
        cls,
        texts: Sequence[str],
        targets: Targets,
        schema: Schema,
        settings: Mapping[str, Any],
        seed: int,
        progress: Callable[..., None] = lambda *_: None,
        held_out: tuple[Sequence[str], Targets] | None = None,
    ) -> Frozen:
        """Return readouts fitted by logistic regression on the vectors of the encoder as it came."""
        from .gate import exported_if_good
        from .probe import fit_readout
        from .sources import load_pretrained

        encoder, tokeniser = load_pretrained(settings["encoder"], max_tokens=settings["max_tokens"], dropout=0.0)
        blank = Readout.blank(schema, int(encoder.config.hidden_size))
        family = cls(tokeniser, blank, Weights.of(encoder), None, common_words(texts), tokens_met(tokeniser, texts))
        # Readouts are fitted to what the export gives, so that there is no loss to judge.
        family.exported, family.report = exported_if_good(family, encoder.eval(), settings, texts, None)
        vectors = []
        for start in range(0, len(texts), CHUNK):
            vectors.append(family.embed(texts[start : start + CHUNK]))
            progress(0.8 * min(start + CHUNK, len(texts)) / len(texts))
        family.readout = fit_readout(np.vstack(vectors), targets, schema, _tuning(settings))
        progress(1.0)
        return family


def _tuning(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {**settings["fine_tune"], "heads": settings["heads"]}


def _digest(
    schema: Schema, settings: Mapping[str, Any], seed: int, learnt: tuple[Sequence[str], Targets],
    held_out: tuple[Sequence[str], Targets] | None,
) -> str:  # fmt: skip
    """Return what tells one training from another: settings, heads, texts and labels."""
    used = [settings[name] for name in ("fine_tune", "encoder", "heads", "max_tokens")]
    found = hashlib.sha256(json.dumps([used, schema.to_json(), seed], sort_keys=True).encode())
    for texts, targets in (learnt, *([held_out] if held_out else [])):
        found.update("\0".join(texts).encode("utf-8", "surrogatepass"))
        for head in schema:
            target = targets[head.name]
            found.update(target.known.tobytes() + target.truth.tobytes())
            found.update(b"" if target.weight is None else target.weight.tobytes())
    return found.hexdigest()[:16]


@contextmanager
def _checkpoints(digest: str, kept: str) -> Iterator[Path]:
    """Yield the folder for the checkpoints of one training; it goes once that is done, and stays if it is cut short."""
    with TemporaryDirectory() as scratch:
        folder = Path(kept or scratch) / digest
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
