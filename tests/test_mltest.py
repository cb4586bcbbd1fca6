"""The ML Test Score has 28 items in four sections, and what it names as proof is there."""

from __future__ import annotations

import yaml

from pipeline.config import ROOT
from tests.mltest import WORTH, command

SECTIONS = yaml.safe_load((ROOT / "tests" / "mltest.yaml").read_text(encoding="utf-8"))


def test_there_are_28_items_each_with_one_kind_of_proof() -> None:
    assert list(SECTIONS) == ["data", "model", "infrastructure", "monitoring"]
    for items in SECTIONS.values():
        assert len(items) == 7
        assert all(len(item.keys() & WORTH.keys()) == 1 and len(item) == 2 for item in items)


def test_every_proof_is_there_and_the_score_is_what_is_said() -> None:
    for items in SECTIONS.values():
        for item in items:
            for test in item.get("tests", []):
                path, _, name = test.partition("::")
                source = (ROOT / path).read_text(encoding="utf-8")
                assert f"def {name.split('[')[0]}(" in source if name else True, test
        assert sum(WORTH[next(kind for kind in WORTH if kind in item)] for item in items) >= 4.5
    assert command(["tests/a.py::b[c d]"]) == "python -m pytest -m 'not browser' 'tests/a.py::b[c d]'"
