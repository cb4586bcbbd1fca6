"""Values of columns that may be shown on a page: a column mapped by mistake holds what customers wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from models.masking import find

FEWEST, MOST_LETTERS = 5, 40
OTHERS = "others"


def presentable(values: Sequence[str | None]) -> list[str | None]:
    """Return `values` with `OTHERS` for those that fewer than `FEWEST` rows have, are long, or hold personal data."""
    counts = Counter(value for value in values if value is not None)
    kept = {
        value for value, count in counts.items() if count >= FEWEST and len(value) <= MOST_LETTERS and not find(value)
    }
    return [None if value is None else value if value in kept else OTHERS for value in values]
