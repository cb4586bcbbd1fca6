"""Who there can be: the roles of people, and the scopes of the keys of programs."""

from __future__ import annotations

PEOPLE = ("agent", "lead", "admin")  # who may more comes later
ROLES = (*PEOPLE, "service")
SCOPES = ("score", "read", "feedback")
