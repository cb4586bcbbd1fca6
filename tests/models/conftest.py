"""What the tests of the encoder share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from models.families.encoder.sources import load_pretrained
from models.families.encoder.tokens import Tokeniser


@pytest.fixture(scope="module")
def pretrained(tiny_encoder: Path) -> tuple[Any, Tokeniser]:
    """Return a tiny encoder with windows of 16 tokens, and its tokeniser."""
    return load_pretrained(str(tiny_encoder), max_tokens=16, dropout=0.0)
