"""Labels drawn from probabilities, for tests of what is fitted to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.schema import Head
from models.targets import Target


def labels_drawn(head: Head, likely: NDArray[np.float32], seed: int = 0) -> Target:
    """Return labels of every row, drawn from the probabilities given."""
    random = np.random.default_rng(seed)
    if head.exclusive:
        place = (likely.cumsum(1) < random.random((len(likely), 1))).sum(1).clip(max=head.width - 1)
        truth = np.eye(head.width, dtype=np.float32)[place]
    else:
        truth = (random.random(likely.shape) < likely).astype(np.float32)
    return Target(np.ones(len(likely), bool), truth)
