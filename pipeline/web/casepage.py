"""The case page in a browser, and what can be done there; a change that came too late keeps what was typed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pipeline.followup import casework, claims, people, queue
from pipeline.followup.calendar import Allowance
from pipeline.followup.case import OUTCOMES, STEPS, Case, CaseworkError, ConflictError
from pipeline.followup.playbooks import playbook_for
from pipeline.followup.store import Store
from pipeline.web import caseview, view
from pipeline.web.access import Visitor, form, visitor_of
from pipeline.web.desk import Desk
from pipeline.web.pages import sentence_of

# When to call again, in the words of the desk's calendar.
AGAIN = {
    "1 h": "in an hour",
    "3 h": "in three hours",
    "1 working day": "on the next working day",
    "2 working days": "in two working days",
    "5 working days": "in a week",
}
Form = dict[str, str]
Act = Callable[[Desk, int, Visitor, Form], Case | None]


def case_routes(desk: Desk) -> APIRouter:
    """Return the routes of a case."""
    router = APIRouter(include_in_schema=False)

    @router.get("/cases/{case_id}")
    def shown(request: Request, case_id: int) -> HTMLResponse:
        return _page(desk, request, case_id)

    @router.post("/cases/{case_id}/{action}")
    async def act(request: Request, case_id: int, action: str, fields: Annotated[Form, Depends(form)]) -> Response:
        if action not in ACTIONS:
            raise HTTPException(404, "Nothing of this name can be done with a case.")
        return await run_in_threadpool(_act, desk, request, case_id, action, fields)

    return router


def _act(desk: Desk, request: Request, case_id: int, action: str, fields: Form) -> Response:
    """Return where to go after `action`, or the case page with what is wrong and with what was typed."""
    visitor = visitor_of(request)
    try:
        ACTIONS[action](desk, case_id, visitor, fields)
    except CaseworkError as error:
        problem = sentence_of(request, error)
        status = 409 if isinstance(error, ConflictError) else 422
        return _page(desk, request, case_id, status=status, problem=problem, typed=fields | {"action": action})
    finally:
        desk.changed(visitor.name)
    # Who is done with a case wants the next customer; who reached one is still talking to them.
    if action in ("close", "release", "hand-over", "no-answer") or fields.get("view") == "queue":
        return RedirectResponse(f"/?marked={case_id}", 303)
    return RedirectResponse(f"/cases/{case_id}", 303)


def _page(
    desk: Desk, request: Request, case_id: int, *, status: int = 200, problem: str = "", typed: Form | None = None
) -> HTMLResponse:
    visitor, viewing = visitor_of(request), desk.viewing(request)
    case = desk.store.case(case_id)
    line = view.line(case, 0, viewing)
    before = queue.above(desk.store, case) if case.status == "open" else None
    book = playbook_for(desk.playbooks[viewing.language.code], _type(desk, case))
    return desk.pages.show(
        request,
        "case.html",
        status,
        line=line,
        case=case,
        mine=line.owner == visitor.name,
        bars=view.bars(case, viewing),
        chips=view.chips(case, viewing),
        letters=caseview.letters(case, viewing),
        history=caseview.history(reversed(case.events), viewing),
        above=caseview.above(case, before, viewing),
        aged=_aged(desk, case, viewing),
        opened=viewing.when(case.opened_at),
        again=AGAIN,
        zone=str(desk.store.clock.calendar.zone),
        next_at=viewing.when(case.next_at),
        held_until=viewing.when(case.lease_until) if line.owner else None,
        first_contact=viewing.when(case.first_contact_at),
        ask_at=viewing.when(case.ask_at),
        playbook=book,
        steps=[(step, step in case.steps) for step in STEPS],
        outcomes=OUTCOMES,
        causes=[(cause, viewing.word(cause)) for cause in desk.store.policy.root_causes],
        budget=desk.store.policy.budget,
        left=casework.left_to_give(desk.store, case, visitor.name, viewing.now),
        colleagues=[one.name for one in people.users(desk.store) if one.active and one.name != visitor.name],
        labels=[(head.name, viewing.word(head.name), [(label, viewing.word(label)) for label in head.labels])
                for head in desk.schema if head.kind != "binary"],
        problem=problem,
        typed=typed or {"action": ""},
        word=viewing.word,
    )  # fmt: skip


def _type(desk: Desk, case: Case) -> str | None:
    """Return the label that has a playbook: of the last head that has a column in the queue."""
    label = case.labels.get(desk.display.playbook_head)
    return label if isinstance(label, str) else None


def _aged(desk: Desk, case: Case, viewing: view.Viewing) -> str | None:
    """Return the points that the case gained by being late; None where it is not."""
    gained = desk.store.clock.aged(case.due_at, viewing.now) if case.live and case.due_at else 0.0
    return view.points(gained, viewing.language) if gained >= 0.05 else None


def _version(fields: Form) -> int | None:
    text = fields.get("version", "")
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _again_at(store: Store, fields: Form, now: datetime) -> datetime:
    """Return when to call again: by the choice, or by the time that was typed, in the zone of the desk's calendar."""
    exact = fields.get("exact", "").strip()
    if not exact:
        if fields.get("again") not in AGAIN:
            raise CaseworkError("say when to try again")
        return store.clock.calendar.due(now, Allowance.parse(fields["again"]))
    try:
        typed = datetime.fromisoformat(exact)
        return (typed if typed.tzinfo else typed.replace(tzinfo=store.clock.calendar.zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CaseworkError("%(text)s is no date and time such as 2026-11-23T09:30", text=repr(exact[:40])) from None


def _amount(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise CaseworkError("%(text)s is no amount such as 12.50", text=repr(text[:40])) from None


def _take(desk: Desk, case_id: int, visitor: Visitor, fields: Form) -> Case:
    case = desk.store.case(case_id)
    if case.second_failure and not visitor.leads:
        raise ConflictError("this is the second time that this customer was let down: a lead takes it")
    return claims.take(desk.store, case_id, visitor.actor, version=_version(fields))


def _no_answer(desk: Desk, case_id: int, visitor: Visitor, fields: Form) -> Case:
    again = _again_at(desk.store, fields, datetime.now(UTC))
    return casework.no_answer(
        desk.store, case_id, visitor.actor, again, version=_version(fields), note=fields.get("note", "")
    )


def _correct(desk: Desk, case_id: int, visitor: Visitor, fields: Form) -> None:
    head, _, label = fields.get("label", "").partition(":")
    text = fields.get("text", "")
    number = int(text) if text.isdecimal() and len(text) < 10 else 0
    casework.correct(desk.store, case_id, visitor.actor, desk.schema, number, head, label)


def _with(act: Callable[..., Case], *names: str) -> Act:
    """Return `act` as an action that takes the fields `names` of the form, and the version where it has one."""

    def done(desk: Desk, case_id: int, visitor: Visitor, fields: Form) -> Case:
        given = [fields.get(name, "") for name in names]
        return act(desk.store, case_id, visitor.actor, *given, version=_version(fields), **_noted(act, fields))

    return done


def _noted(act: Callable[..., Case], fields: Form) -> dict[str, str]:
    return {"note": fields.get("note", "")} if act in (casework.contacted, casework.close) else {}


def _step(desk: Desk, case_id: int, visitor: Visitor, fields: Form) -> Case:
    done = fields.get("done") == "1"
    return casework.check_step(desk.store, case_id, visitor.actor, fields.get("step", ""), done)


def _give(desk: Desk, case_id: int, visitor: Visitor, fields: Form) -> Case:
    amount = _amount(fields.get("amount", ""))
    return casework.give(desk.store, case_id, visitor.actor, amount, fields.get("what", ""))


def _note(desk: Desk, case_id: int, visitor: Visitor, fields: Form) -> Case:
    return casework.remark(desk.store, case_id, visitor.actor, fields.get("note", ""))


ACTIONS: dict[str, Act] = {
    "take": _take,
    "release": _with(claims.release),
    "contacted": _with(casework.contacted),
    "no-answer": _no_answer,
    "close": _with(casework.close, "outcome", "root_cause"),
    "reopen": _with(casework.reopen),
    "hand-over": _with(casework.hand_over, "to", "note"),
    "step": _step,
    "give": _give,
    "label": _correct,
    "note": _note,
}
