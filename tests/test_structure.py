"""The layout of design §3, held by looking at every file: who may import whom, and what importing does."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipeline.config import ROOT

FILES = sorted(path for folder in ("models", "pipeline") for path in (ROOT / folder).rglob("*.py"))
SCRIPTS = [ROOT / name for name in ("train.py", "score.py", "serve.py")]
# Which part may import which others of ours (design §3); a part may always import itself.
MAY_IMPORT = {
    "models": set(),
    "pipeline.settings": set(),
    "pipeline.page": set(),
    "pipeline.config": {"models", "pipeline.settings"},
    "pipeline.artefact": {"models", "pipeline.config"},
    "pipeline.registry": {"models", "pipeline.config", "pipeline.artefact"},
    "pipeline.feedback": {"models", "pipeline.config"},
    **{
        part: {
            "models",
            "pipeline.config",
            "pipeline.feedback",
            "pipeline.artefact",
            "pipeline.registry",
            "pipeline.page",
        }
        for part in ("pipeline.learning", "pipeline.triage")
    },
}
for _others in MAY_IMPORT.values():
    if "pipeline.config" in _others:
        _others.add("pipeline.settings")
MAY_IMPORT["pipeline.followup"] = MAY_IMPORT["pipeline.triage"] | {"pipeline.triage"}
MAY_IMPORT["pipeline.insight"] = MAY_IMPORT["pipeline.followup"]
MAY_IMPORT["pipeline.web"] = MAY_IMPORT["pipeline.followup"] | {"pipeline.followup", "pipeline.insight"}


def name_of(path: Path) -> str:
    """Return the dotted name of a module of ours."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """Return the part that a module of ours belongs to: "models", or the package or module below "pipeline"."""
    names = module.split(".")
    return names[0] if names[0] == "models" else ".".join(names[:2])


@cache
def imports(path: Path, *, lazy: bool = True) -> tuple[str, ...]:
    """Return the full names of the modules that a file imports, those of type checking apart."""
    return tuple(_imports(path, lazy=lazy))


def _imports(path: Path, *, lazy: bool) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if (isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING")
        or (not lazy and isinstance(block, ast.FunctionDef))
        for node in ast.walk(block)
    }  # fmt: skip
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            target = ".".join([*base, *([node.module] if node.module else [])])
            yield from ([target] if node.module else [f"{target}.{alias.name}" for alias in node.names])
            if target in ("pipeline", "models"):
                yield from (f"{target}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("import_module", "importlib.import_module"):
            yield from (str(given.value) for given in node.args[:1] if isinstance(given, ast.Constant))


def ours(path: Path) -> set[str]:
    found = {module for module in imports(path) if module.split(".")[0] in ("models", "pipeline")}
    return {part_of(module) for module in found if module != "pipeline"}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    part = part_of(name_of(path))
    if part == "pipeline":
        return
    assert part in MAY_IMPORT, f"a new part of the pipeline: say in design §3 and here what {part} may import"
    assert ours(path) - {part} <= MAY_IMPORT[part]


@pytest.mark.parametrize("path", [path for path in FILES if name_of(path).startswith("models")], ids=name_of)
def test_what_ships_imports_itself_relatively(path: Path) -> None:
    """It travels under another name: an absolute import would find the server's own copy, or none."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
        assert not [name for name in names if name.split(".")[0] in ("models", "pipeline", "tests")]


def users(library: str) -> set[str]:
    return {name_of(path) for path in FILES if any(name.split(".")[0] == library for name in imports(path))}


def test_one_package_knows_mlflow_and_one_package_knows_sql() -> None:
    assert {part_of(module) for module in users("mlflow")} == {"pipeline.registry"}
    # A database that feedback is read from is somebody else's; no statement of ours is in it.
    assert {part_of(name) for name in users("sqlalchemy") - {"pipeline.feedback.remote"}} == {"pipeline.followup"}
    # A job's own notes are no data of anybody's.
    assert {part_of(name) for name in users("sqlite3") - {"pipeline.triage.journal"}} <= {"pipeline.followup"}


@pytest.mark.parametrize("library", ["pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"])
def test_nothing_is_pickled(library: str) -> None:
    assert not users(library)
    calls = [path for path in FILES if "allow_pickle=True" in path.read_text(encoding="utf-8")]
    assert not calls


def reachable(start: Path) -> set[str]:
    """Return all modules of ours that a file leads to, lazily or not."""
    paths = {name_of(path): path for path in FILES}
    met: set[str] = set()
    waiting = [start]
    while waiting:
        for name in imports(waiting.pop()):
            module = name if name in paths else name.rpartition(".")[0]
            if module in paths and module not in met:
                met.add(module)
                waiting.append(paths[module])
    return met


@pytest.mark.parametrize("path", [ROOT / "serve.py", ROOT / "score.py"], ids=lambda path: path.name)
def test_what_serves_never_imports_what_trains(path: Path) -> None:
    met = reachable(path)
    assert "pipeline.config" in met
    assert not [module for module in met if module.startswith("pipeline.learning")]


def test_the_web_trains_nothing_either() -> None:
    for path in FILES:
        if name_of(path).startswith("pipeline.web"):
            assert not [module for module in reachable(path) if module.startswith("pipeline.learning")]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_is_too_long_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_a_table_of_contents(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 100


def test_there_is_no_part_without_a_rule_and_no_rule_for_the_web_alone() -> None:
    parts = {part_of(name_of(path)) for path in FILES} - {"pipeline"}
    assert parts <= set(MAY_IMPORT)


QUIET = """
import importlib, json, logging, os, sys, threading
before = (dict(os.environ), list(sys.path), len(logging.root.handlers), logging.root.level, sys.excepthook)
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
after = (dict(os.environ), list(sys.path), len(logging.root.handlers), logging.root.level, sys.excepthook)
assert before == after, [(old, new) for old, new in zip(before, after) if old != new]
assert threading.active_count() == 1, threading.enumerate()
heavy = sorted({"mlflow", "torch", "matplotlib", "sklearn", "uvicorn"} & set(sys.modules))
assert not heavy, heavy
"""


# These two are torch; nothing but fitting an encoder imports them (test_torch_is_imported_by_training_alone).
TORCH = {"models.families.encoder.network", "models.families.encoder.training"}


def test_torch_is_imported_by_training_alone() -> None:
    eager = {name_of(path) for path in FILES if any(name == "torch" for name in imports(path, lazy=False))}
    assert eager == TORCH


def test_importing_does_nothing(tmp_path: Path) -> None:
    """No file, no output, no thread, no logging, no environment, and none of the slow libraries."""
    names = [name for path in [*FILES, *SCRIPTS] if (name := name_of(path)) not in TORCH]
    local = ROOT / "data" / "local"
    there = sorted(local.rglob("*")) if local.exists() else []
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", QUIET, json.dumps(names)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())
    assert (sorted(local.rglob("*")) if local.exists() else []) == there
