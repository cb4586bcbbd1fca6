"""Who there can be: the roles of people, and the scopes of the keys of programs."""

from __future__ import annotations

ROLES = ("agent", "lead", "admin", "service")
SCOPES = ("score", "read", "feedback")
