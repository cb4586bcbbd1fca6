"""Placeholder while the ledger page is written."""

from __future__ import annotations

from typing import Any


def facts(ledger: Any, viewing: Any) -> dict[str, Any]:
    """Return nothing yet."""
    return {}
