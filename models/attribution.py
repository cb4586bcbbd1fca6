"""What a family says of a word when it is asked for its reasons."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Telling(NamedTuple):
    """One word of a text: what it adds along each direction asked for (in logits), and whether it is commonplace."""

    word: str
    value: NDArray[np.float32]
    common: bool
