"""MLflow: runs, the model registry, and models fetched from it. The only package that knows MLflow."""

from .runs import Registered, SearchRun, log_audit, log_training
from .tracking import connect
from .versions import fetch

__all__ = ["Registered", "SearchRun", "connect", "fetch", "log_audit", "log_training"]
