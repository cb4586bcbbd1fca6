"""What every family answers: the logits of a batch of texts, and how far each text could be read; and its progress."""

from __future__ import annotations

from collections.abc import Callable
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
    familiar
        Share of each text's words, or parts of words, that the training texts had, shape (texts,).
    """

    logits: NDArray[np.float32]
    wordless: NDArray[np.bool_]
    windows: NDArray[np.int32]
    familiar: NDArray[np.float32]


def later(progress: Callable[..., None], done: float) -> Callable[..., None]:
    """Return the `progress` of the rest of some work, of which the share `done` lies behind."""
    return lambda share, *loss: progress(done + (1 - done) * share, *loss)
