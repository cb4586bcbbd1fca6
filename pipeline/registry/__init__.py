"""MLflow: runs, the model registry, and models fetched from it. The only package that knows MLflow."""

from .runs import Registered, SearchRun, add_page, log_audit, log_training
from .tracking import connect
from .versions import (
    Promotion,
    champion,
    fetch,
    history,
    lineage,
    located,
    promote,
    refuse,
    rollback,
    settings_of,
    size_and_signature,
    version_of,
)

__all__ = [
    "Promotion", "Registered", "SearchRun", "add_page", "champion", "connect", "fetch", "history", "lineage", "located",
    "log_audit", "log_training", "promote", "refuse", "rollback", "settings_of", "size_and_signature", "version_of",
]  # fmt: skip
