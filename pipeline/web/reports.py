"""The pages beside the queue: the ledger, people to thank, people to ask again, the audit log, the call-back feed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pipeline.followup import answers, audit, people, promoters, queue
from pipeline.followup.case import UnusableError
from pipeline.followup.ledger import ledger
from pipeline.web import caseview, view
from pipeline.web.access import form, visitor_of
from pipeline.web.callbacks import as_ical
from pipeline.web.desk import Desk
from pipeline.web.ledger import facts
from pipeline.web.marking import excerpt
from pipeline.web.pages import address_of

PERIODS = (30, 90, 365)
PAGE = 50


def report_routes(desk: Desk) -> APIRouter:
    """Return the routes of the pages beside the queue."""
    router = APIRouter(include_in_schema=False)

    @router.get("/ledger")
    def the_ledger(request: Request, days: int = 90, by_agent: bool = False) -> HTMLResponse:
        if days not in PERIODS:
            raise UnusableError("the ledger is of the last %(periods)s days", periods=", ".join(map(str, PERIODS)))
        now, leads = datetime.now(UTC), visitor_of(request).leads
        found = ledger(desk.store, since=now - timedelta(days=days), until=now, by_agent=by_agent and leads)
        shown = facts(found, desk.viewing(request))
        return desk.pages.show(request, "ledger.html", days=days, periods=PERIODS, leads=leads, **shown)

    @router.get("/log")
    def log(request: Request, before: Annotated[int | None, Query(ge=1)] = None) -> HTMLResponse:
        viewing = desk.viewing(request)
        with desk.store.engine.connect() as connection:
            rows = audit.latest(connection, PAGE, before)
        entries = list(zip(rows, caseview.history(rows, viewing), strict=True))
        return desk.pages.show(request, "log.html", entries=entries, more=len(rows) == PAGE)

    return router


def thanks_routes(desk: Desk) -> APIRouter:
    """Return the routes of the people to thank."""
    router = APIRouter(include_in_schema=False)

    @router.get("/thanks")
    def thanks(request: Request, page: Annotated[int, Query(ge=1, le=10_000)] = 1) -> HTMLResponse:
        viewing = desk.viewing(request)
        found = promoters.promoters(desk.store, PAGE + 1, (page - 1) * PAGE)
        shown = [(one, excerpt(one.text, limit=400), viewing.when(one.created_at), viewing.when(one.thanked_at))
                 for one in found[:PAGE]]  # fmt: skip
        return desk.pages.show(
            request, "thanks.html", promoters=shown, page=page, more=len(found) > PAGE, number=viewing.language.number
        )

    @router.post("/thanks/{promoter_id}")
    async def thank(request: Request, promoter_id: int, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
        await run_in_threadpool(promoters.thank, desk.store, promoter_id, visitor_of(request).actor)
        return RedirectResponse("/thanks", 303)

    return router


def aftercare_routes(desk: Desk) -> APIRouter:
    """Return the routes of what comes after a call, and of call-backs."""
    router = APIRouter(include_in_schema=False)

    @router.get("/ask")
    def ask(request: Request) -> HTMLResponse:
        viewing = desk.viewing(request)
        due = [(view.line(case, 0, viewing), viewing.when(case.closed_at))
               for case in answers.due_to_ask(desk.store, viewing.now)]  # fmt: skip
        return desk.pages.show(request, "ask.html", due=due, days=desk.store.policy.follow_up.days)

    @router.post("/ask/{case_id}")
    async def asked(request: Request, case_id: int, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
        await run_in_threadpool(answers.asked, desk.store, case_id, visitor_of(request).actor)
        return RedirectResponse("/ask", 303)

    @router.get("/calendar/{token}")
    def calendar(request: Request, token: str) -> Response:
        owner = people.feed_owner(desk.store, token.removesuffix(".ics"))
        if owner is None:
            raise HTTPException(404, "There is no such calendar; make one anew under your account.")
        feed = as_ical(queue.callbacks(desk.store, owner), address_of(request), datetime.now(UTC))
        return Response(feed, media_type="text/calendar")

    return router
