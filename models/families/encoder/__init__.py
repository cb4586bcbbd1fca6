"""Families `encoder` and `frozen`, and everything that only they need."""

from .family import Encoder, Frozen

__all__ = ["Encoder", "Frozen"]
