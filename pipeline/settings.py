"""The groups of settings, each with its defaults and its limits; `pipeline.config` puts them together."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Section(BaseModel):
    """A group of settings; an unknown key is an error, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


class Source(Section):
    """One set of labelled feedback: where it lies and what its columns and labels are called there."""

    path: str | None = None
    hub: str | None = None
    hub_split: str = "train"
    weight: Annotated[float, Field(gt=0, le=100)] = 1.0
    columns: dict[str, str] = {}
    labels: dict[str, dict[str, str]] = {}
    split_column: str | None = None
    licence: str = ""

    @model_validator(mode="after")
    def _lies_somewhere(self) -> Source:
        if (self.path is None) == (self.hub is None):
            raise ValueError("give either path (files) or hub (a data set's name or folder), and not both")
        return self


class Split(Section):
    """Shares of the customers held out; a customer, and a text with its near duplicates, is never on two sides."""

    by: str = "customer_id"
    test: Annotated[float, Field(ge=0, lt=1)] = 0.2
    calibration: Annotated[float, Field(gt=0, lt=1)] = 0.1
    latest: bool = False

    @model_validator(mode="after")
    def _leaves_something_to_learn_from(self) -> Split:
        if self.test + self.calibration >= 0.9:
            raise ValueError("test + calibration must leave at least 0.1 to train on")
        return self


class Data(Section):
    """What is learnt from."""

    sources: list[Source] = [Source(path="data/starter/*.jsonl", licence="Apache-2.0")]
    split: Split = Split()
    reports: str = "data/local/reports"


class Linear(Section):
    """How family `linear` learns, alone or as the first tier of the cascade."""

    class_weight: Annotated[float, Field(ge=0, le=1)] = 1.0
    learning_rate: Annotated[float, Field(gt=0)] = 40.0
    epochs: Annotated[int, Field(ge=1)] = 15


class FineTune(Section):
    """How the encoder learns, alone or as the second tier of the cascade."""

    class_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    learning_rate: Annotated[float, Field(gt=0)] = 1e-4
    start: Literal["auto", "probe", "blank"] = "auto"
    head_pace: Annotated[float, Field(gt=0)] = 20.0
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    batch_size: Annotated[int, Field(ge=1)] = 16
    epochs: Annotated[int, Field(ge=1)] = 7
    least_steps: Annotated[int, Field(ge=0)] = 500
    patience: Annotated[int, Field(ge=1)] = 3


class Cascade(Section):
    """Which rows the encoder reads after family `linear` has read them all."""

    max_loss: Annotated[float, Field(ge=0)] = 0.5
    against: Literal["both", "encoder"] = "both"
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    least: Annotated[float, Field(ge=0, le=1)] = 0.15
    candidates: Annotated[float, Field(ge=0, le=1)] = 0.05


class HeadTuning(Section):
    """What one head needs where sharing the encoder, or a setting that suits the others, costs it."""

    weight: Annotated[float, Field(gt=0)] = 1.0
    class_weight: Annotated[float, Field(ge=0, le=1)] | None = None
    adapter: Annotated[int, Field(ge=0)] = 0
    balance: Annotated[float, Field(ge=0, le=1)] = 0.5


class Model(Section):
    """Which model family learns, and how."""

    family: str = "cascade"
    encoder: str = "minilm"
    max_tokens: Annotated[int, Field(ge=8, le=512)] = 128
    export: Literal["int8", "float32", "none"] = "int8"
    max_export_loss: Annotated[float, Field(ge=0)] = 0.3
    checkpoints: str = "data/local/checkpoints"
    linear: Linear = Linear()
    fine_tune: FineTune = FineTune()
    cascade: Cascade = Cascade()
    heads: dict[str, HeadTuning] = {"urgency": HeadTuning(class_weight=1.0, balance=0.75)}


class Evaluation(Section):
    """How the test split is reported."""

    bootstrap: Annotated[int, Field(ge=50)] = 500
    slices: list[str] = ["lang", "channel", "industry", "source", "length", "customer_value"]
    behaviour: str = "tests/behaviour/*.yaml"


class Gate(Section):
    """What a new model must hold before it serves in place of the champion."""

    primary: str = "mean.headline"
    margin: Annotated[float, Field(ge=0)] = 0.005
    or_gain: list[str] = []
    max_head_loss: Annotated[float, Field(ge=0)] = 0.05
    max_slice_loss: Annotated[float, Field(ge=0)] = 0.15
    protected: list[str] = ["lang", "channel"]
    max_ece_rise: Annotated[float, Field(ge=0)] = 0.03
    min_speed: Annotated[float, Field(ge=0)] = 0.5
    max_size: Annotated[float, Field(gt=0)] = 2.0
    max_age_days: Annotated[float, Field(gt=0)] | None = None


class Rank(Section):
    """What speaks for calling a customer, and how many calls a day has room for."""

    agents: Annotated[int, Field(ge=1)] = 4
    minutes_per_day: Annotated[int, Field(ge=1)] = 240
    minutes_per_call: Annotated[int, Field(ge=1)] = 20
    weights: dict[str, Annotated[float, Field(ge=0, le=10)]] = {
        "detractor": 0.9,
        "urgency": 1.2,
        "churn_threat": 0.8,
        "legal_threat": 0.5,
        "public_threat": 0.4,
        "vulnerable": 0.4,
        "repeat_contact": 0.6,
        "customer_value": 0.5,
        "reach": 0.3,
        "waiting": 0.3,
    }
    promise: str = "detractor"
    repeat_window_days: Annotated[float, Field(gt=0)] = 30
    sla_hours: dict[str, Annotated[float, Field(gt=0)]] = {"critical": 1, "high": 8, "normal": 48, "low": 240}
    full_reach: Annotated[float, Field(gt=0)] = 100_000
    explain_from: Annotated[float, Field(ge=0, le=100)] = 20
    explain_most: Annotated[int, Field(ge=0)] = 100
    words_per_reason: Annotated[int, Field(ge=1)] = 4
    widest: Annotated[float, Field(gt=0, le=1)] = 0.5

    @property
    def capacity(self) -> int:
        """Number of calls that fit into a day: agents x minutes / minutes per call, at least one."""
        return max(1, self.agents * self.minutes_per_day // self.minutes_per_call)


class Ingest(Section):
    """What a feedback file may look like, and how much of it may be refused."""

    columns: dict[str, str] = {}
    max_rejected: Annotated[float, Field(ge=0, le=1)] = 0.05
    rating_min: float = 1
    rating_max: float = 5
    max_decompressed_mib: Annotated[float, Field(gt=0)] = 256
    follow_links: bool = False
    batch_rows: Annotated[int, Field(ge=1, le=65_536)] = 4_096

    @model_validator(mode="after")
    def _rating_scale_has_two_ends(self) -> Ingest:
        if self.rating_min == self.rating_max:
            raise ValueError(
                "rating_min and rating_max must differ (rating_min is the worst answer, rating_max the best)"
            )
        return self


class Tracking(Section):
    """Where runs and models are recorded."""

    uri: str = "sqlite:///data/local/mlflow.db"
    experiment: str = "amends"
    model_name: str = "amends-triage"


class Store(Section):
    """Where cases are kept."""

    url: str = "sqlite:///data/local/amends.db"
