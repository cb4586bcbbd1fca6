"""Instants: ISO 8601 texts as seconds since 1970, UTC."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seconds(text: str | None) -> float:
    """Return the seconds since 1970 UTC of an ISO 8601 `text`; NaN where there is none. Naive means UTC."""
    if not text:
        return float("nan")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return float("nan")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH).total_seconds()


def all_seconds(texts: Iterable[str | None]) -> NDArray[np.float64]:
    """Return `seconds` of each text."""
    return np.array([seconds(text) for text in texts], np.float64)
