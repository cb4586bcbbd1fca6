"""The desk: the ranked queue, the case page, and the buttons that say how a call went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from pipeline.followup.case import LIVE, STATUSES, Case, ConflictError, UnknownCaseError
from pipeline.followup.store import Store
from pipeline.web import view
from pipeline.web.body import form_body
from pipeline.web.display import Display
from pipeline.web.guard import check_form
from pipeline.web.pages import Pages
from pipeline.web.when import when

PAGE = 50
# Until there are users, everything that is done here was done by whoever sits at the demo.
WHO = "demo desk"
BUTTONS = {"contacted": "Reached", "resolved": "Resolved", "dismissed": "Dismiss", "open": "Open again"}
TABS = {"open": "To call", "contacted": "In touch", "resolved": "Resolved", "dismissed": "Dismissed"}
CLOSED = (
    "The desk shows what customers wrote, and Amends has no users and passwords yet. "
    "So it opens only as a demo, on this machine alone: python serve.py --demo"
)


@dataclass(frozen=True)
class Desk:
    """What the pages of the desk are made from."""

    store: Store
    pages: Pages
    display: Display

    def queue(self, status: str, page: int, marked: int | None) -> HTMLResponse:
        """Return a page of the queue; `marked` is a case that was marked a moment ago."""
        if status not in STATUSES:
            raise HTTPException(404, f"There is no such list; the lists are {', '.join(STATUSES)}.")
        now, counts, offset = datetime.now(UTC), self.store.counts(), (page - 1) * PAGE
        cases = self.store.queue(PAGE, status, offset=offset)
        return self.pages.show(
            "queue.html",
            lines=[view.line(case, rank, self.display, now) for rank, case in enumerate(cases, offset + 1)],
            columns=[self.display.name(head) for head in self.display.columns],
            tabs=[(key, words, counts[key]) for key, words in TABS.items()],
            status=status,
            total=counts[status],
            page=page,
            more=offset + len(cases) < counts[status],
            notice=self._notice(marked),
            buttons=BUTTONS,
        )

    def case(self, case_id: int) -> HTMLResponse:
        """Return the page of one case."""
        case, now = self._find(case_id), datetime.now(UTC)
        return self.pages.show(
            "case.html",
            line=view.line(case, 0, self.display, now),
            case=case,
            bars=view.bars(case, self.display),
            chips=view.chips(case, self.display),
            letters=view.letters(case, self.display, now),
            history=view.history(reversed(case.events), now),
            opened=when(case.opened_at, now),
            buttons=BUTTONS,
            tabs=TABS,
        )

    def mark(self, case_id: int, form: dict[str, str]) -> Response:
        """Return where to go after a case was marked, or a page that says why it was not."""
        status, version, shown = form.get("status", ""), form.get("version", ""), form.get("view", "case")
        if status not in STATUSES or not (version.isdecimal() and len(version) < 10) or shown not in ("case", "queue"):
            raise HTTPException(422, "The form names no status that a case can have.")
        try:
            case = self.store.mark(case_id, status, WHO, version=int(version))
        except UnknownCaseError as error:
            raise HTTPException(404, _said(error)) from None
        except ConflictError as error:
            return self.pages.error(409, _said(error), case_id=case_id)
        # Who closes a case wants the next customer; who reached one is still talking to them.
        if shown == "case" and case.status in LIVE:
            return RedirectResponse(f"/cases/{case_id}", 303)
        return RedirectResponse(f"/?{urlencode({'marked': case_id})}", 303)

    def _find(self, case_id: int) -> Case:
        try:
            return self.store.case(case_id)
        except UnknownCaseError as error:
            raise HTTPException(404, _said(error)) from None

    def _notice(self, marked: int | None) -> tuple[Case, str, str] | None:
        """Return the case just marked, its name and what it is now: read from the store, so that no link can lie."""
        if marked is None:
            return None
        try:
            case = self.store.case(marked)
        except UnknownCaseError:
            return None
        return case, view.name(case), TABS[case.status]


def desk(store: Store, pages: Pages, display: Display) -> APIRouter:
    """Return the pages; without a demo they answer 403 and say why."""
    router = APIRouter(include_in_schema=False, dependencies=[Depends(lambda: _open(pages))])
    own = Desk(store, pages, display)

    @router.get("/")
    def queue(
        status: str = "open",
        page: Annotated[int, Query(ge=1, le=100_000)] = 1,
        marked: Annotated[int | None, Query(ge=1)] = None,
    ) -> HTMLResponse:
        return own.queue(status, page, marked)

    @router.get("/cases/{case_id}")
    def case(case_id: int) -> HTMLResponse:
        return own.case(case_id)

    @router.post("/cases/{case_id}/mark")
    async def mark(request: Request, case_id: int) -> Response:
        form = await form_body(request)
        check_form(request, form.get("token", ""), pages.token)
        return await run_in_threadpool(own.mark, case_id, form)

    return router


def _open(pages: Pages) -> None:
    if not pages.demo:
        raise HTTPException(403, CLOSED)


def _said(error: Exception) -> str:
    """Return the sentence of `error` as one stands on a page."""
    sentence = str(error)
    return f"{sentence[:1].upper()}{sentence[1:]}."
