"""The data audit: what is wrong with the labelled data, before anybody trains on it."""

from .audit import PAGE, SUSPECTS, Audit, audit

__all__ = ["PAGE", "SUSPECTS", "Audit", "audit"]
