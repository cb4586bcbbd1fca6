"""The triage model: one schema, one family, one calibration per head; saved as a folder of data, never pickled."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from . import calibration
from .attribution import Attribution
from .calibration import Calibration
from .doubt import Doubt
from .families import FAMILIES, Family
from .promise import Evidence
from .schema import Head, Schema
from .targets import Targets
from .text import fold_all, prepare_all

FORMAT = 1
Floats = NDArray[np.float32]


class ArtefactError(ValueError):
    """A model folder that cannot be used; the message says why in one sentence."""


@dataclass(frozen=True)
class Predictions:
    """What a model says of a batch of texts.

    Attributes
    ----------
    probabilities
        Per head, calibrated, shape (texts, `Head.width`).
    wordless
        Whether a text holds no word that the model has learnt from, shape (texts,).
    windows
        In how many windows a text was read, shape (texts,); 1 where it was read as a whole.
    familiar
        Share of each text's words that the training texts had, shape (texts,).
    """

    probabilities: dict[str, Floats]
    wordless: NDArray[np.bool_]
    windows: NDArray[np.int32]
    familiar: Floats

    def __len__(self) -> int:
        return len(self.wordless)


@dataclass
class TriageModel:
    """Predicts every head of a schema from raw texts.

    `ranking` holds the weights with which the artefact ranks where nobody gives others (see `models.ranking`);
    `lineage` is what is known of the training: data hashes, configuration hash, commit. `languages` are those it was
    evaluated on, in ISO 639-1; none means that nobody looked, and that no text is held back for its language. `doubt`
    and `evidence` are what held-out rows told: when to abstain, and how often each binary head was right. `learnt` has
    fingerprints of the texts it was trained and calibrated on: a later model is not compared with it on those.
    """

    schema: Schema
    family: Family
    family_name: str
    calibrations: dict[str, Calibration]
    ranking: dict[str, Any] = field(default_factory=dict)
    lineage: dict[str, Any] = field(default_factory=dict)
    languages: tuple[str, ...] = ()
    doubt: Doubt = field(default_factory=Doubt)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    learnt: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    version: str = "unsaved"

    @classmethod
    def fit(
        cls,
        schema: Schema,
        texts: Sequence[str],
        targets: Targets,
        settings: Mapping[str, Any],
        seed: int,
        progress: Callable[..., None] = lambda *_: None,
        held_out: tuple[Sequence[str], Targets] | None = None,
    ) -> TriageModel:
        """Return an uncalibrated model of the family that ``settings["family"]`` names.

        Raises
        ------
        ValueError
            The family is unknown, or a head has a label that no training row carries.
        """
        name = str(settings["family"])
        if name not in FAMILIES:
            raise ValueError(f"model.family must be one of {', '.join(FAMILIES)}; got {name!r}")
        _check_learnable(schema, targets)
        judged = (prepare_all(held_out[0]), held_out[1]) if held_out else None
        family = FAMILIES[name].fit(prepare_all(texts), targets, schema, settings, seed, progress, judged)
        return cls(schema, family, name, {head.name: Calibration.identity(head) for head in schema})

    def calibrate(
        self, texts: Sequence[str], targets: Targets, balance: Mapping[str, float] | None = None,
        group: NDArray[np.int64] | None = None,
    ) -> None:  # fmt: skip
        """Fit the calibration of every head, and the model's doubt, on rows that were not trained on.

        `balance` says per head how far its rare labels are raised when labels are given (`calibrating.lifted`), `group`
        which rows belong together: one row of each is evidence for a promise, for those of one customer are alike.
        """
        from .calibrating import BALANCE, choose, lifted

        read, likely = self.family.forward(prepare_all(texts)), {}
        for head, part in zip(self.schema, calibration.of_heads(self.schema, read.logits), strict=True):
            fitted, likely[head.name] = choose(head, part, targets[head.name], group)
            known = likely[head.name][targets[head.name].known]
            self.calibrations[head.name] = lifted(fitted, head, known, (balance or {}).get(head.name, BALANCE))
        self.doubt = Doubt.fit(self.schema, likely, targets, read.familiar)
        one = np.unique(np.arange(len(texts)) if group is None else group, return_index=True)[1]
        self.evidence = Evidence.of_schema(
            self.schema, {name: part[one] for name, part in likely.items()},
            {name: target.take(one) for name, target in targets.items()},
        )  # fmt: skip

    def label(self, head: Head, likely: Floats) -> NDArray[np.int64]:
        """Return the place of the label given to each row of a single-label head's probabilities, shape (rows,)."""
        return self.calibrations[head.name].label(likely)

    def logits(self, texts: Sequence[str]) -> Floats:
        """Return the logits of raw `texts` before calibration, shape (texts, sum of widths)."""
        return self.family.forward(prepare_all(texts)).logits

    def predict(self, texts: Sequence[str], *, masked: bool = False) -> Predictions:
        """Return the calibrated predictions for raw `texts`, or for such as are `masked` already; all heads at once."""
        read = self.family.forward(fold_all(texts) if masked else prepare_all(texts))
        parts = zip(self.schema, calibration.of_heads(self.schema, read.logits), strict=True)
        likely = {head.name: self.calibrations[head.name](head, part) for head, part in parts}
        return Predictions(likely, read.wordless, read.windows, read.familiar)

    def attribute(self, texts: Sequence[str], directions: Floats) -> Attribution:
        """Return what each word of `texts` adds to the calibrated logits along each of `directions`.

        `directions` has the shape (count, sum of widths), in the order of the schema's heads.
        """
        slope = np.concatenate([self.calibrations[head.name].slope for head in self.schema])
        return self.family.attribute(prepare_all(texts), (directions * slope).astype(np.float32))

    def save(self, folder: Path, card: str = "") -> None:
        """Write the model into a new `folder` and set `version` to the digest of its content.

        Raises
        ------
        FileExistsError
            `folder` is there already.
        """
        folder.mkdir(parents=True)
        try:
            self.family.save(folder)
            _write_json(folder / "schema.json", self.schema.to_json())
            save_file({"learnt": np.sort(self.learnt)}, folder / "learnt.safetensors")
            _write_json(folder / "evidence.json", {name: item.to_json() for name, item in self.evidence.items()})
            contents = {
                "format": FORMAT,
                "family": self.family_name,
                "calibrations": {name: item.to_json() for name, item in self.calibrations.items()},
                "ranking": self.ranking,
                "lineage": self.lineage,
                "languages": list(self.languages),
                "doubt": self.doubt.to_json(),
                "checksums": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
            }
            _write_json(folder / "model.json", contents)
            self.version = _version(folder, self.family_name)
            (folder / "card.md").write_text(card.replace("{version}", self.version), encoding="utf-8")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    @classmethod
    def load(cls, folder: Path) -> TriageModel:
        """Return the model that `save` wrote into `folder`.

        Raises
        ------
        ArtefactError
            No model there, a format that this code does not read, or a file that was changed since.
        """
        contents = _read_json(folder / "model.json")
        if contents.get("format") != FORMAT:
            raise ArtefactError(
                f"{folder} has artefact format {contents.get('format')!r}; this code reads format {FORMAT}; "
                "use the code that the artefact carries, or train again"
            )
        for key in ("family", "calibrations", "ranking", "lineage", "checksums"):
            if key not in contents:
                raise ArtefactError(f"{folder / 'model.json'} lacks the key {key!r}; fetch the model again")
        unchecked = {path.name for path in folder.iterdir()} - {"model.json", "card.md", *contents["checksums"]}
        if unchecked:
            raise ArtefactError(f"{folder / min(unchecked)} has no checksum in model.json; fetch the model again")
        for name, expected in contents["checksums"].items():
            if not (folder / name).is_file() or _sha256(folder / name) != expected:
                raise ArtefactError(f"{folder / name} is missing or was changed after training; fetch the model again")
        if contents["family"] not in FAMILIES:
            raise ArtefactError(f"{folder}: unknown family {contents['family']!r}; known are {', '.join(FAMILIES)}")
        schema = Schema.from_json(_read_json(folder / "schema.json"))
        uncalibrated = [name for name in schema.names if name not in contents["calibrations"]]
        if uncalibrated:
            raise ArtefactError(f"{folder} has no calibration of head {uncalibrated[0]!r}; fetch the model again")
        return cls(
            schema=schema,
            family=FAMILIES[contents["family"]].load(folder, schema),
            family_name=contents["family"],
            calibrations={name: Calibration.from_json(item) for name, item in contents["calibrations"].items()},
            ranking=contents["ranking"],
            lineage=contents["lineage"],
            languages=tuple(contents.get("languages", ())),  # artefacts written before it was known lack it
            doubt=Doubt.from_json(contents["doubt"]) if "doubt" in contents else Doubt(),
            evidence=_evidence(folder / "evidence.json"),
            learnt=_learnt(folder / "learnt.safetensors"),
            version=_version(folder, contents["family"]),
        )


def _check_learnable(schema: Schema, targets: Targets) -> None:
    for head in schema:
        target = targets[head.name]
        held = target.truth[target.known]
        names = head.labels or (head.name,)
        short = [name for name, count in zip(names, held.sum(0), strict=True) if count < 2]
        if short and (head.kind != "multilabel" or len(short) == len(names)):
            raise ValueError(
                f"head {head.name!r}: label {short[0]!r} stands on fewer than 2 training rows "
                f"({int(target.known.sum())} rows carry the head); label more rows, map foreign labels with "
                "data.sources[].labels, or take the head or label out of the label schema"
            )
        if head.kind == "binary" and held.mean() == 1:
            raise ValueError(f"head {head.name!r}: every training row says yes; it needs rows that say no as well")


def _evidence(file: Path) -> dict[str, Evidence]:
    """Return what held-out rows told; nothing for artefacts written before it was kept."""
    return {name: Evidence.from_json(name, data) for name, data in _read_json(file).items()} if file.exists() else {}


def _learnt(file: Path) -> NDArray[np.int64]:
    """Return the fingerprints of what was learnt from; none for artefacts written before they were kept."""
    return load_file(file)["learnt"] if file.exists() else np.zeros(0, np.int64)


def _version(folder: Path, family: str) -> str:
    return f"{family}-{_sha256(folder / 'model.json')[:12]}"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_json(path: Path, data: object) -> None:
    # Never sorted: the order of the heads is the order of the logits.
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtefactError(
            f"{path.parent} is not a model: {path.name} is missing; give the folder that training wrote"
        ) from None
    except ValueError as error:
        raise ArtefactError(f"{path} is not JSON ({error}); fetch the model again") from error
    if not isinstance(data, dict):
        raise ArtefactError(f"{path} must hold a JSON object; fetch the model again")
    return data
