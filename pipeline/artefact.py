"""A model as it lies in a folder: our data beside the code that reads it, under a name made of that code's hash.

Python caches modules by name, so a server that has its own `models` would answer for every artefact. Under a name of
its own, each artefact answers with its own code, and several live in one process (docs/decisions.md).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import shutil
import sys
import tempfile
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from models.triage import ArtefactError, TriageModel
from pipeline.config import ROOT

MODELS = ROOT / "models"
PREFIX = "triage_model_"


def source_hash(folder: Path = MODELS) -> str:
    """Return 12 hexadecimal digits that change with any line of the code in `folder`."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def open_artefact(folder: Path) -> TriageModel:
    """Return the model in `folder`: with the code it carries, or with ours where it carries none.

    Raises
    ------
    ArtefactError
        No model, or one that was changed after training.
    """
    if not (folder / "MLmodel").is_file():
        return TriageModel.load(folder)
    try:
        flavour = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))["flavors"]["python_function"]
        package = str(flavour["loader_module"]).split(".", maxsplit=1)[0]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise ArtefactError(f"{folder / 'MLmodel'} is damaged ({error!r}); fetch the model again") from error
    if not package.startswith(PREFIX):
        raise ArtefactError(f"{folder} was not logged by Amends: its loader is {package!r}; give a model of ours")
    loaded = _package(package, folder / str(flavour.get("code", "code")) / package)
    model: TriageModel = sys.modules[f"{loaded.__name__}.triage"].TriageModel.load(folder / str(flavour["data"]))
    return model


def _package(name: str, folder: Path) -> types.ModuleType:
    """Import the package in `folder` as `name`, without touching `sys.path`."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        if spec is None or spec.loader is None or not (folder / "__init__.py").is_file():
            raise ArtefactError(f"{folder} is missing from the artefact; fetch the model again")
        if source_hash(folder) != name.removeprefix(PREFIX):
            raise ArtefactError(
                f"{folder} was changed after training: its code is not what its name says; fetch it again"
            )
        package = importlib.util.module_from_spec(spec)
        sys.modules[name] = package
        spec.loader.exec_module(package)
        importlib.import_module(f"{name}.triage")
    return sys.modules[name]


@contextmanager
def self_contained() -> Iterator[Path]:
    """Yield a copy of `models/` in a package named by its hash, importable while the block runs."""
    with tempfile.TemporaryDirectory() as scratch:
        package = Path(scratch) / f"{PREFIX}{source_hash()}"
        shutil.copytree(MODELS, package, ignore=shutil.ignore_patterns("__pycache__"))
        sys.path.insert(0, scratch)
        try:
            yield package
        finally:
            sys.path.remove(scratch)
