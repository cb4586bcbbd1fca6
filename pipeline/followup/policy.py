"""The rules of the desk, from ``configs/desk.yaml``: when a case is due, what may be spent, who is told."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.config import Config, read_yaml, resolve, validated
from pipeline.settings import Section

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Role = Literal["agent", "lead", "admin", "service"]
EVENTS = ("case.opened", "case.due", "case.closed")


class CalendarRules(Section):
    """When the team works."""

    zone: str = "UTC"
    hours: dict[Weekday, str] = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "09:00-17:00")
    country: str | None = None
    holidays: list[date] = []


class Budget(Section):
    """What an agent may give without asking."""

    currency: str = "EUR"
    per_case: Annotated[float, Field(ge=0)] = 50
    per_day: Annotated[float, Field(ge=0)] = 200


class FollowUp(Section):
    """When a customer is asked again after the call, and how long the answer counts."""

    days: Annotated[int, Field(ge=1)] = 14
    window_days: Annotated[int, Field(ge=1)] = 90


class Thanks(Section):
    """Promoters worth a thank-you."""

    most: Annotated[int, Field(ge=0, le=1_000)] = 50


class Oidc(Section):
    """Single sign-on by OpenID Connect."""

    issuer: str
    client_id: str
    role_claim: str = "groups"
    roles: dict[str, Role] = {}
    name_claim: str = "preferred_username"


class SignIn(Section):
    """How people come in."""

    session_hours: Annotated[float, Field(gt=0, le=24 * 31)] = 12
    attempts: Annotated[int, Field(ge=1)] = 5
    oidc: Oidc | None = None


class Webhook(Section):
    """One address that is told of events."""

    url: str
    events: list[Literal["case.opened", "case.due", "case.closed"]] = list(EVENTS)  # type: ignore[arg-type]
    secret_env: str | None = None


class Policy(Section):
    """Every rule of the desk; configs/desk.yaml says why each is as it is."""

    calendar: CalendarRules = CalendarRules()
    due_head: str = "urgency"
    due: dict[str, str] = {
        "critical": "1 h", "high": "8 h", "normal": "2 working days", "low": "10 working days",
        "other": "2 working days",
    }  # fmt: skip
    settle: str = "5 working days"
    ageing_points_per_day: Annotated[float, Field(ge=0)] = 10
    live_from: Annotated[float, Field(ge=0, le=100)] = 60
    lease_minutes: Annotated[float, Field(gt=0)] = 30
    hand_over_hours: Annotated[float, Field(gt=0)] = 24
    reopen_days: Annotated[float, Field(ge=0)] = 14
    second_failure_days: Annotated[float, Field(ge=0)] = 90
    budget: Budget = Budget()
    root_causes: list[str] = [
        "process", "product", "people", "communication", "price", "supplier", "system", "expectation", "unknown",
    ]  # fmt: skip
    playbooks: str = "configs/playbooks.yaml"
    follow_up: FollowUp = FollowUp()
    thanks: Thanks = Thanks()
    sign_in: SignIn = SignIn()
    site: str | None = None
    webhooks: list[Webhook] = []
    webhook_hosts: list[str] = []
    webhook_attempts: Annotated[int, Field(ge=1, le=50)] = 16

    @field_validator("due")
    @classmethod
    def _every_label_is_due(cls, due: dict[str, str]) -> dict[str, str]:
        if "other" not in due:
            raise ValueError("say what holds where the head has no label, such as other: 2 working days")
        return due

    @field_validator("root_causes")
    @classmethod
    def _there_is_a_cause(cls, causes: list[str]) -> list[str]:
        if not causes:
            raise ValueError("name at least one root cause: no case can be closed without one")
        return causes

    @classmethod
    def of(cls, config: Config) -> Policy:
        """Return the rules that the setting `desk` names.

        Raises
        ------
        ConfigError
            The file is absent, has an unknown key, or a value out of its range.
        """
        return validated(cls, read_yaml(resolve(config.desk)), f"{config.desk}: ")
