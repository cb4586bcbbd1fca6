"""What every family answers: the logits of a batch of texts, and how far each text could be read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Forward(NamedTuple):
    """One batch, read by one family.

    Attributes
    ----------
    logits
        Of all heads side by side, shape (texts, sum of widths).
    wordless
        Which texts hold no word that the family has learnt from: there is nothing to predict from.
    windows
        In how many windows each text was read, shape (texts,); 1 where it was read as a whole.
    """

    logits: NDArray[np.float32]
    wordless: NDArray[np.bool_]
    windows: NDArray[np.int32]
