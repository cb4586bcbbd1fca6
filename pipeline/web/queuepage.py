"""The queue in a browser: tabs, filters, saved views, live counts, exports, and "take next"."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from models.promise import LEVEL
from pipeline.followup import claims, queue, views
from pipeline.followup.case import Case, UnknownCaseError, UnusableError
from pipeline.followup.queue import SORTS, TABS, Filter
from pipeline.web import view
from pipeline.web.access import form, visitor_of
from pipeline.web.desk import Desk
from pipeline.web.exports import SHEET_ROWS, as_csv, as_xlsx

Choices = list[tuple[str, str]]
PAGE = 50
_NUMBERS = {"value": "min_value", "age": "max_age_days"}
_MOST = {"value": 10**12, "age": 36_500}
_TEXTS = {"channel": "channel", "lang": "lang", "q": "query", "sort": "sort", "tab": "tab"}


def filter_of(asked: Mapping[str, str], heads: tuple[str, ...]) -> Filter:
    """Return what the query of an address asks for; `heads` are those whose labels may be asked for.

    Raises
    ------
    UnusableError
        A list, an order or a number is none.
    """
    wanted: dict[str, Any] = {name: asked[key][:200] for key, name in _TEXTS.items() if asked.get(key)}
    wanted["labels"] = tuple((head, asked[head][:100]) for head in heads if asked.get(head))
    for key, name in _NUMBERS.items():
        if asked.get(key):
            wanted[name] = _number(key, asked[key])
    return Filter(**wanted)


def _number(key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= _MOST[key]:
        raise UnusableError(
            "%(key)s takes a number from 0 to %(most)s; got %(text)s", key=key, most=_MOST[key], text=repr(text[:40])
        )
    return number


def query_of(wanted: Filter) -> str:
    """Return `wanted` as the query of an address."""
    asked: dict[str, Any] = {key: getattr(wanted, name) for key, name in (_TEXTS | _NUMBERS).items()}
    asked |= dict(wanted.labels)
    plain = {"tab": "free", "sort": "standing"}
    return urlencode({key: f"{value:.15g}" if isinstance(value, float) else value for key, value in asked.items()
                      if value not in ("", None) and value != plain.get(key)})  # fmt: skip


def queue_routes(desk: Desk) -> APIRouter:
    """Return the routes of the queue."""
    router = APIRouter(include_in_schema=False)
    heads = tuple(head.name for head in desk.schema if head.exclusive)

    @router.get("/")
    def shown(
        request: Request,
        page: Annotated[int, Query(ge=1, le=100_000)] = 1,
        marked: Annotated[int | None, Query(ge=1)] = None,
    ) -> HTMLResponse:
        wanted = filter_of(request.query_params, heads)
        return _page(desk, request, wanted, page, marked)

    @router.get("/counts")
    def counted(request: Request) -> dict[str, int]:
        return desk.counts(visitor_of(request).name)

    @router.post("/take-next")
    async def take_next(request: Request, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
        visitor = visitor_of(request)
        case = await run_in_threadpool(claims.take_next, desk.store, visitor.actor, lead=visitor.leads)
        desk.changed(visitor.name)
        return RedirectResponse(f"/cases/{case.id}" if case else "/?tab=free", 303)

    @router.post("/views")
    async def keep(request: Request, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
        query = query_of(filter_of(dict(parse_qsl(fields.get("query", ""))), heads))
        await run_in_threadpool(views.keep, desk.store, visitor_of(request).actor, fields.get("name", ""), query)
        return RedirectResponse(f"/?{query}", 303)

    @router.post("/views/{view_id}/remove")
    async def remove(request: Request, view_id: int, fields: Annotated[dict[str, str], Depends(form)]) -> Response:
        await run_in_threadpool(views.remove, desk.store, visitor_of(request).actor, view_id)
        return RedirectResponse("/", 303)

    @router.get("/export.csv")
    def csv(request: Request) -> Response:
        cases = _every(desk, request, filter_of(request.query_params, heads))
        return StreamingResponse(as_csv(cases, heads), media_type="text/csv; charset=utf-8", headers=_named("csv"))

    @router.get("/export.xlsx")
    def xlsx(request: Request) -> Response:
        cases = _every(desk, request, filter_of(request.query_params, heads))
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        return Response(as_xlsx(cases, heads), media_type=kind, headers=_named("xlsx"))

    return router


def _every(desk: Desk, request: Request, wanted: Filter) -> Iterator[Case]:
    """Yield the cases of an export: all of a view, for what is left out without a word is a customer forgotten."""
    return queue.every(desk.store, wanted, visitor_of(request).name, most=SHEET_ROWS)


def _page(desk: Desk, request: Request, wanted: Filter, page: int, marked: int | None) -> HTMLResponse:
    visitor, viewing = visitor_of(request), desk.viewing(request)
    offset = (page - 1) * PAGE
    found = queue.page(desk.store, wanted, visitor.name, limit=PAGE, offset=offset)
    return desk.pages.show(
        request,
        "queue.html",
        lines=[view.line(case, rank, viewing) for rank, case in enumerate(found.cases, offset + 1)],
        columns=[viewing.word(head) for head in desk.display.columns],
        tabs=TABS,
        counts=desk.counts(visitor.name),
        wanted=wanted,
        query=query_of(wanted),
        page=page,
        total=found.total,
        counted=found.counted,
        # Where the total is a lower bound, a full page says more than it does.
        more=offset + len(found.cases) < found.total or (not found.counted and len(found.cases) == PAGE),
        notice=_notice(desk, marked, viewing),
        choices=list(_choices(desk, wanted, viewing)),
        facets=desk.facets(),
        sorts=tuple(SORTS),
        views=views.views(desk.store, visitor.name),
        promise=desk.promise() if wanted.tab == "free" and not wanted.narrowed else None,
        level=round(100 * LEVEL),
        word=viewing.word,
        now=viewing.now,
    )


def _choices(
    desk: Desk, wanted: Filter, viewing: view.Viewing
) -> Iterator[tuple[str, str, list[tuple[str, str]], str]]:
    """Yield the heads that have a column in the queue, to filter by: key, words, labels with words, what is asked."""
    asked = dict(wanted.labels)
    for head in desk.schema:
        if head.exclusive and head.name in desk.display.columns:
            labels = [(label, viewing.word(label)) for label in head.labels]
            yield head.name, viewing.word(head.name), labels, asked.get(head.name, "")


def _notice(desk: Desk, marked: int | None, viewing: view.Viewing) -> tuple[Any, str] | None:
    """Return the case just worked on, and its name: read from the store, so that no link can lie."""
    if marked is None:
        return None
    try:
        case = desk.store.case(marked)
    except UnknownCaseError:
        return None
    return case, view.name(case, viewing.language)


def _named(suffix: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="amends-{datetime.now(UTC):%Y-%m-%d-%H%M}.{suffix}"'}
