"""The one typed configuration: read from YAML, overridden by ``--set a.b=c``, unknown keys refused."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from models.schema import Schema, SchemaError
from pipeline.settings import Data, Evaluation, Gate, Ingest, Model, Rank, Section, Store, Tracking

ROOT = Path(__file__).resolve().parent.parent
_PASSWORD = re.compile(r"(://[^/@:]*:)[^@/]*@")
Settings = TypeVar("Settings", bound=BaseModel)
DEFAULT = ROOT / "configs" / "default.yaml"
PRESETS = ROOT / "configs" / "presets"


class ConfigError(ValueError):
    """A setting that cannot be used; the message is one sentence for the person who wrote it."""


class Config(Section):
    """Every setting; paths are relative to the repository root."""

    seed: int = 7
    data: Data = Data()
    labels: str | dict[str, Any] = "configs/labels.yaml"
    model: Model = Model()
    evaluation: Evaluation = Evaluation()
    gate: Gate = Gate()
    rank: Rank = Rank()
    ingest: Ingest = Ingest()
    tracking: Tracking = Tracking()
    store: Store = Store()
    nights: str = "data/local/nights.jsonl"
    desk: str = "configs/desk.yaml"

    def schema_(self) -> Schema:
        """Return the label schema that `labels` names or holds.

        Raises
        ------
        ConfigError
            The file is absent or is not a label schema.
        """
        try:
            data = read_yaml(resolve(self.labels)) if isinstance(self.labels, str) else self.labels
            return Schema.from_json(data)
        except SchemaError as error:
            where = self.labels if isinstance(self.labels, str) else "labels"
            raise ConfigError(f"{where}: {error}") from error

    def model_settings(self) -> dict[str, Any]:
        """Return what a model family is fitted by: its settings with paths resolved, and the weights of ranking."""
        settings = self.model.model_dump() | {"rank": self.rank.model_dump()}
        settings["checkpoints"] = str(resolve(self.model.checkpoints)) if self.model.checkpoints else ""
        if resolve(self.model.encoder).is_dir():
            settings["encoder"] = str(resolve(self.model.encoder))
        return settings

    def overridden(self, overrides: Iterable[str]) -> Config:
        """Return these settings with others such as ``"rank.agents=6"`` laid over them."""
        data = self.model_dump()
        for override in overrides:
            _lay_over(data, override)
        return validated(Config, data)

    def digest(self) -> str:
        """Return the SHA-256 of all settings but where things are kept, as 64 hexadecimal digits."""
        settings = self.model_dump(exclude={"tracking", "store", "nights", "desk"})
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def public(self) -> dict[str, Any]:
        """Return the effective configuration without the passwords of its databases."""
        settings = self.model_dump()
        for section, key in (("tracking", "uri"), ("store", "url")):
            settings[section][key] = _PASSWORD.sub(r"\1***@", settings[section][key])
        return settings


def flat(name: str, value: Any) -> dict[str, Any]:
    """Return nested settings by their full names below `name`, as MLflow lists parameters."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {full: one for key, inner in value.items() for full, one in flat(f"{name}.{key}".strip("."), inner).items()}


def resolve(path: str | Path) -> Path:
    """Return `path` as an absolute path; a relative one starts at the repository root."""
    return ROOT / Path(path).expanduser()


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds.

    Raises
    ------
    ConfigError
        The file is absent, is not YAML, or is not a mapping.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no file {path}; give the path of a YAML file such as configs/default.yaml"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold a mapping of settings; it holds a {type(data).__name__}")
    return data


def load(path: str | Path = DEFAULT, overrides: Iterable[str] = (), preset: str | None = None) -> Config:
    """Return the configuration of the file at `path` with `overrides` such as ``"rank.agents=6"`` laid over it.

    The settings of a `preset` (a file of ``configs/presets``, by its name) lie between the two. What the file leaves
    out keeps its default. ``MLFLOW_TRACKING_URI`` and ``AMENDS_STORE_URL`` win over all.

    Raises
    ------
    ConfigError
        A missing file, an unknown key (the nearest known one is named), or a value out of its range.
    """
    candidate = Path(path).expanduser()
    data = read_yaml(candidate if candidate.exists() else resolve(candidate))
    for key, value in flat("", _preset(preset)).items() if preset else ():
        *sections, last = key.split(".")
        _group(data, sections, f"--preset {preset}")[last] = value
    for override in overrides:
        _lay_over(data, override)
    for variable, section, key in (("MLFLOW_TRACKING_URI", "tracking", "uri"), ("AMENDS_STORE_URL", "store", "url")):
        if os.environ.get(variable) and isinstance(data.setdefault(section, {}), dict):
            data[section][key] = os.environ[variable]
    return validated(Config, data)


def _preset(name: str) -> dict[str, Any]:
    known = sorted(path.stem for path in PRESETS.glob("*.yaml"))
    if name not in known:
        raise ConfigError(f"there is no preset {name!r}; known are {', '.join(known)} (configs/presets)")
    return read_yaml(PRESETS / f"{name}.yaml")


def _group(data: dict[str, Any], sections: Sequence[str], asked: str) -> dict[str, Any]:
    """Return the group of settings that `sections` lead to, made where it is not there; `asked` is who wants it."""
    for section in sections:
        data = data.setdefault(section, {})
        if not isinstance(data, dict):
            raise ConfigError(f"{asked}: {section!r} is a value, not a group of settings")
    return data


def validated(kind: type[Settings], data: dict[str, Any], where: str = "") -> Settings:
    """Return `data` as settings of `kind`; `where` begins the sentence of an error.

    Raises
    ------
    ConfigError
        An unknown key (the nearest known one is named), or a value out of its range.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise ConfigError(where + _sentence(kind, error)) from None


def _lay_over(data: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes key=value, such as rank.agents=6; got {override!r}")
    *sections, last = key.strip().split(".")
    group = _group(data, sections, f"--set {override}")
    try:
        # A column's name is a text, whatever YAML would make of it ("#text", "2024", "Text: body").
        group[last] = value if sections[-1:] == ["columns"] else yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: the value is not YAML; quote it") from error


def _sentence(kind: type[BaseModel], error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "config"
    if first["type"] == "extra_forbidden":
        known = _known_keys(kind, first["loc"])
        hint = difflib.get_close_matches(str(first["loc"][-1]), known, 1)
        tail = f"did you mean {hint[0]!r}?" if hint else f"known here are {', '.join(sorted(known))}."
        return f"unknown setting {where!r}; {tail}"
    message = first["msg"].removeprefix("Value error, ")
    return f"setting {where!r}: {message[0].lower()}{message[1:]}; got {_shown(first.get('input'))}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _known_keys(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys known in the group of settings that holds `location`."""
    group: Any = kind
    for part in location[:-1]:
        if isinstance(part, str) and part in group.model_fields:
            annotation = group.model_fields[part].annotation
            inner = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
            group = next((kind for kind in inner if issubclass(kind, BaseModel)), group)
    return list(group.model_fields)
